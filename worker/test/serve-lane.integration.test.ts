import { openDatabase } from "@holdfast/shared/database.ts";
import { takePlaces } from "@holdfast/shared/line.ts";
import { createLog } from "@holdfast/shared/log.ts";
import { packPurchaseJob } from "@holdfast/shared/purchase-job.ts";
import { type ChargeQueue, type LaneQueue, openChargeQueue, openLanes } from "@holdfast/shared/queues.ts";
import { connectRedis, type RedisClient } from "@holdfast/shared/redis.ts";
import { cuttableProxy } from "@holdfast/testing/cuttable-proxy.ts";
import { addItem, booksOf } from "@holdfast/testing/items.ts";
import { purchaseJob, purchaseRequest } from "@holdfast/testing/purchases.ts";
import { emptyRedis } from "@holdfast/testing/redis-states.ts";
import { createWorld, eventually, type World } from "@holdfast/testing/world.ts";
import type { Job } from "bullmq";
import { sql } from "kysely";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { QueueWorker } from "../src/open-worker.ts";
import { removeJobs } from "../src/reserve/gather-batch.ts";
import { serveLane } from "../src/reserve/serve-lane.ts";

describe("a lane", () => {
  let world: World;
  let lane: LaneQueue;
  let charges: ChargeQueue;
  let workers: QueueWorker[];
  let connections: RedisClient[];

  beforeEach(async () => {
    world = await createWorld();
    [lane] = openLanes(world, 1) as [LaneQueue];
    charges = openChargeQueue(world);
    workers = [];
    connections = [];
  });
  afterEach(async () => {
    await Promise.all(workers.map((worker) => worker.close()));
    await Promise.all([lane.close(), charges.close()]);
    for (const redis of connections) redis.disconnect();
    await world.close();
  });

  /** A worker process's lane part, on a connection of its own. */
  const serve = async (db = world.db) => {
    const redis = connectRedis(world.redisUrl, "waiting", () => {});
    connections.push(redis);
    const parts = { db, redis, keys: world.keys, charges, log: createLog("test", "silent") };
    workers.push(await serveLane(lane, parts));
  };
  const enqueue = (itemId: string, count: number) => {
    const requests = Array.from({ length: count }, () => purchaseRequest());
    return lane.add("purchase", packPurchaseJob(purchaseJob(itemId, requests)));
  };
  const decided = async () =>
    (
      await world.db
        .selectFrom("order_events")
        .innerJoin("orders", "orders.id", "order_id")
        .select("item_id")
        .orderBy("order_events.id")
        .execute()
    ).map((row) => row.item_id);
  const drained = () =>
    eventually(
      "the lane is empty",
      async () => (await lane.getJobCountByTypes("waiting", "active", "delayed", "prioritized")) === 0,
    );

  test("decides its jobs strictly in the order of arrival, with any number of workers", async () => {
    const items = Array.from({ length: 12 }, (_, i) => `item-${i}`);
    for (const item of items) await addItem(world.db, item, 1);
    for (const item of items) await enqueue(item, 1);
    await Promise.all([serve(), serve(), serve()]);
    await drained();
    expect(await decided()).toEqual(items);
  });

  test("after Redis was emptied under its workers, decides strictly in the order of arrival again", async () => {
    const items = Array.from({ length: 12 }, (_, i) => `item-${i}`);
    for (const item of items) await addItem(world.db, item, 1);
    await Promise.all([serve(), serve(), serve()]);
    await emptyRedis(world);
    // The first one takes its time: whoever were not held back would pass it.
    await world.db.transaction().execute(async (trx) => {
      await sql`select 1 from items where id = 'item-0' for update`.execute(trx);
      for (const item of items) {
        await takePlaces(world, lane.name, item, 1, 100); // as an API server does before it adds the job
        await enqueue(item, 1);
      }
      await new Promise((resolve) => setTimeout(resolve, 700));
      expect(await decided()).toEqual([]);
    });
    await eventually("all are decided", async () => (await decided()).length === items.length);
    expect(await decided()).toEqual(items);
  });

  test("a job whose item is locked elsewhere waits its turn without losing its place or a try", async () => {
    for (const item of ["first", "locked", "third"]) await addItem(world.db, item, 1);
    await world.redis.set(world.keys.itemLock("locked"), "somebody else");
    await Promise.all([serve(), serve()]);
    for (const item of ["first", "locked", "third"]) await enqueue(item, 1);
    await eventually("the first is decided", async () => (await decided()).length === 1);
    await new Promise((resolve) => setTimeout(resolve, 700)); // several tries against the lock
    expect(await decided()).toEqual(["first"]);
    await world.redis.del(world.keys.itemLock("locked"));
    await drained();
    expect(await decided()).toEqual(["first", "locked", "third"]);
    expect(await lane.getFailedCount()).toBe(0);
  });

  test("while operations pause it, decides nothing more, and then goes on in the order of arrival", async () => {
    const items = ["first", "locked", "third", "fourth"];
    for (const item of items) await addItem(world.db, item, 1);
    await world.redis.set(world.keys.itemLock("locked"), "somebody else");
    await Promise.all([serve(), serve()]);
    for (const item of items.slice(0, 3)) await enqueue(item, 1);
    await eventually("the first is decided", async () => (await decided()).length === 1);
    // In the middle of a job that waits for its turn, and goes back to the head of a paused lane.
    await lane.pause();
    await enqueue("fourth", 1);
    await world.redis.del(world.keys.itemLock("locked"));
    const waiting = () => lane.getJobCountByTypes("waiting", "active", "delayed", "prioritized");
    await eventually("nothing is active", async () => (await lane.getActiveCount()) === 0);
    const before = await decided(); // the second one may have been tried once more after its lock was free
    expect([["first"], ["first", "locked"]]).toContainEqual(before);
    await new Promise((resolve) => setTimeout(resolve, 700)); // a job that waits is tried five times a second
    expect(await decided()).toEqual(before);
    expect(await waiting()).toBe(4 - before.length);
    await lane.resume();
    await drained();
    expect(await decided()).toEqual(items);
    expect(await lane.getFailedCount()).toBe(0);
  });

  test("when Postgres is unavailable, jobs keep their places, and none fails", async () => {
    for (const item of ["first", "second"]) await addItem(world.db, item, 1);
    const url = new URL(world.databaseUrl);
    const proxy = await cuttableProxy(url.hostname, Number(url.port));
    url.host = proxy.address;
    const db = openDatabase(url.href, 2, () => {});
    await proxy.cut();
    await serve(db);
    for (const item of ["first", "second"]) await enqueue(item, 1);
    await new Promise((resolve) => setTimeout(resolve, 1_500)); // several tries against the outage
    expect(await decided()).toEqual([]);
    await proxy.mend();
    await drained();
    expect(await decided()).toEqual(["first", "second"]);
    expect(await lane.getFailedCount()).toBe(0);
    await db.destroy();
    await proxy.close();
  });

  test("when Redis refuses even to let a job wait, it keeps its place and does not fail", async () => {
    for (const item of ["locked", "second"]) await addItem(world.db, item, 1);
    await world.redis.set(world.keys.itemLock("locked"), "somebody else");
    const refused = vi
      .spyOn(lane, "rateLimit")
      .mockRejectedValue(new Error("OOM command not allowed when used memory > 'maxmemory'."));
    await serve();
    for (const item of ["locked", "second"]) await enqueue(item, 1);
    await eventually("it was refused a few times", async () => refused.mock.calls.length > 2);
    expect(await lane.getFailedCount()).toBe(0);
    await world.redis.del(world.keys.itemLock("locked"));
    await drained();
    expect(await decided()).toEqual(["locked", "second"]);
  });

  const orderIds = async () =>
    (await world.db.selectFrom("order_events").select("order_id").orderBy("id").execute()).map((row) => row.order_id);
  /** The item of each transaction that wrote orders, and how many. */
  const itemsOfTransactions = async () => {
    const { rows } = await sql<{ item: string; orders: number }>`
      select item_id as item, count(*) as orders from orders group by xmin::text, item_id order by min(placed_at)`.execute(
      world.db,
    );
    return rows.map(({ item, orders }) => [item, orders]);
  };

  test("decides an item's waiting jobs in one transaction, in their order of arrival; other items' keep their turn", async () => {
    for (const item of ["hot", "other"]) await addItem(world.db, item, 25);
    const requests = Array.from({ length: 30 }, (_, i) => purchaseRequest({ placedAtMs: 1_000 + i }));
    for (const request of requests.slice(0, 20)) {
      await lane.add("purchase", packPurchaseJob(purchaseJob("hot", [request])));
    }
    await enqueue("other", 2);
    for (const request of requests.slice(20)) {
      await lane.add("purchase", packPurchaseJob(purchaseJob("hot", [request])));
    }
    await serve();
    await drained();
    expect(await itemsOfTransactions()).toEqual([
      ["hot", 30],
      ["other", 2],
    ]);
    expect((await orderIds()).slice(0, 30)).toEqual(requests.map(({ orderId }) => orderId));
    expect(await booksOf(world.db, "hot")).toMatchObject({ inventory: 0, reserved: 25, balanced: true });
    expect(await charges.getJobCountByTypes("waiting")).toBe(27);
  });

  test("jobs that stayed in the lane after they were decided with another run again and change nothing", async () => {
    await addItem(world.db, "hot", 3);
    vi.spyOn(lane, "toKey").mockImplementation(() => {
      throw new Error("the process died here");
    });
    for (let i = 0; i < 5; i++) await enqueue("hot", 1);
    await serve();
    await drained();
    expect(await lane.getFailedCount()).toBe(0);
    expect(await decided()).toHaveLength(5);
    expect(await booksOf(world.db, "hot")).toMatchObject({ inventory: 0, reserved: 3, balanced: true });
    expect(await charges.getJobCountByTypes("waiting")).toBe(3);
  });

  test("removes decided jobs only where they still wait: one that another worker has taken is left to it", async () => {
    const jobs = [];
    for (let i = 0; i < 4; i++) jobs.push(await enqueue("hot", 1));
    const [taken, first, second] = jobs as [Job, Job, Job];
    await world.redis.lmove(lane.toKey("wait"), lane.toKey("active"), "RIGHT", "LEFT");
    await removeJobs(world.redis, lane, [taken, first, second]);
    expect(await lane.getJobCounts("wait", "active")).toEqual({ wait: 1, active: 1 });
    const left = await Promise.all(jobs.map(({ id = "" }) => lane.getJob(id)));
    expect(left.map((job) => job !== undefined)).toEqual([true, false, false, true]);
  });

  test("an order to blame in a job that was taken along spoils nothing for the others, and is refused in its turn", async () => {
    await addItem(world.db, "hot", 10);
    const requests = Array.from({ length: 6 }, (_, i) => purchaseRequest(i === 3 ? { currency: "EURO" } : {}));
    for (const request of requests) await lane.add("purchase", packPurchaseJob(purchaseJob("hot", [request])));
    await serve();
    await drained();
    expect(await orderIds()).toEqual(requests.filter((_, i) => i !== 3).map(({ orderId }) => orderId));
    expect(await lane.getFailedCount()).toBe(1);
    expect(await booksOf(world.db, "hot")).toMatchObject({ inventory: 5, reserved: 5, balanced: true });
  });

  test("a job that can never succeed goes to the failed ones with its reason, and the lane goes on", async () => {
    await addItem(world.db, "good", 1);
    await serve();
    await lane.add("purchase", { item: "good", last: 1, orders: "what is this" } as never);
    await enqueue("good", 1);
    await drained();
    const [failed] = await lane.getFailed();
    expect(failed?.failedReason).toBe("Not a purchase job");
    expect(await booksOf(world.db, "good")).toMatchObject({ reserved: 1, balanced: true });
  });
});
