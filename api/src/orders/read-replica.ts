import { type Database, openDatabase, requirePostgres } from "@holdfast/shared/database.ts";
import type { Logger } from "@holdfast/shared/log.ts";
import { sql } from "kysely";

/**
 * A standby of Postgres for reads that may lag (`DATABASE_READ_URL`). Whether it may be read is
 * looked at once a second, on both servers: one that is gone, far behind, or was promoted and goes
 * ways of its own, is left alone, and its reads go to the primary.
 */
export interface ReadReplica {
  /** Null while it is not to be used. */
  current(): Database | null;
  /** It failed a read: it is left alone until a look has found it well. */
  failed(error: unknown): void;
  close(): Promise<void>;
}

export interface ReadReplicaParts {
  readonly url: string;
  readonly primary: Database;
  readonly log: Logger;
}

const lookEveryMs = 1_000;
const lookTimeoutMs = 2_000;
const maxLagMs = 10_000; // longer than any healthy standby is behind; the writes of a checkpoint take seconds
const connections = 10;
const unreachable = "Postgres cannot be reached";

/** What a server says of itself. */
export interface ServerState {
  readonly inRecovery: boolean;
  /** When it started: two answers with the same time are of the same server. */
  readonly startedAt: string;
  /** The newest heartbeat it knows, which the primary gets once a second; null before the first. */
  readonly heartbeatMs: number | null;
}

/** Why a standby is not to be read now; null where it is. */
export function whyNot(primary: ServerState | null, standby: ServerState | null): string | null {
  if (standby === null) return "it does not answer";
  // The primary may be away: what the standby has is what there is.
  if (primary === null) return standby.inRecovery ? null : "it was promoted, and the primary does not answer";
  if (primary.startedAt === standby.startedAt) return null;
  if (!standby.inRecovery) return "it is no standby: it was promoted, or is another server";
  const lagMs = (primary.heartbeatMs ?? 0) - (standby.heartbeatMs ?? 0);
  return lagMs > maxLagMs ? `it is ${Math.round(lagMs / 1_000)} s behind` : null;
}

export async function openReadReplica({ url, primary, log }: ReadReplicaParts): Promise<ReadReplica> {
  const replica = openDatabase(url, connections, () => {}); // what is wrong with it is said by the look
  let reason: string | null = "it was not looked at yet";
  let checked = false;
  /** Whether it can be read at all: the schema is there, and time limits behind a pooler. */
  const check = async () => {
    if (checked) return null;
    const unfit = requirePostgres(replica).then(
      () => null,
      (error: Error) => error.message,
    );
    const found = await within(lookTimeoutMs, unfit, unreachable);
    checked = found === null;
    return found === unreachable ? "it does not answer" : found;
  };
  const look = async () => {
    const unfit = await check();
    const [ofPrimary, ofReplica] = await Promise.all([readState(primary), unfit === null ? readState(replica) : null]);
    const now = unfit ?? whyNot(ofPrimary, ofReplica);
    if (now !== reason && now === null) log.info("reads that may lag go to the standby of DATABASE_READ_URL");
    else if (now !== null && reason === null) log.warn(`the standby of DATABASE_READ_URL is not read: ${now}`);
    reason = now;
  };
  let looking: Promise<void> | null = null;
  const lookUnlessLooking = () => {
    looking ??= look().finally(() => {
      looking = null;
    });
    return looking;
  };
  await lookUnlessLooking();
  if (reason !== null) log.warn(`the standby of DATABASE_READ_URL is not read: ${reason}`);
  const timer = setInterval(() => void lookUnlessLooking(), lookEveryMs);
  return {
    current: () => (reason === null ? replica : null),
    failed(error) {
      if (reason === null) log.warn({ err: error }, "a read at the standby of DATABASE_READ_URL failed");
      reason ??= "a read failed";
    },
    async close() {
      clearInterval(timer);
      await looking;
      await replica.destroy();
    },
  };
}

async function readState(db: Database): Promise<ServerState | null> {
  const asked = sql<ServerState>`
    select
      pg_is_in_recovery() as "inRecovery",
      pg_postmaster_start_time()::text as "startedAt",
      (
        select (extract(epoch from heartbeat_at) * 1000)::float8 from redis_generations
        order by generation desc limit 1
      ) as "heartbeatMs"`
    .execute(db)
    .then(({ rows }) => rows[0] ?? null);
  return within(
    lookTimeoutMs,
    asked.catch(() => null),
    null,
  );
}

/** What a promise resolves with, or something else where that takes too long. */
function within<T>(timeoutMs: number, work: Promise<T>, otherwise: T): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<T>((resolve) => {
    timer = setTimeout(() => resolve(otherwise), timeoutMs);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

/**
 * Reads at the standby where it is to be used, and otherwise, or where it fails, at the primary.
 */
export async function readAnywhere<T>(
  { db, replica }: { readonly db: Database; readonly replica?: ReadReplica | null },
  read: (db: Database) => Promise<T>,
): Promise<T> {
  const standby = replica?.current() ?? null;
  if (standby === null) return read(db);
  try {
    return await read(standby);
  } catch (error) {
    replica?.failed(error); // gone, or it cancelled what was in the way of its recovery
    return read(db);
  }
}
