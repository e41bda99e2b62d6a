import type { Database } from "@holdfast/shared/database.ts";
import { type CompiledQuery, type RawBuilder, sql } from "kysely";
import { type Execution, explainOnce, growingTables } from "./explain-database.ts";

/** What a recurring statement may read, however many orders there are. */

// No batch is larger than 1,000 rows, each of which is found by what it is due by and then looked
// up by its id, in a bitmap and in the table: 3,000, and a few.
const maxRows = 3_100;
// Pages of tables and indexes: each of those 1,000 takes three of an index and its row's twice. An
// index over all orders has 7,700.
const maxPages = 5_500;
const integrityViolation = "23"; // the class of Postgres' error codes

/** The statements that read more than a bounded part, in words. */
export function offending(executions: readonly Execution[]): string[] {
  const scanned = ({ seqScans }: Execution) => seqScans.filter((name) => growingTables.includes(name));
  const wrong = executions.filter((one) => one.rows > maxRows || one.pages > maxPages || scanned(one).length > 0);
  return distinct(wrong).map((one) => {
    const all = scanned(one).map((name) => `, all of ${name}`);
    return `${one.rows} rows, ${one.pages} pages${all.join("")}: ${oneLine(one.query.sql)}`;
  });
}

/** Of each statement the execution that read the most. */
export function distinct(executions: readonly Execution[]): Execution[] {
  const most = new Map<string, Execution>();
  for (const execution of executions) {
    const known = most.get(execution.query.sql);
    if (!known || execution.rows > known.rows) most.set(execution.query.sql, execution);
  }
  return [...most.values()];
}

/** The same statements without an index, which is there again afterwards. */
export function explainWithout(db: Database, index: string, executions: readonly Execution[]): Promise<Execution[]> {
  return explainAfter(db, sql`drop index ${sql.id(index)}`, executions);
}

/**
 * The same statements by another sample of the growing tables than the planner has: a smaller one,
 * as far off as one of the usual size is on tables two or three times as large.
 */
export function explainBySample(db: Database, executions: readonly Execution[]): Promise<Execution[]> {
  const tables = sql.join(growingTables.map((name) => sql.table(name)));
  return explainAfter(db, sql`set local default_statistics_target = 40; analyze ${tables}`, executions);
}

/**
 * The same statements by what the planner knew before the sale: all that is held came since then,
 * and no index's table was looked at again. Their pages are not to be compared: those of the rows
 * from before are read too.
 */
export async function explainByOldStatistics(db: Database, executions: readonly Execution[]): Promise<Execution[]> {
  const change = sql`
    do $$ declare one record; begin
      for one in select conrelid::regclass as referring, conname from pg_constraint where confrelid = 'orders'::regclass loop
        execute format('alter table %s drop constraint %I', one.referring, one.conname);
      end loop;
    end $$;
    alter table orders disable trigger user, alter column known_item_id drop expression;
    create temporary table held on commit drop as select * from orders where status = 'reserved';
    delete from orders where status = 'reserved';
    analyze orders;
    insert into orders select * from held;
    alter table orders enable trigger user`;
  return (await explainAfter(db, change, executions)).map((execution) => ({ ...execution, pages: 0 }));
}

/**
 * Explains after a change, which is rolled back with all that the statements did. A write that its
 * rows do not allow a second time is left out.
 */
async function explainAfter(
  db: Database,
  change: RawBuilder<unknown>,
  executions: readonly Execution[],
): Promise<Execution[]> {
  const found: Execution[] = [];
  const rollback = new Error("rolled back");
  const work = db.transaction().execute(async (trx) => {
    await change.execute(trx);
    const run = <R>(one: CompiledQuery) => trx.executeQuery<R>(one as CompiledQuery<R>);
    for (const { query } of executions) {
      await sql`savepoint explained`.execute(trx);
      const execution = await explainOnce(run, query).catch((error: { code?: string }) => {
        if (!error.code?.startsWith(integrityViolation)) throw error;
      });
      if (execution) found.push(execution);
      await sql`rollback to savepoint explained; release savepoint explained`.execute(trx);
    }
    throw rollback;
  });
  await work.catch((error: unknown) => {
    if (error !== rollback) throw error;
  });
  return found;
}

const oneLine = (text: string) => text.replace(/\s+/g, " ").trim();

/** Every statement with the most that one of its runs has read. */
export function statementTable(seen: ReadonlyMap<string, readonly Execution[]>): string {
  const lines = [...seen].flatMap(([area, executions]) =>
    distinct(executions).map(({ query, indexes }) => {
      const runs = executions.filter((one) => one.query.sql === query.sql);
      const rows = Math.max(...runs.map((run) => run.rows));
      const pages = Math.max(...runs.map((run) => run.pages));
      const numbers = [runs.length, rows, pages].map((number) => String(number).padStart(7));
      const text = oneLine(query.sql).slice(0, 100).padEnd(100);
      return [area.padEnd(10), ...numbers, ` ${text}`, [...new Set(indexes)].join(", ")].join(" ");
    }),
  );
  return ["area          runs    rows   pages  statement, and the indexes it reads", ...lines].join("\n");
}
