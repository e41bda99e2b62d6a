import type { Database } from "@holdfast/shared/database.ts";
import type { Tables } from "@holdfast/shared/tables.ts";
import { CompiledQuery, type DatabaseConnection, Kysely, PostgresDialect, type QueryResult } from "kysely";
import pg from "pg";
import { type Explained, type ReadRows, readPlan } from "./read-plan.ts";

/** One execution of a statement, and what it read. */
export interface Execution extends ReadRows {
  readonly query: CompiledQuery;
  readonly ms: number;
}

/** The tables that grow with every sale. */
export const growingTables = [
  "orders",
  "archived_orders",
  "order_events",
  "unmatched_payments",
  "webhook_events",
  "shop_events",
];
const countedTables = [...growingTables, "item_totals"];

/**
 * A database where each statement is explained just before it is run, on the same connection: so
 * with its own parameters, and with the rows as it finds them. What EXPLAIN ANALYZE did is rolled
 * back. A statement that fails is not told of.
 */
export function explainDatabase(url: string, tell: (execution: Execution) => void): Database {
  const types = new pg.TypeOverrides();
  types.setTypeParser(pg.types.builtins.INT8, Number);
  // With the product's own timeouts: what takes longer fails here too.
  const pool = new pg.Pool({
    connectionString: url,
    max: 10,
    types,
    statement_timeout: 10_000,
    lock_timeout: 5_000,
    idle_in_transaction_session_timeout: 10_000,
  });
  const onCreateConnection = async (connection: DatabaseConnection) => {
    const run = connection.executeQuery.bind(connection);
    let inTransaction = false;
    connection.executeQuery = async <R>(query: CompiledQuery): Promise<QueryResult<R>> => {
      const control = /^(begin|start transaction|commit|rollback)/.exec(query.sql)?.[0];
      if (control) {
        inTransaction = control === "begin" || control === "start transaction";
        return run<R>(query);
      }
      const failure = await explain(run, query, inTransaction, tell);
      const result = await run<R>(query); // where it fails, it says so better
      if (failure !== null) throw new Error(`Could be run but not explained: ${query.sql}`, { cause: failure });
      return result;
    };
  };
  return new Kysely<Tables>({ dialect: new PostgresDialect({ pool, onCreateConnection }) });
}

type Run = DatabaseConnection["executeQuery"];

/** @returns why it could not be explained; null where it was */
async function explain(run: Run, query: CompiledQuery, inTransaction: boolean, tell: (execution: Execution) => void) {
  const raw = (text: string) => run(CompiledQuery.raw(text));
  await raw(inTransaction ? "savepoint explained" : "begin");
  try {
    tell(await explainOnce(run, query));
    return null;
  } catch (error) {
    return error;
  } finally {
    await raw(inTransaction ? "rollback to savepoint explained; release savepoint explained" : "rollback");
  }
}

/** Explains a statement in the transaction that is open, and does what it does. */
export async function explainOnce(run: Run, query: CompiledQuery): Promise<Execution> {
  const before = await countFetched(run);
  const startMs = performance.now();
  const text = `explain (analyze, buffers, timing off, format json) ${query.sql}`;
  const { rows } = await run<{ "QUERY PLAN": [Explained] }>(CompiledQuery.raw(text, [...query.parameters]));
  const ms = performance.now() - startMs;
  const plan = rows[0]?.["QUERY PLAN"][0].Plan;
  if (!plan) throw new Error("EXPLAIN answered without a plan");
  const read = readPlan(plan, countedTables);
  // What triggers and foreign keys read is in no plan; this counts it too, but no rows that an
  // index alone was enough for.
  return { ...read, rows: Math.max(read.rows, (await countFetched(run)) - before), query, ms };
}

/** The rows of the counted tables that this transaction has fetched so far. */
async function countFetched(run: Run): Promise<number> {
  const text = `
    select coalesce(sum(seq_tup_read + coalesce(idx_tup_fetch, 0)), 0)::bigint as fetched
    from pg_stat_xact_user_tables where relname = any($1)`;
  const { rows } = await run<{ fetched: number }>(CompiledQuery.raw(text, [countedTables]));
  return rows[0]?.fetched ?? 0;
}
