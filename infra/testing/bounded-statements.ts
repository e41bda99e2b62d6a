import type { Database } from "@holdfast/shared/database.ts";
import { type CompiledQuery, sql } from "kysely";
import { type Execution, explainOnce, growingTables } from "./explain-database.ts";

/** What a recurring statement may read, however many orders there are. */

// No batch is larger than 1,000 rows, each of which is found by what it is due by and then looked
// up by its id: 2,000, and a few.
const maxRows = 2_500;
// Pages of tables and indexes: each of those 1,000 takes three of an index and its row's twice. An
// index over all orders has 7,700.
const maxPages = 5_500;

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
export async function explainWithout(
  db: Database,
  index: string,
  executions: readonly Execution[],
): Promise<Execution[]> {
  const found: Execution[] = [];
  const rollback = new Error("rolled back");
  const work = db.transaction().execute(async (trx) => {
    await sql`drop index ${sql.id(index)}`.execute(trx);
    for (const { query } of executions)
      found.push(await explainOnce(<R>(one: CompiledQuery) => trx.executeQuery<R>(one as CompiledQuery<R>), query));
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
