import {
  advanceLine,
  closeLines,
  lineLength,
  readDecidedPlaces,
  readLineNumbers,
  takePlaces,
} from "@holdfast/shared/line.ts";
import { createLog } from "@holdfast/shared/log.ts";
import { readView } from "@holdfast/shared/order-view.ts";
import { type ChargeQueue, openChargeQueue } from "@holdfast/shared/queues.ts";
import { addItem, booksOf } from "@holdfast/testing/items.ts";
import { purchaseJob, purchaseRequest } from "@holdfast/testing/purchases.ts";
import { createWorld, type World } from "@holdfast/testing/world.ts";
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { sweepOnce } from "../src/recovery/sweep.ts";
import { type DecideParts, decidePurchase } from "../src/reserve/decide-purchase.ts";

describe("the reserve step", () => {
  let world: World;
  let charges: ChargeQueue;
  let parts: DecideParts;
  beforeAll(async () => {
    world = await createWorld();
    charges = openChargeQueue(world);
    parts = { db: world.db, redis: world.redis, keys: world.keys, charges, known: new Map() };
  });
  afterAll(async () => {
    await charges.close();
    await world.close();
  });

  test("tells the shoppers, enqueues a charge for each reserved order, moves the line on, and gives the lock back", async () => {
    await addItem(world.db, "told", 1);
    const requests = [purchaseRequest(), purchaseRequest()];
    const place = await takePlaces(world, "{lane-0}", "told", 2, 1_000);
    expect(await decidePurchase(parts, "{lane-0}", purchaseJob("told", requests, place ?? 0))).toBe("decided");

    const views = requests.map((r) => readView(world, r.shopperId, r.orderId));
    expect((await Promise.all(views)).map((view) => view?.status)).toEqual(["reserved", "out_of_stock"]);
    const jobs = await charges.getJobs(["waiting", "active"]);
    expect(jobs.map((job) => job.data)).toEqual([{ orderId: requests[0]?.orderId }]);
    expect(await lineLength(world, "{lane-0}")).toBe(0);
    expect(await world.redis.exists(world.keys.itemLock("told"))).toBe(0);
  });

  test("takes the lock once and releases it once", async () => {
    await addItem(world.db, "once", 5);
    const asked = vi.spyOn(world.redis, "eval"); // what the lock is asked with
    await decidePurchase(parts, "{lane-0}", purchaseJob("once", [purchaseRequest()]));
    expect(asked).toHaveBeenCalledTimes(2);
    asked.mockRestore();
  });

  test("gives the lock back where the batch cannot be gathered or written", async () => {
    await addItem(world.db, "given-back", 5);
    const job = purchaseJob("given-back", [purchaseRequest()]);
    const broken = Promise.reject(new Error("no batch"));
    await expect(decidePurchase(parts, "{lane-0}", job, broken)).rejects.toThrow("no batch");
    expect(await world.redis.exists(world.keys.itemLock("given-back"))).toBe(0);
    const refused = purchaseJob("given-back", [purchaseRequest({ currency: "EURO" })]);
    await expect(decidePurchase(parts, "{lane-0}", refused)).rejects.toThrow(/currency/);
    expect(await world.redis.exists(world.keys.itemLock("given-back"))).toBe(0);
  });

  test("waits where the item is locked elsewhere, and has changed nothing", async () => {
    await addItem(world.db, "locked", 5);
    await world.redis.set(world.keys.itemLock("locked"), "somebody else");
    expect(await decidePurchase(parts, "{lane-0}", purchaseJob("locked", [purchaseRequest()]))).toBe("item_locked");
    expect(await booksOf(world.db, "locked")).toMatchObject({ inventory: 5, reserved: 0 });
  });

  test("adds charge jobs only as far as there is quota: the others are due in Postgres, and the sweeper gives them out", async () => {
    await addItem(world.db, "crowded", 10);
    const quota = { maxWaiting: (await charges.getWaitingCount()) + 3, waiting: await charges.getWaitingCount() };
    const requests = Array.from({ length: 5 }, () => purchaseRequest());
    await decidePurchase({ ...parts, quota }, "{lane-0}", purchaseJob("crowded", requests));
    await decidePurchase({ ...parts, quota }, "{lane-0}", purchaseJob("crowded", [purchaseRequest()]));
    const ours = async () => {
      const jobs = await charges.getJobs(["waiting"]);
      return jobs.filter((job) => requests.some(({ orderId }) => orderId === job.data.orderId)).length;
    };
    expect(quota.waiting).toBe(quota.maxWaiting);
    expect(await ours()).toBe(3);
    expect(await booksOf(world.db, "crowded")).toMatchObject({ reserved: 6, balanced: true });

    const later = sql<Date>`payment_due_at - interval '1 minute'`;
    await world.db.updateTable("orders").set({ payment_due_at: later }).where("item_id", "=", "crowded").execute();
    const log = createLog("test", "silent");
    await sweepOnce({ db: world.db, charges, raiseAlarm: () => {}, log }, { unsent: 100, asked: 1 });
    expect(await ours()).toBe(5);
  });

  test("goes by how many charge jobs wait now, and not by a count of long ago", async () => {
    await addItem(world.db, "much-later", 10);
    const before = await charges.getWaitingCount();
    const quota = { maxWaiting: before + 100, waiting: before + 100 };
    await decidePurchase({ ...parts, quota }, "{lane-0}", purchaseJob("much-later", [purchaseRequest()]));
    expect(await charges.getWaitingCount()).toBe(before + 1);
  });

  test("run again after a crash behind the commit, it still tells and still enqueues the missing charges", async () => {
    await addItem(world.db, "crashed", 5);
    const request = purchaseRequest();
    const job = purchaseJob("crashed", [request]);
    const silent = { ...parts, charges: { addBulk: () => Promise.reject(new Error("the process died here")) } };
    await expect(decidePurchase(silent as unknown as DecideParts, "{lane-0}", job)).rejects.toThrow("died here");
    expect(await booksOf(world.db, "crashed")).toMatchObject({ reserved: 1 });

    await decidePurchase(parts, "{lane-0}", job);
    await decidePurchase(parts, "{lane-0}", job);
    const jobs = await charges.getJobs(["waiting", "active"]);
    expect(jobs.filter((j) => j.data.orderId === request.orderId)).toHaveLength(1);
    expect(await booksOf(world.db, "crashed")).toMatchObject({ inventory: 4, reserved: 1, balanced: true });
  });

  test("a job that runs again late does not put a settled order's view back", async () => {
    await addItem(world.db, "late", 5);
    const request = purchaseRequest();
    const job = purchaseJob("late", [request]);
    await decidePurchase(parts, "{lane-0}", job);
    const paid = { payment_status: "succeeded", payment_intent_id: "pi_1" } as const;
    const change = { status: "confirmed", settled_at: new Date(), ...paid } as const;
    await world.db.updateTable("orders").set(change).where("id", "=", request.orderId).execute();
    await decidePurchase(parts, "{lane-0}", job);
    const view = await readView(world, request.shopperId, request.orderId);
    expect(view?.status).toBe("confirmed");
  });

  test("an item's line only ever moves on, and the lane's is the sum of its items' lines", async () => {
    const { redis, keys } = world;
    await advanceLine({ redis, keys }, "{lane-9}", "one", 10);
    await advanceLine({ redis, keys }, "{lane-9}", "one", 4);
    await advanceLine({ redis, keys }, "{lane-9}", "other", 3);
    expect(await redis.hget(keys.line("{lane-9}"), "decided:one")).toBe("10");
    expect(await readLineNumbers({ redis, keys }, "{lane-9}")).toEqual({ accepted: 13, decided: 13 });
  });

  test("a lane's lines are closed only as they were seen: whoever was accepted since then stays in line", async () => {
    const { redis, keys } = world;
    await takePlaces({ redis, keys }, "{lane-8}", "one", 2, 100);
    await takePlaces({ redis, keys }, "{lane-8}", "other", 1, 100);
    await closeLines({ redis, keys }, "{lane-8}", 2);
    expect(await readLineNumbers({ redis, keys }, "{lane-8}")).toEqual({ accepted: 3, decided: 0 });
    await closeLines({ redis, keys }, "{lane-8}", 3);
    expect(await readLineNumbers({ redis, keys }, "{lane-8}")).toEqual({ accepted: 3, decided: 3 });
    const places = await readDecidedPlaces({ redis, keys }, "{lane-8}");
    expect(Object.fromEntries(places)).toEqual({ one: 2, other: 1 });
  });
});
