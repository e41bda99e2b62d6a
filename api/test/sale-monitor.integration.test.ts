import { setTimeout as sleep } from "node:timers/promises";
import { openDatabase } from "@holdfast/shared/database.ts";
import { createLog } from "@holdfast/shared/log.ts";
import { openLanes, openWebhookQueue } from "@holdfast/shared/queues.ts";
import { alarmRecorder } from "@holdfast/shared/raised-alarms.ts";
import { addItem } from "@holdfast/testing/items.ts";
import { createWorld, eventually, type World } from "@holdfast/testing/world.ts";
import { sql } from "kysely";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import type { MeasureParts } from "../src/ops/monitor/measure-sale.ts";
import { saleGauges } from "../src/ops/monitor/sale-gauges.ts";
import { beginMonitoring, measureOnce, readBefore, readSale, watchSale } from "../src/ops/monitor/sale-monitor.ts";

/** Nobody else reads orders until it is released. */
async function lockOrders({ db }: World) {
  const held = Promise.withResolvers<void>();
  const taken = Promise.withResolvers<void>();
  const locked = db.transaction().execute(async (trx) => {
    await sql`lock table orders in access exclusive mode`.execute(trx);
    taken.resolve();
    await held.promise;
  });
  await taken.promise;
  return { locked, release: held.resolve };
}

describe("the sale", () => {
  let world: World;
  let parts: MeasureParts;
  const log = createLog("test", "silent");
  beforeAll(async () => {
    world = await createWorld();
    const { db, redis, keys } = world;
    const store = { redis, keys };
    parts = { db, ...store, lanes: openLanes(store, 2), webhooks: openWebhookQueue(store), chargesPerSecond: 25 };
    await addItem(db, "kettle", 10);
  });
  afterAll(async () => {
    await Promise.all([...parts.lanes, parts.webhooks].map((queue) => queue.close()));
    await world.close();
  });
  beforeEach(async () => {
    const { redis, keys } = world;
    await redis.del(keys.saleMonitor, keys.saleNow, keys.saleBefore, keys.alarms);
  });

  test("is kept for every server, with the moments before", async () => {
    const state = await beginMonitoring(parts);
    await measureOnce(parts, state);
    await measureOnce(parts, state);
    const sale = await readSale(parts);
    expect(sale?.items).toMatchObject([{ id: "kettle", stocked: 10, inventory: 10, balanced: true, waiting: 0 }]);
    expect(sale?.postgres.state).toBe("up");
    const moments = await readBefore(parts);
    expect(moments.map(({ inventory }) => inventory)).toEqual([10, 10]);
    expect(moments[0]?.atMs).toBeLessThanOrEqual(moments[1]?.atMs ?? 0);
  });

  test("is measured by one server alone, and by another as soon as that one stops", async () => {
    const first = watchSale({ ...parts, log });
    await eventually("the first measures", async () => first.measured() !== null);
    const second = watchSale({ ...parts, log });
    await eventually("it goes on", async () => {
      const before = first.measured()?.atMs ?? 0;
      await eventually("it measures again", async () => (first.measured()?.atMs ?? 0) > before);
      return true;
    });
    expect(second.measured()).toBeNull();
    await first.close();
    await eventually("the second measures", async () => second.measured() !== null);
    await second.close();
  });

  test("is measured again within seconds when the server that did it was killed", async () => {
    const { redis, keys } = world;
    await redis.set(keys.saleMonitor, "a server that was killed", "PX", 3_000);
    const next = watchSale({ ...parts, log });
    await eventually("another measures", async () => next.measured() !== null, 8_000);
    await next.close();
  });

  test("shows what Postgres said last while Postgres is unavailable, and the alarm for it", async () => {
    const state = await beginMonitoring(parts);
    await measureOnce(parts, state);
    const nowhere = openDatabase("postgres://127.0.0.1:1/none", 1, () => {});
    const sale = await measureOnce({ ...parts, db: nowhere }, state);
    expect(sale.postgres.state).toBe("down");
    expect(sale.items).toMatchObject([{ id: "kettle", stocked: 10 }]);
    expect(sale.alarms.map(({ name }) => name)).toContain("postgres_unavailable");
    await nowhere.destroy();
  });

  test("goes on being measured while Postgres hangs, and says so; it is asked once, and heard again", async () => {
    const state = await beginMonitoring(parts);
    await measureOnce(parts, state);
    const { locked, release } = await lockOrders(world);
    const deadline = performance.now() + 15_000;
    const states: string[] = [];
    while (states.at(-1) !== "down" && performance.now() < deadline) {
      const begunAtMs = performance.now();
      const waitMs = 1_500; // as long as Postgres is waited for
      const late = sleep(waitMs).then(() => performance.now() - begunAtMs - waitMs); // what this machine adds
      const sale = await measureOnce(parts, state);
      const tookMs = performance.now() - begunAtMs;
      expect(tookMs - (await late)).toBeLessThan(2_900); // the lease, which no other server takes over then
      expect(sale.items).toMatchObject([{ id: "kettle", stocked: 10 }]);
      states.push(sale.postgres.state);
    }
    expect(states[0]).toBe("up"); // a second or two are a busy one's
    expect(states.at(-1)).toBe("down");
    release();
    await locked;
    await eventually("it is heard", async () => (await measureOnce(parts, state)).postgres.state === "up");
  });

  test("raised alarms go by Redis' time, whatever this server's clock says", async () => {
    const { redis, keys } = world;
    alarmRecorder({ redis, keys })("provider_refuses", "It says: no.");
    await eventually("it is raised", async () => (await redis.hlen(keys.alarms)) === 1);
    const ahead = vi.spyOn(Date, "now").mockImplementation(() => performance.timeOrigin + performance.now() + 600_000);
    const sale = await measureOnce(parts, await beginMonitoring(parts)).finally(() => ahead.mockRestore());
    expect(sale.alarms.map(({ name }) => name)).toContain("provider_refuses");
  });

  test("a thousand alarms about one order each keep none of another name out, and ten are shown", async () => {
    const { redis, keys } = world;
    const record = alarmRecorder({ redis, keys });
    for (let i = 0; i < 1_005; i++) record(`refund_failed:${i}`, `Order ${i}.`);
    record("redis_emptied", "In generation 2.");
    await eventually("they are raised", async () => (await redis.hexists(keys.alarms, "redis_emptied")) === 1);
    expect(await redis.hlen(keys.alarms)).toBe(1_001);
    const { alarms } = await measureOnce(parts, await beginMonitoring(parts));
    const raised = alarms.filter(({ name }) => name === "refund_failed" || name === "redis_emptied");
    expect(raised).toHaveLength(12);
    expect(new Set(raised.map(({ id }) => id)).size).toBe(12);
    expect(raised.map(({ detail }) => detail)).toContain("And 990 more; the log has them all.");
  });

  test("is measured by a server that never heard of Postgres, too: what Redis knows, and the alarm", async () => {
    await parts.lanes[1]?.pause();
    const nowhere = openDatabase("postgres://127.0.0.1:1/none", 1, () => {});
    const monitor = watchSale({ ...parts, db: nowhere, log });
    await eventually("it measures", async () => monitor.measured() !== null);
    const sale = await readSale(parts);
    expect(sale).toMatchObject({ postgres: { state: "down" }, lanes: [{ paused: false }, { paused: true }] });
    expect(sale?.alarms.map(({ name }) => name)).toEqual(["postgres_unavailable", "lane_paused"]);
    // Nothing is drawn of units that nobody has counted.
    expect([sale?.moment, await readBefore(parts)]).toEqual([null, []]);
    await monitor.close();
    await parts.lanes[1]?.resume();
    await nowhere.destroy();
  });

  test("raises the alarm of a Postgres that takes no writes", async () => {
    const state = await beginMonitoring(parts);
    const readOnly = openDatabase(`${world.databaseUrl}?options=-c%20default_transaction_read_only%3Don`, 1, () => {});
    const sale = await measureOnce({ ...parts, db: readOnly }, state);
    expect(sale.alarms.map(({ name }) => name)).toContain("postgres_read_only");
    await readOnly.destroy();
  });

  test("an alarm stands since it was first seen, whichever server sees it", async () => {
    await sql`update items set inventory = inventory - 1 where id = 'kettle'`.execute(world.db);
    const first = await measureOnce(parts, await beginMonitoring(parts));
    const second = await measureOnce(parts, await beginMonitoring(parts));
    const since = [first, second].map(({ alarms }) => alarms.find(({ name }) => name === "books_off")?.since);
    expect(since[0]).toBeDefined();
    expect(since[1]).toBe(since[0]);
    await sql`update items set inventory = inventory + 1 where id = 'kettle'`.execute(world.db);
    const mended = await measureOnce(parts, await beginMonitoring(parts));
    expect(mended.alarms.map(({ name }) => name)).not.toContain("books_off");
  });

  test("an alarm that a process raised is among them, in its own words", async () => {
    alarmRecorder(world)("refund_failed:some-order", "Order some-order: it failed.");
    const state = await beginMonitoring(parts);
    await eventually("it is seen", async () => {
      const { alarms } = await measureOnce(parts, state);
      return alarms.some(({ name, detail }) => name === "refund_failed" && detail === "Order some-order: it failed.");
    });
  });

  test("a paused lane is an alarm while it is paused", async () => {
    const state = await beginMonitoring(parts);
    await parts.lanes[1]?.pause();
    const { alarms } = await measureOnce(parts, state);
    expect(alarms).toMatchObject([{ name: "lane_paused", detail: "Lane 1, 0 orders in line." }]);
    await parts.lanes[1]?.resume();
    expect((await measureOnce(parts, state)).alarms).toEqual([]);
  });

  test("is exported to Prometheus by the server that measures, and by no other", async () => {
    const sale = await measureOnce(parts, await beginMonitoring(parts));
    const text = await saleGauges(parts, () => sale)();
    expect(text).toContain('holdfast_line_orders{lane="1"} 0');
    expect(text).toContain('holdfast_alarm_active{alarm="books_off"} 0');
    expect(text).toContain("holdfast_books_unbalanced_items 0");
    expect(await saleGauges(parts, () => null)()).toBe("");
  });
});
