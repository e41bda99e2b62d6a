import { readdir, readFile } from "node:fs/promises";
import type { Database } from "@holdfast/shared/database.ts";
import { type Kysely, sql } from "kysely";
import { type Migration, Migrator } from "kysely/migration";

const sqlDirectory = new URL("../sql/", import.meta.url);

/**
 * Brings the database to the newest schema: every file of `sql/` in the order of its name, each once. Safe to run twice and
 * from two machines at once: Kysely's Migrator holds a lock in the database.
 * @returns the names of the files that were applied now
 * @throws what Postgres said of the first file that failed; nothing of that file remains
 */
export async function migrate(db: Database): Promise<string[]> {
  const migrator = new Migrator({ db, provider: { getMigrations: readMigrations } });
  const { error, results } = await migrator.migrateToLatest();
  if (error) throw error;
  return (results ?? []).map((result) => result.migrationName);
}

async function readMigrations(): Promise<Record<string, Migration>> {
  const names = (await readdir(sqlDirectory)).filter((name) => name.endsWith(".sql")).sort();
  const entries = names.map(async (name) => {
    const text = await readFile(new URL(name, sqlDirectory), "utf8");
    const up = async (db: Kysely<unknown>) => {
      await sql.raw(text).execute(db);
    };
    return [name.replace(/\.sql$/, ""), { up }] as const;
  });
  return Object.fromEntries(await Promise.all(entries));
}
