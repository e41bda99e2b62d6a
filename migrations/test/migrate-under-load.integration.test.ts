import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { childEnded } from "@holdfast/infra/local/processes.ts";
import { createWorld, eventually, type World } from "@holdfast/testing/world.ts";
import { sql } from "kysely";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { migrate } from "../src/migrate.ts";

describe("migrating a database that is in use", () => {
  let world: World;
  let folder: string;
  let directory: URL;
  beforeEach(async () => {
    world = await createWorld({ schema: false });
    folder = await mkdtemp(join(tmpdir(), "holdfast-migrations-"));
    directory = pathToFileURL(`${folder}/`);
    await addMigration(
      "001_sales",
      "create table sales as select n as id, n % 7 as kind from generate_series(1, 20000) as n",
    );
    await migrate(world.databaseUrl, { directory });
  });
  afterEach(async () => {
    await world.close();
    await rm(folder, { recursive: true, force: true });
  });

  const addMigration = (name: string, text: string) => writeFile(join(folder, `${name}.sql`), text);
  const concurrentIndex =
    "-- no transaction\n-- For reads by kind.\ncreate index concurrently if not exists sales_kind\n  on sales (kind);\n";
  const indexes = async () => {
    const { rows } = await sql<{ name: string; valid: boolean }>`
      select indexrelid::regclass::text as name, indisvalid as valid from pg_index where indrelid = 'sales'::regclass
    `.execute(world.db);
    return rows;
  };
  /** A transaction that has written a sale and goes on, until it is ended. */
  const openSale = async () => {
    const { promise: ended, resolve: end } = Promise.withResolvers<void>();
    const { promise: open, resolve: opened } = Promise.withResolvers<void>();
    const sale = world.db.transaction().execute(async (transaction) => {
      await sql`update sales set kind = kind where id = 1`.execute(transaction);
      opened();
      await ended;
    });
    await open;
    return async () => {
      end();
      await sale;
    };
  };

  test("a statement may take longer than one of a sale: the role's own timeout does not count", async () => {
    const url = new URL(world.databaseUrl);
    url.searchParams.set("options", "-c statement_timeout=100");
    const setting = "create table setting as select current_setting('statement_timeout') as statement_timeout";
    await addMigration("002_slow", `select pg_sleep(0.5); ${setting}`);
    expect(await migrate(url.href, { directory })).toEqual(["002_slow"]);
    const { rows } = await sql`select statement_timeout from setting`.execute(world.db);
    expect(rows).toEqual([{ statement_timeout: "0" }]);
  });

  test("a lock that is not granted is given up and asked for again, so that no sale queues behind it for long", async () => {
    await addMigration("002_column", "alter table sales add column note text");
    const endSale = await openSale();
    const waits: string[] = [];
    const log = { info() {}, warn: (_fields: object, line: string) => waits.push(line) };
    const times = { lockTimeoutMs: 200, retryEveryMs: 200 };
    const migrating = migrate(world.databaseUrl, { directory, times, log: log as never });
    let longestMs = 0;
    while (waits.length < 3) {
      const startedAt = performance.now();
      await sql`select kind from sales where id = 2`.execute(world.db);
      longestMs = Math.max(longestMs, performance.now() - startedAt);
    }
    expect(longestMs).toBeLessThan(1_000);
    await endSale();
    expect(await migrating).toEqual(["002_column"]);
  });

  test("locks that are never granted end in an error that names the migration, and leave nothing", async () => {
    await addMigration("002_column", "create table half_done (); alter table sales add column note text");
    const endSale = await openSale();
    const times = { lockTimeoutMs: 50, retryEveryMs: 50, giveUpAfterMs: 300 };
    await expect(migrate(world.databaseUrl, { directory, times })).rejects.toThrow(
      /^002_column: a lock was not granted/,
    );
    await endSale();
    const { rows } = await sql`select to_regclass('half_done') as half`.execute(world.db);
    expect(rows).toEqual([{ half: null }]);
    expect(await migrate(world.databaseUrl, { directory })).toEqual(["002_column"]);
  });

  test("an index is built concurrently, from several machines at once, while sales go on writing", async () => {
    await addMigration("002_index", concurrentIndex);
    await addMigration("003_after", "create table after_index ()");
    const endSale = await openSale();
    const migrating = Promise.all([1, 2, 3, 4].map(() => migrate(world.databaseUrl, { directory })));
    await eventually("the index is under way", async () => (await indexes()).length > 0);
    await sql`update sales set kind = 3 where id = 2`.execute(world.db); // locked out by a plain create index
    await endSale();
    expect((await migrating).flat().sort()).toEqual(["002_index", "003_after"]);
    expect(await indexes()).toEqual([{ name: "sales_kind", valid: true }]);
  });

  test("a crash in the middle of a concurrent index is mended by the next run", async () => {
    await addMigration("002_index", concurrentIndex);
    const endSale = await openSale();
    const program = `
      const { migrate } = await import(${JSON.stringify(new URL("../src/migrate.ts", import.meta.url).href)});
      await migrate(${JSON.stringify(world.databaseUrl)}, { directory: new URL(${JSON.stringify(directory.href)}) });`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", program], { stdio: "inherit" });
    await eventually("the index is under way", async () => (await indexes()).length > 0);
    child.kill("SIGKILL");
    await childEnded(child, 5_000);
    // Postgres notices within two seconds that it builds for nobody; until then it would have
    // finished the index.
    await eventually("its session has ended", async () => {
      const { rows } = await sql`
        select from pg_stat_activity where datname = current_database() and query like 'create index concurrently%'
      `.execute(world.db);
      return rows.length === 0;
    });
    expect(await indexes()).toEqual([{ name: "sales_kind", valid: false }]);
    const migrating = migrate(world.databaseUrl, { directory });
    await endSale();
    expect(await migrating).toEqual(["002_index"]);
    expect(await indexes()).toEqual([{ name: "sales_kind", valid: true }]);
    expect(await migrate(world.databaseUrl, { directory })).toEqual([]);
  });

  test.each([
    "create index sales_kind on sales (kind)",
    "create index concurrently sales_kind on sales (kind)",
    "alter table sales add column note text",
    "update sales set kind = 1",
  ])("what is not safe without a transaction, or not to be run twice, is refused there: %s", async (statement) => {
    await addMigration("002_unsafe", `-- no transaction\n${statement};`);
    await expect(migrate(world.databaseUrl, { directory })).rejects.toThrow(/^002_unsafe: /);
    expect(await indexes()).toEqual([]);
  });

  test("the timeout for locks is the short one again after a file without a transaction", async () => {
    await addMigration("002_index", concurrentIndex);
    await addMigration("003_setting", "create table setting as select current_setting('lock_timeout') as lock_timeout");
    await migrate(world.databaseUrl, { directory });
    const { rows } = await sql`select lock_timeout from setting`.execute(world.db);
    expect(rows).toEqual([{ lock_timeout: "2s" }]);
  });
});
