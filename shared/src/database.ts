import { Kysely, PostgresDialect, sql } from "kysely";
import pg from "pg";
import type { Tables } from "./tables.ts";

export type Database = Kysely<Tables>;

// Money and counts fit a double exactly (the columns' CHECKs keep them below 2^53), so bigint comes
// as a number.
const types = new pg.TypeOverrides();
types.setTypeParser(pg.types.builtins.INT8, Number);

/** Looks at a new connection before anything else is asked on it. @throws where it must not be used */
export type CheckConnection = (client: Pick<pg.ClientBase, "query">) => Promise<void>;

/**
 * A pool on the database. Nothing is connected until the first query.
 * @param maxConnections how many at most; more only queue up inside Postgres on the same two or
 *   four cores
 * @param onError told of each connection that broke, or did not answer
 */
export function openDatabase(
  url: string,
  maxConnections: number,
  onError: (error: Error) => void,
  check?: CheckConnection,
): Database {
  const pool = new pg.Pool({
    connectionString: url,
    max: maxConnections,
    types,
    keepAlive: true,
    // Every wait can end: an outage is noticed within seconds, and a stuck statement gives its
    // locks back.
    connectionTimeoutMillis: 3_000,
    query_timeout: 12_000,
    ...timeLimits,
    Client: clientFor(url),
    // It is waited for, which its type does not say.
    ...(check && { onConnect: check as (client: pg.ClientBase) => void }),
  });
  // A connection that breaks is reported here; without a listener it would end the process. On the
  // connection itself, since the pool listens only while one is idle, and a transaction holds one
  // between its statements.
  pool.on("connect", (client) => {
    client.on("error", onError);
    leaveUnanswered(client as unknown as pg.Client, onError);
  });
  pool.on("error", () => {});
  const db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) });
  pools.set(db, pool);
  urls.set(db, url);
  return db;
}

/** In ms. Postgres takes them when a connection begins. */
const timeLimits = { statement_timeout: 10_000, lock_timeout: 5_000, idle_in_transaction_session_timeout: 10_000 };

/**
 * Addresses behind which a pooler refuses time limits, as PgBouncer does: there the role has to
 * have them.
 */
const refusingLimits = new Set<string>();
const urls = new WeakMap<Database, string>();

function withoutLimits(options: pg.ClientConfig): pg.ClientConfig {
  return Object.fromEntries(Object.entries(options).filter(([name]) => !(name in timeLimits)));
}

function clientFor(url: string): typeof pg.Client {
  return class extends pg.Client {
    constructor(options: pg.ClientConfig) {
      super(refusingLimits.has(url) ? withoutLimits(options) : options);
    }
  };
}

/**
 * Ends a connection on which a query was not answered in time. pg gives such a query up and keeps
 * the connection, whose other end may have died without a word: whoever came next would wait for it
 * as long, until TCP gives up after a quarter of an hour.
 */
function leaveUnanswered(client: pg.Client, onError: (error: Error) => void): void {
  const query = client.query.bind(client) as (...asked: unknown[]) => unknown;
  const queryOrLeave = (...asked: unknown[]) => {
    const answered = query(...asked);
    if (!(answered instanceof Promise)) return answered;
    return answered.catch((error: Error) => {
      if (/query read timeout/i.test(error.message)) {
        client.end().catch(() => {});
        onError(error);
      }
      throw error;
    });
  };
  client.query = queryOrLeave as typeof client.query;
}

const pools = new WeakMap<Database, pg.Pool>();

/** How many connections the pool under a database has, how many are idle, how many wait for one. */
export function poolOf(db: Database): Pick<pg.Pool, "totalCount" | "idleCount" | "waitingCount"> {
  return pools.get(db) ?? { totalCount: 0, idleCount: 0, waitingCount: 0 };
}

/**
 * Makes sure at start that Postgres answers and has the schema, the newest table included. @throws
 * one clear line where not
 */
export async function requirePostgres(db: Database): Promise<void> {
  try {
    await readSchema(db).catch((error: Error) => {
      const url = urls.get(db);
      if (url === undefined || !/unsupported startup parameter/.test(error.message)) throw error;
      refusingLimits.add(url);
      return readSchema(db);
    });
  } catch (error) {
    const missing = (error as { code?: string }).code === "42P01";
    const message = missing
      ? "The database has not this version's schema: run the migrations first"
      : "Postgres cannot be reached";
    throw new Error(message, { cause: error });
  }
  await requireTimeLimits(db);
}

/**
 * Reads no row. With `limit 1` and an empty table, Postgres goes through all combinations of the
 * others' rows.
 */
async function readSchema(db: Database): Promise<void> {
  await sql`select 1 from orders, redis_generations, unmatched_payments, item_totals, reconciliations, shop_events, operations_audit, archived_orders where false`.execute(
    db,
  );
}

/**
 * Makes sure that every wait in Postgres can end, whoever sets the limits.
 * @throws one clear line where a pooler takes none and the role has none either
 */
async function requireTimeLimits(db: Database): Promise<void> {
  const { rows } = await sql<{ name: string }>`
    select name from pg_settings
    where name = any(${Object.keys(timeLimits)}::text[]) and setting = '0' order by name`.execute(db);
  if (rows.length === 0) return;
  const missing = rows.map(({ name }) => `${name} = '${timeLimits[name as keyof typeof timeLimits] / 1_000}s'`);
  throw new Error(
    `Behind this pooler the role needs time limits of its own: ${missing.map((limit) => `ALTER ROLE … SET ${limit};`).join(" ")}`,
  );
}
