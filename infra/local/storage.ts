import { once } from "node:events";
import { connect } from "node:net";
import { join } from "node:path";
import { addressesOf, StorageUnreachable } from "@holdfast/shared/require-storage.ts";
import type { LocalServer } from "./local-server.ts";
import { startPostgres } from "./postgres.ts";
import { startRedis } from "./redis.ts";

export interface Storage {
  readonly databaseUrl: string;
  readonly redisUrl: string;
  /** Where each came from, in words. */
  readonly origin: { readonly postgres: string; readonly redis: string };
  /** The servers that were started here; none where URLs were given. */
  readonly servers: readonly LocalServer[];
}

/**
 * Postgres and Redis for a local system: those of DATABASE_URL and REDIS_URL where given (and then
 * nothing else), otherwise started here with their data in `directory`.
 * @param fresh whether the data of those started here is thrown away first
 * @throws StorageUnreachable naming all that were given and do not answer, before anything is
 *   started
 */
export async function openStorage(
  directory: string,
  given: { readonly DATABASE_URL?: string | undefined; readonly REDIS_URL?: string | undefined },
  onNotice: (text: string) => void,
  fresh = false,
): Promise<Storage> {
  await requireGiven(given);
  const postgres = given.DATABASE_URL ? null : await startPostgres(join(directory, "postgres"), { fresh });
  try {
    const redis = given.REDIS_URL ? null : await startRedis(join(directory, "redis"), onNotice, { fresh });
    return {
      databaseUrl: given.DATABASE_URL || (postgres?.url ?? ""),
      redisUrl: given.REDIS_URL || (redis?.url ?? ""),
      origin: {
        postgres: postgres ? `started here (${postgres.origin})` : "DATABASE_URL",
        redis: redis ? `started here (${redis.origin})` : "REDIS_URL",
      },
      servers: [redis, postgres].filter((server) => server !== null),
    };
  } catch (error) {
    await postgres?.stop();
    throw error;
  }
}

const connectWithinMs = 3_000;

async function requireGiven(given: Parameters<typeof openStorage>[1]): Promise<void> {
  const problems = await Promise.all(
    (["DATABASE_URL", "REDIS_URL"] as const).map(async (name) => {
      const url = given[name];
      if (!url) return [];
      // Where it cannot be seen from the URL, whoever connects to it says so.
      const addresses = addressesOf(name, url);
      if (addresses === null) return [];
      const answering = await Promise.all(addresses.map(answers));
      return answering.includes(true) ? [] : [`nothing answers at ${addresses.join(", ")} (${name})`];
    }),
  );
  if (problems.flat().length > 0) throw new StorageUnreachable(problems.flat());
}

async function answers(address: string): Promise<boolean> {
  const [host = "", port] = address.split(/:(?=\d+$)/);
  const socket = connect({ host: host.replace(/^\[|\]$/g, ""), port: Number(port) });
  try {
    await once(socket, "connect", { signal: AbortSignal.timeout(connectWithinMs) });
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
