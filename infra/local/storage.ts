import { join } from "node:path";
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
 * Postgres and Redis for a local system: those of DATABASE_URL and REDIS_URL where given (and then nothing else), otherwise
 * started here with their data in `directory`.
 * @param fresh whether the data of those started here is thrown away first
 */
export async function openStorage(
  directory: string,
  given: { readonly DATABASE_URL?: string | undefined; readonly REDIS_URL?: string | undefined },
  onNotice: (text: string) => void,
  fresh = false,
): Promise<Storage> {
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
