import { createWorld, type World } from "@holdfast/testing/world.ts";
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Database, openDatabase } from "../src/database.ts";
import { isOutage } from "../src/outage.ts";

describe("a connection to Postgres that breaks", () => {
  let world: World;
  beforeAll(async () => {
    world = await createWorld({ schema: false });
  });
  afterAll(() => world.close());

  const terminate = (pid: number) => sql`select pg_terminate_backend(${pid})`.execute(world.db);
  const pidOf = async (db: Database) => {
    const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(db);
    return rows[0]?.pid ?? 0;
  };

  test("between two statements of a transaction is reported and is an outage for the next one, and ends no process", async () => {
    const reported = Promise.withResolvers<Error>();
    const db = openDatabase(world.databaseUrl, 1, (error) => reported.resolve(error));
    const outcome = await db
      .transaction()
      .execute(async (trx) => {
        await terminate(await pidOf(trx));
        await reported.promise;
        await sql`select 1`.execute(trx);
      })
      .catch((error: unknown) => error);
    expect(isOutage(outcome)).toBe(true);
    expect(await pidOf(db)).toBeGreaterThan(0); // on a new connection
    await db.destroy();
  });

  test("while idle is reported once, and the next statement gets a new one", async () => {
    const errors: Error[] = [];
    const reported = Promise.withResolvers<void>();
    const db = openDatabase(world.databaseUrl, 1, (error) => {
      errors.push(error);
      reported.resolve();
    });
    await terminate(await pidOf(db));
    await reported.promise;
    expect(await pidOf(db)).toBeGreaterThan(0);
    expect(errors.filter((error) => (error as { code?: string }).code === "57P01")).toHaveLength(1);
    await db.destroy();
  });
});
