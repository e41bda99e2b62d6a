import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openDatabase, requirePostgres } from "@holdfast/shared/database.ts";
import { type PgBouncer, startPgBouncer } from "@holdfast/testing/pgbouncer.ts";
import { createWorld, type World } from "@holdfast/testing/world.ts";
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type PrivateSystem, startPrivateSystem } from "../local/private-system.ts";
import { rush } from "../proof/rush/rush.ts";
import { signedTokens } from "../proof/rush/shopper-tokens.ts";

const shoppers = 2_000;

describe("behind PgBouncer in transaction mode", () => {
  let world: World;
  let pooler: PgBouncer | null;
  let system: PrivateSystem | undefined;
  let logDirectory: string;
  beforeAll(async () => {
    logDirectory = await mkdtemp(join(tmpdir(), "holdfast-pgbouncer-test-"));
    world = await createWorld();
    pooler = await startPgBouncer(world.databaseUrl);
    if (pooler === null) process.stdout.write("skipped: 3 tests behind PgBouncer, which is not to be had here\n");
  });
  afterAll(async () => {
    await system?.stop();
    await pooler?.stop();
    await world?.close();
    await rm(logDirectory, { recursive: true, force: true });
  });

  const behind = async () => {
    const db = openDatabase(pooler?.url ?? "", 1, () => {});
    try {
      await requirePostgres(db);
    } finally {
      await db.destroy();
    }
  };

  test("a role without time limits is refused at the start, with what to type", async ({ skip }) => {
    skip(pooler === null);
    await expect(behind()).rejects.toThrow(
      "the role needs time limits of its own: ALTER ROLE … SET idle_in_transaction_session_timeout = '10s'; " +
        "ALTER ROLE … SET lock_timeout = '5s'; ALTER ROLE … SET statement_timeout = '10s';",
    );
  });

  test("a role with limits is all that it takes: every wait in Postgres can end", async ({ skip }) => {
    skip(pooler === null);
    for (const [name, limit] of [
      ["statement_timeout", "10s"],
      ["lock_timeout", "5s"],
      ["idle_in_transaction_session_timeout", "10s"],
    ] as const) {
      const database = new URL(world.databaseUrl).pathname.slice(1);
      await sql`alter role current_user in database ${sql.id(database)} set ${sql.id(name)} = ${sql.lit(limit)}`.execute(
        world.db,
      );
    }
    await pooler?.stop(); // its connections are from before
    pooler = await startPgBouncer(world.databaseUrl);
    await expect(behind()).resolves.toBeUndefined();
  });

  test("2,000 shoppers, 100 units: a hundred confirmed and paid, nobody lost, doubled or oversold, in the order of arrival", async ({
    skip,
  }) => {
    skip(pooler === null);
    const env = { ...world.env, DATABASE_URL: pooler?.url ?? "", CHARGE_RATE_PER_SECOND: "100" };
    system = await startPrivateSystem({
      apis: 2,
      workers: 2,
      env,
      migrationsUrl: world.databaseUrl,
      logDirectory,
    });
    const tokenOf = signedTokens(system.jwtSecret);
    const report = await rush({ ...system, urls: system.apiUrls, buyers: shoppers, units: 100, tokenOf, db: world.db });
    expect(report.findings.filter((finding) => !finding.ok)).toEqual([]);
    expect(report.outcomes).toEqual({ confirmed: 100, out_of_stock: shoppers - 100 });
  });
});
