import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "@holdfast/shared/log.ts";
import { Kysely, PostgresDialect, sql } from "kysely";
import { Migrator } from "kysely/migration";
import pg from "pg";
import { type MigrationFile, readMigrations } from "./read-migrations.ts";
import { runWithoutTransaction } from "./run-without-transaction.ts";

/** Waits until others are done, and how long that may take in all. */
export interface MigrationTimes {
  /**
   * A lock that is not granted within this is given up: meanwhile every sale queues behind our
   * request for it.
   */
  readonly lockTimeoutMs: number;
  readonly retryEveryMs: number;
  /**
   * How long locks are asked for again before that is an error; a busy table is free for us sooner
   * or later.
   */
  readonly giveUpAfterMs: number;
  /**
   * How long to wait for another process that migrates; building an index on a large table takes
   * minutes.
   */
  readonly othersMs: number;
}

const migrationTimes: MigrationTimes = {
  lockTimeoutMs: 2_000,
  retryEveryMs: 1_000,
  giveUpAfterMs: 5 * 60_000,
  othersMs: 60 * 60_000,
};
const migrationLock = 4_417_065_210; // an advisory lock's number; any that nobody else uses

export interface MigrateOptions {
  readonly log?: Logger;
  /** Another folder than `sql/`. */
  readonly directory?: URL;
  readonly times?: Partial<MigrationTimes>;
}

/**
 * Brings the database to the newest schema: every file of `sql/` in the order of its name, each
 * once and in a transaction of its own, or without one where its first line is `-- no transaction`.
 * Safe to run twice, from many machines at once, and after a crash.
 * @returns the names of the files that were applied now
 * @throws what Postgres said of the first file that failed; of one in a transaction nothing
 *   remains, one without is run again
 */
export async function migrate(databaseUrl: string, options: MigrateOptions = {}): Promise<string[]> {
  const times = { ...migrationTimes, ...options.times };
  const files = await readMigrations(options.directory ?? new URL("../sql/", import.meta.url));
  const db = openForMigrations(databaseUrl, options.log);
  try {
    return await db.connection().execute(async (session) => {
      await setTimeouts(session, times);
      await lockMigrations(session, times, options.log);
      return applyAll(session, files, times, options.log);
    });
  } finally {
    await db.destroy(); // and with its only connection the lock
  }
}

function openForMigrations(url: string, log?: Logger): Kysely<unknown> {
  const pool = new pg.Pool({ connectionString: url, max: 1, connectionTimeoutMillis: 3_000, keepAlive: true });
  pool.on("connect", (client) => {
    client.on("error", (error) => log?.warn({ err: error }, "Postgres connection lost"));
  });
  pool.on("error", () => {});
  return new Kysely<unknown>({ dialect: new PostgresDialect({ pool }) });
}

/**
 * Other timeouts than those of a sale's processes. As statements and not as parameters of the
 * connection, since a role's own settings would outlast an absent parameter.
 */
async function setTimeouts(session: Kysely<unknown>, { lockTimeoutMs }: MigrationTimes): Promise<void> {
  const settings = {
    statement_timeout: "0", // an index on a large table takes as long as it takes
    lock_timeout: `${lockTimeoutMs}ms`,
    idle_in_transaction_session_timeout: "10s", // were we frozen, nobody should wait for our locks
    client_connection_check_interval: "2s", // were we killed, Postgres should not go on for nobody
    tcp_keepalives_idle: "10s", // nor keep our lock, were our machine gone
    tcp_keepalives_interval: "5s",
  };
  for (const [name, value] of Object.entries(settings)) {
    await sql`select set_config(${name}, ${value}, false)`.execute(session);
  }
}

/**
 * Takes the lock that one migrating process holds. Kysely's Migrator has one, too, but waits for it
 * within a statement, and building an index concurrently waits for every statement that began
 * before: each would wait for the other.
 */
async function lockMigrations(session: Kysely<unknown>, times: MigrationTimes, log?: Logger): Promise<void> {
  const deadline = Date.now() + times.othersMs;
  for (let asked = 1; ; asked++) {
    const { rows } = await sql<{ locked: boolean }>`select pg_try_advisory_lock(${migrationLock}) as locked`.execute(
      session,
    );
    if (rows[0]?.locked) return;
    if (Date.now() > deadline)
      throw new Error(`Another process has been migrating for ${times.othersMs / 60_000} minutes`);
    if (asked === 1) log?.info("waiting for another process that migrates");
    await sleep(200);
  }
}

async function applyAll(
  session: Kysely<unknown>,
  files: readonly MigrationFile[],
  times: MigrationTimes,
  log?: Logger,
): Promise<string[]> {
  const migrations = Object.fromEntries(
    files.map((file) => [file.name, { up: (db: Kysely<unknown>) => run(file, db) }]),
  );
  const migrator = new Migrator({ db: session, provider: { getMigrations: async () => migrations } });
  const applied: string[] = [];
  for (;;) {
    const next = (await migrator.getMigrations()).find(({ executedAt }) => executedAt === undefined);
    if (next === undefined) return applied;
    const inTransaction = files.find(({ name }) => name === next.name)?.inTransaction ?? true;
    await whenLocksAreFree(times, log, next.name, async () => {
      const { error } = await migrator.migrateUp({ disableTransactions: !inTransaction });
      if (error) throw error;
    });
    log?.info({ migration: next.name }, "applied");
    applied.push(next.name);
  }
}

async function run(file: MigrationFile, db: Kysely<unknown>): Promise<void> {
  if (file.inTransaction) await sql.raw(file.text).execute(db);
  else await runWithoutTransaction(file, db);
}

// https://www.postgresql.org/docs/current/errcodes-appendix.html: lock_not_available,
// deadlock_detected
const lockCodes = ["55P03", "40P01"];

/**
 * Tries again what failed for a lock that somebody else held; in between whoever queued behind us
 * goes on.
 */
async function whenLocksAreFree(
  { retryEveryMs, giveUpAfterMs }: MigrationTimes,
  log: Logger | undefined,
  migration: string,
  attempt: () => Promise<void>,
): Promise<void> {
  const deadline = Date.now() + giveUpAfterMs;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (!lockCodes.includes(String((error as { code?: unknown }).code))) throw error;
      if (Date.now() > deadline)
        throw new Error(`${migration}: a lock was not granted in ${giveUpAfterMs / 1_000} s`, { cause: error });
      log?.warn({ migration }, "a lock is held by others; trying again");
      await sleep(retryEveryMs * (0.5 + Math.random()));
    }
  }
}
