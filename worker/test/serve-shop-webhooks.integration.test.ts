import { setTimeout as sleep } from "node:timers/promises";
import { type LaneQueue, openLanes } from "@holdfast/shared/queues.ts";
import type { Serving } from "@holdfast/shared/run-process.ts";
import { acceptor } from "@holdfast/testing/accept.ts";
import { cuttableProxy } from "@holdfast/testing/cuttable-proxy.ts";
import { addItem } from "@holdfast/testing/items.ts";
import { purchaseRequest } from "@holdfast/testing/purchases.ts";
import { type ShopReceiver, startShopReceiver } from "@holdfast/testing/shop-receiver.ts";
import { startTestSimulator, type TestSimulator } from "@holdfast/testing/simulator.ts";
import { startTestWorker } from "@holdfast/testing/worker.ts";
import { createWorld, eventually, type World } from "@holdfast/testing/world.ts";
import { sql } from "kysely";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { secretOf } from "./shop-world.ts";

describe("a worker that delivers to the shop", () => {
  let world: World;
  let simulator: TestSimulator;
  let shop: ShopReceiver;
  let lanes: LaneQueue[];
  let workers: Serving[];
  beforeEach(async () => {
    world = await createWorld();
    [simulator, shop] = await Promise.all([startTestSimulator(), startShopReceiver()]);
    lanes = openLanes(world, 4);
    workers = [];
    await addItem(world.db, "item_1", 100);
  });
  afterEach(async () => {
    await Promise.all(workers.map((worker) => worker.close()));
    await Promise.all(lanes.map((lane) => lane.close()));
    await Promise.all([simulator.close(), shop.close()]);
    await world.close();
  });

  const start = async (env: Record<string, string> = {}) => {
    const target = { SHOP_WEBHOOK_URL: shop.url, SHOP_WEBHOOK_SECRET: secretOf(1), SHOP_WEBHOOK_ALLOW_PRIVATE: "on" };
    const worker = await startTestWorker(world, simulator, { ...target, ...env });
    workers.push(worker);
    return worker;
  };
  const buy = (count: number) =>
    Promise.all(Array.from({ length: count }, () => acceptor(world, lanes)("item_1", purchaseRequest())));
  const count = async (from: string) => {
    const { rows } = await sql<{ n: number }>`select count(*) as n from ${sql.raw(from)}`.execute(world.db);
    return rows[0]?.n ?? 0;
  };
  const confirmed = () => count("orders where status = 'confirmed'");
  /** An order's event, written as a sale does it. */
  const writeEvent = (orderId: string) =>
    sql`insert into shop_events (type, subject, payload)
      select type, ${`order ${orderId}`}, payload || jsonb_build_object('id', ${orderId}::text)
      from shop_events order by seq limit 1`.execute(world.db);
  const takenOf = (orderId: string) => shop.taken.filter(({ body }) => body.data.id === orderId).length;

  test("delivers all that a sale writes, each order's events in order, within seconds", async () => {
    await start();
    await buy(20);
    await eventually("all is delivered", async () => shop.taken.length === 40);
    const types = Map.groupBy(shop.taken, ({ body }) => body.data.id);
    expect(types.size).toBe(20);
    for (const events of types.values()) {
      expect(events.map(({ body }) => body.type)).toEqual(["order.reserved", "order.confirmed"]);
    }
  });

  test("needs no key of the provider where that is all it does", async () => {
    await start({ WORKER_ROLES: "webhook", STRIPE_SECRET_KEY: "" });
    await start({ WORKER_ROLES: "reserve", STRIPE_SECRET_KEY: "" });
    await buy(1);
    await eventually("the shop has it", async () => shop.taken[0]?.body.type === "order.reserved");
  });

  test("has events written from when it serves on; one without the shop's address, or the role, does not", async () => {
    await start({ SHOP_WEBHOOK_URL: "", SHOP_WEBHOOK_SECRET: "" });
    await start({ WORKER_ROLES: "reserve,charge,sweep" });
    await buy(3);
    await eventually("they are paid", async () => (await confirmed()) === 3);
    expect(await count("shop_events")).toBe(0);
    await start({ WORKER_ROLES: "webhook" });
    await buy(1);
    await eventually("it is delivered", async () => shop.taken.length === 2);
  });

  test("lets a sale go on at its pace while the shop answers nothing", async () => {
    await start();
    shop.answer(() => "hang");
    const beganAtMs = performance.now();
    await buy(100);
    await eventually("all hundred are paid", async () => (await confirmed()) === 100, 9_000);
    expect(performance.now() - beganAtMs).toBeLessThan(9_000); // before the first try was over
    expect(shop.taken).toEqual([]);
    expect(shop.received.length).toBeLessThanOrEqual(10);
  });

  test("delivers others' events while the shop hangs on some, and those once it has found its way back", async () => {
    await start();
    const hanging = new Set<unknown>();
    shop.answer(({ body }) => (hanging.has(body.data.id) ? "hang" : 204));
    await buy(1);
    await eventually("it is delivered", async () => shop.taken.length === 2);
    for (let i = 1; i <= 9; i++) {
      const orderId = `00000000-0000-4000-8000-00000000000${i}`;
      hanging.add(orderId);
      await writeEvent(orderId);
    }
    await eventually("nine hang", async () => shop.received.length === 11);
    for (let i = 10; i < 60; i++) await writeEvent(`00000000-0000-4000-8000-0000000000${i}`);
    await eventually("fifty others are delivered", async () => shop.taken.length === 52, 5_000);
    hanging.clear();
    await eventually("the nine are, too", async () => shop.taken.length === 61, 20_000);
  });

  test("ends within ten seconds while the shop hangs, and another one goes on with the events", async () => {
    const worker = await start({ WORKER_ROLES: "webhook" });
    await start({ WORKER_ROLES: "reserve", STRIPE_SECRET_KEY: "" });
    shop.answer(() => "hang");
    await buy(20);
    await eventually("ten are being sent", async () => shop.received.length === 10);
    workers.shift();
    const beganAtMs = performance.now();
    await worker.close();
    expect(performance.now() - beganAtMs).toBeLessThan(8_000);
    expect(await count("shop_events where lease is not null")).toBe(0);
    shop.answer(() => 204);
    await start({ WORKER_ROLES: "webhook" });
    await eventually("all are delivered", async () => shop.taken.length === 20);
    expect(new Set(shop.taken.map(({ id }) => id)).size).toBe(20);
  });

  test("delivers the events of one item one after the other without a pause", async () => {
    await start({ WORKER_ROLES: "webhook" });
    const beganAtMs = performance.now();
    await sql`
      insert into shop_events (type, subject, payload)
      select 'item.available', 'item item_1', shop_item(i) from items i, generate_series(1, 40)`.execute(world.db);
    await eventually("all forty are delivered", async () => shop.taken.length === 40, 20_000);
    expect(performance.now() - beganAtMs).toBeLessThan(5_000); // two a second would be twenty
  });

  test("delivers while every connection of the lanes waits for a lock", async () => {
    await start({ PURCHASE_LANES: "1" });
    const [lane] = openLanes(world, 1);
    if (!lane) throw new Error("There is one lane");
    lanes.push(lane);
    const { promise: ended, resolve: end } = Promise.withResolvers<void>();
    const { promise: locked, resolve: lock } = Promise.withResolvers<void>();
    const holding = world.db.transaction().execute(async (trx) => {
      await sql`select from items for update`.execute(trx);
      lock();
      await ended;
    });
    await locked;
    try {
      await acceptor(world, [lane])("item_1", purchaseRequest());
      await eventually("the lane waits", async () => (await count("pg_locks where not granted")) > 0);
      await sql`
        insert into shop_events (type, subject, payload)
        select 'item.available', 'item item_1', shop_item(i) from items i`.execute(world.db);
      await eventually("it is delivered", async () => shop.taken.length === 1, 2_500); // a lock is waited for longer
      expect(await count("pg_locks where not granted")).toBeGreaterThan(0);
    } finally {
      end();
      await holding;
    }
  });

  test("deletes what is over, and says that it delivers, as long as it serves", async () => {
    await sql`
      insert into shop_events (type, subject, payload, outcome, finished_at)
      values ('order.reserved', 'order 1', '{}', 'delivered', now() - interval '4 days')`.execute(world.db);
    await start({ WORKER_ROLES: "webhook" });
    await eventually("it is deleted", async () => (await count("shop_events")) === 0);
    await sql`update shop_webhook set delivering_at = null`.execute(world.db);
    await eventually(
      "it said so again",
      async () => (await count("shop_webhook where shop_is_served()")) === 1,
      25_000,
    );
  });

  test("loses no event where a worker without the shop's address is the first to be back after an outage", async () => {
    await sql`update shop_webhook set delivering_at = now() - interval '2 minutes'`.execute(world.db);
    await start({ SHOP_WEBHOOK_URL: "", SHOP_WEBHOOK_SECRET: "" });
    await buy(1);
    await eventually("it is paid", async () => (await confirmed()) === 1);
    expect(await count("shop_events where outcome is null")).toBe(2);
  });

  test("waits for Postgres while it is unavailable, and delivers what there is afterwards", async () => {
    const direct = new URL(world.databaseUrl);
    const proxy = await cuttableProxy(direct.hostname, Number(direct.port));
    const through = new URL(direct);
    through.host = proxy.address;
    await start({ WORKER_ROLES: "webhook", DATABASE_URL: through.href });
    await start({ WORKER_ROLES: "reserve", STRIPE_SECRET_KEY: "" });
    const answering = Promise.withResolvers<number>();
    shop.answer(() => answering.promise);
    await buy(1);
    await eventually("it is being sent", async () => shop.received.length === 1);
    await proxy.cut();
    answering.resolve(204); // delivered, and that cannot be noted
    await buy(1);
    await sleep(1_500);
    expect(shop.taken).toHaveLength(1);
    await proxy.mend();
    await eventually("the other one is delivered", async () => shop.taken.length === 2);
    await sql`update shop_events set due_at = now() where lease is not null`.execute(world.db); // the lease ends
    await eventually("the first one is finished", async () => (await count("shop_events where outcome is null")) === 0);
    expect(takenOf(String(shop.taken[0]?.body.data.id))).toBe(2);
    await workers.shift()?.close();
    await proxy.close();
  });
});
