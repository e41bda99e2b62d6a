import { randomBytes } from "node:crypto";
import { type Database, openDatabase } from "@holdfast/shared/database.ts";
import { readView } from "@holdfast/shared/order-view.ts";
import { openLanes } from "@holdfast/shared/queues.ts";
import { readKnownGeneration } from "@holdfast/shared/redis-generation.ts";
import type { Serving } from "@holdfast/shared/run-process.ts";
import { acceptor } from "@holdfast/testing/accept.ts";
import { addItem, booksOf } from "@holdfast/testing/items.ts";
import { purchaseRequest } from "@holdfast/testing/purchases.ts";
import { startTestSimulator, type TestSimulator } from "@holdfast/testing/simulator.ts";
import { startTestWorker } from "@holdfast/testing/worker.ts";
import { createWorld, eventually, type World } from "@holdfast/testing/world.ts";
import { sql } from "kysely";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { acceptRedis, findRestored } from "../src/recovery/restore-check.ts";
import { writeMissing } from "../src/recovery/restore-orders.ts";

const signal = new AbortController().signal;

describe("a Postgres that was restored to a moment ago, beside a Redis of now", () => {
  let world: World;
  let simulator: TestSimulator;
  let restored: World; // with the older database
  let admin: Database;
  let worker: Serving | undefined;
  const backup = `test_${randomBytes(6).toString("hex")}`;

  /** Buys with a card that works, and waits until all is settled. */
  const buy = async (here: World, count: number) => {
    const lanes = openLanes(here, 4);
    const requests = Array.from({ length: count }, () => purchaseRequest());
    await Promise.all(requests.map((request) => acceptor(here, lanes)("item_1", request)));
    await Promise.all(lanes.map((lane) => lane.close()));
    return requests;
  };
  const statuses = async (db: Database) => {
    const rows = await db.selectFrom("orders").select("status").execute();
    return Object.fromEntries([...Map.groupBy(rows, ({ status }) => status)].map(([name, all]) => [name, all.length]));
  };
  const start = async (here: World) => {
    worker = await startTestWorker(here, simulator);
  };
  const stop = async () => {
    await worker?.close();
    worker = undefined;
  };

  beforeEach(async () => {
    world = await createWorld();
    simulator = await startTestSimulator();
    await addItem(world.db, "item_1", 10);
    await start(world);
    await buy(world, 4);
    await eventually("four are paid", async () => (await statuses(world.db)).confirmed === 4);
    await eventually(
      "a heartbeat was counted",
      async () => ((await readKnownGeneration(world.db))?.heartbeats ?? 0) > 0,
    );
    await stop();
    // The backup: a copy needs that nobody is connected.
    const url = new URL(world.databaseUrl);
    const name = url.pathname.slice(1);
    url.pathname = "/postgres";
    admin = openDatabase(url.href, 1, () => {});
    await sql`select pg_terminate_backend(pid) from pg_stat_activity where datname = ${name}`.execute(admin);
    await sql`create database ${sql.id(backup)} template ${sql.id(name)}`.execute(admin);
    // What comes after it: the last six units, and three who got none.
    await start(world);
    await buy(world, 9);
    await eventually("six more are paid", async () => (await statuses(world.db)).confirmed === 10);
    const before = (await readKnownGeneration(world.db))?.heartbeats ?? 0;
    await eventually("time goes by", async () => ((await readKnownGeneration(world.db))?.heartbeats ?? 0) > before + 4);
    await stop();
    url.pathname = `/${backup}`;
    const db = openDatabase(url.href, 10, () => {});
    restored = { ...world, db, databaseUrl: url.href, env: { ...world.env, DATABASE_URL: url.href } };
  });
  afterEach(async () => {
    await stop();
    await restored.db.destroy();
    await sql`select pg_terminate_backend(pid) from pg_stat_activity where datname = ${backup}`.execute(admin);
    await sql`drop database ${sql.id(backup)}`.execute(admin);
    await admin.destroy();
    await simulator.close();
    await world.close();
  });

  test("nothing is decided or charged until its orders are written again: then each is paid once, and the books balance", async () => {
    await start(restored);
    const [late] = await buy(restored, 1);
    const alarmed = async () => (await restored.redis.hkeys(restored.keys.alarms)).includes("postgres_behind");
    await eventually("it is alarmed", alarmed);
    expect(await readView(restored, late?.shopperId ?? "", late?.orderId ?? "")).toMatchObject({ status: "queued" });
    expect(await statuses(restored.db)).toEqual({ confirmed: 4 });

    const findings = await findRestored(restored.db, restored, signal);
    expect(findings.relation).toBe("postgres_behind");
    expect(findings.heartbeatsBehind).toBeGreaterThan(3);
    expect(findings.missing.map(({ status }) => status).toSorted((a, b) => a.localeCompare(b))).toEqual([
      ...Array<string>(6).fill("confirmed"),
      ...Array<string>(3).fill("out_of_stock"),
    ]);
    expect(await writeMissing(restored.db, findings.missing)).toEqual({
      final: 3,
      held: 6,
      withoutUnits: [],
      refused: [],
    });
    expect(await booksOf(restored.db, "item_1")).toMatchObject({
      inventory: 0,
      reserved: 6,
      confirmed: 4,
      balanced: true,
    });
    await acceptRedis(restored.db, restored);

    await eventually("all ten are confirmed", async () => (await statuses(restored.db)).confirmed === 10, 30_000);
    await eventually("the late one is decided", async () => (await statuses(restored.db)).out_of_stock === 4);
    const paid = (await simulator.ledger()).filter((payment) => payment.amountReceived > payment.amountRefunded);
    const confirmed = await restored.db.selectFrom("orders").select("id").where("status", "=", "confirmed").execute();
    expect(paid.map(({ orderId }) => orderId ?? "").toSorted()).toEqual(confirmed.map(({ id }) => id).toSorted());
    expect(await booksOf(restored.db, "item_1")).toMatchObject({
      inventory: 0,
      reserved: 0,
      confirmed: 10,
      balanced: true,
    });
  });

  test("written again twice, nothing changes; what was sold to others meanwhile is named", async () => {
    const { missing } = await findRestored(restored.db, restored, signal);
    await writeMissing(restored.db, missing);
    expect(await writeMissing(restored.db, missing)).toEqual({ final: 3, held: 6, withoutUnits: [], refused: [] });
    expect(await booksOf(restored.db, "item_1")).toMatchObject({ inventory: 0, reserved: 6, balanced: true });
    const more = {
      ...(missing[0] as (typeof missing)[number]),
      id: "00000000-0000-8000-8000-000000000001",
      status: "confirmed" as const,
    };
    expect((await writeMissing(restored.db, [more])).withoutUnits).toEqual([more]);
  });
});
