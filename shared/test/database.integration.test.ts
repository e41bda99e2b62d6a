import { openDatabase } from "@holdfast/shared/database.ts";
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createWorld, eventually, type World } from "../../infra/testing/world.ts";

describe("a connection to Postgres that breaks", () => {
  let world: World;
  beforeAll(async () => {
    world = await createWorld();
  });
  afterAll(() => world.close());

  test("while a transaction is between two statements ends the transaction, not the process", async () => {
    const errors: Error[] = [];
    const db = openDatabase(world.databaseUrl, 1, (error) => errors.push(error));
    const transaction = db.transaction().execute(async (trx) => {
      const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(trx);
      await sql`select pg_terminate_backend(${rows[0]?.pid})`.execute(world.db);
      // Nothing is asked of the connection while it breaks: vitest would fail this run for an error that nobody listens to.
      await eventually("the break is noticed", async () => errors.length > 0);
      await sql`select 1`.execute(trx);
    });
    await expect(transaction).rejects.toThrow(/connection/i);
    const { rows } = await sql`select 1 as one`.execute(db);
    expect(rows).toEqual([{ one: 1 }]);
    await db.destroy();
  });
});
