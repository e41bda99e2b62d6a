import { type Kysely, sql } from "kysely";
import type { MigrationFile } from "./read-migrations.ts";

/**
 * What may stand in a file without a transaction: statements that don't keep a sale waiting, and
 * that change nothing when they are run again. Group 1 is the index that is made.
 */
const allowed = [
  /^create (?:unique )?index concurrently if not exists (\w+)\s+on\s/i,
  /^drop index concurrently if exists \w+$/i,
  /^alter table \w+ validate constraint \w+$/i,
];

const lockTimeoutMs = 60_000; // these locks let sales go on; they wait for transactions that began before

/**
 * Runs a file's statements one by one, each for good. A crash in between leaves what was done: the
 * next run does the rest, and an index that was left half built, which Postgres calls invalid, is
 * built anew.
 */
export async function runWithoutTransaction({ name, text }: MigrationFile, db: Kysely<unknown>): Promise<void> {
  const statements = splitStatements(text);
  const wrong = statements.find((statement) => !allowed.some((form) => form.test(statement)));
  if (wrong !== undefined) {
    throw new Error(`${name}: not to be run without a transaction, or not twice: ${wrong.split("\n")[0]}`);
  }
  const { rows } = await sql<{ usual: string }>`select current_setting('lock_timeout') as usual`.execute(db);
  await sql`select set_config('lock_timeout', ${String(lockTimeoutMs)}, false)`.execute(db);
  try {
    for (const statement of statements) {
      const index = allowed[0]?.exec(statement)?.[1];
      if (index !== undefined) await dropInvalid(db, index);
      await sql.raw(statement).execute(db);
    }
  } finally {
    await sql`select set_config('lock_timeout', ${rows[0]?.usual ?? "0"}, false)`.execute(db);
  }
}

/** No string or body in the statements allowed here holds a semicolon at the end of a line. */
function splitStatements(text: string): string[] {
  const code = text.replace(/^\s*--.*$/gm, "");
  return code
    .split(/;\s*$/m)
    .map((statement) => statement.trim())
    .filter((statement) => statement !== "");
}

/** Postgres takes an invalid index for one that exists, so that it would stay as it is. */
async function dropInvalid(db: Kysely<unknown>, index: string): Promise<void> {
  const { rows } = await sql`select from pg_index where indexrelid = to_regclass(${index}) and not indisvalid`.execute(
    db,
  );
  if (rows.length > 0) await sql`drop index concurrently if exists ${sql.id(index.toLowerCase())}`.execute(db);
}
