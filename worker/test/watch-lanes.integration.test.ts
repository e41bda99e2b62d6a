import { setTimeout as sleep } from "node:timers/promises";
import { laneOf } from "@holdfast/shared/lanes.ts";
import { readLineNumbers, takePlaces } from "@holdfast/shared/line.ts";
import { createLog } from "@holdfast/shared/log.ts";
import { publishOrders, readView } from "@holdfast/shared/order-view.ts";
import { type LaneQueue, openLanes } from "@holdfast/shared/queues.ts";
import { connectRedis } from "@holdfast/shared/redis.ts";
import type { Serving } from "@holdfast/shared/run-process.ts";
import { createTestApi, shopperAuthorization, type TestApi } from "@holdfast/testing/api.ts";
import { addItem, booksOf } from "@holdfast/testing/items.ts";
import { startTestSimulator, type TestSimulator } from "@holdfast/testing/simulator.ts";
import { startTestWorker } from "@holdfast/testing/worker.ts";
import { createWorld, eventually, type World } from "@holdfast/testing/world.ts";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type LanesParts, lookAtLanes, type StandingLines } from "../src/reserve/watch-lanes.ts";

describe("an accepted order whose purchase job is gone", () => {
  let world: World;
  let ending: AbortController;
  let api: TestApi;
  let simulator: TestSimulator;
  let worker: Serving | null;
  let lanes: LaneQueue[];
  let lane: LaneQueue;
  let alarms: string[];
  let parts: LanesParts;
  let standing: StandingLines;
  const quietMs = 300;

  beforeEach(async () => {
    ending = new AbortController();
    world = await createWorld();
    await addItem(world.db, "item_1", 10);
    [api, simulator] = await Promise.all([createTestApi(world), startTestSimulator()]);
    worker = null;
    const { db, redis, keys } = world;
    lanes = openLanes({ redis, keys }, 4);
    lane = lanes[laneOf("item_1", 4)] as LaneQueue;
    alarms = [];
    standing = new Map();
    const log = createLog("test", "silent");
    parts = {
      db,
      redis,
      keys,
      lanes,
      log,
      raiseAlarm: (_name, sentence) => void alarms.push(sentence),
      signal: ending.signal,
    };
  });
  afterEach(async () => {
    vi.useRealTimers();
    await worker?.close();
    await Promise.all(lanes.map((one) => one.close()));
    await Promise.all([api.close(), simulator.close()]);
    await world.close();
  });

  const buy = async (shopper: string, headers: Record<string, string> = {}) => {
    const authorization = await shopperAuthorization(shopper);
    const answer = await api.app.inject({
      method: "POST",
      url: "/purchase/item_1",
      headers: { authorization, ...headers },
      payload: { paymentMethod: "pm_card_visa" },
    });
    expect(answer.statusCode).toBe(202);
    return { id: answer.json<{ id: string }>().id, authorization };
  };
  type Bought = Awaited<ReturnType<typeof buy>>;
  const poll = async ({ id, authorization }: Bought) =>
    (await api.app.inject({ url: `/orders/${id}`, headers: { authorization } })).json<{
      status: string;
      reason: string | null;
      message: string;
      position: number | null;
    }>();
  const hasStatus = (order: Bought, status: string) => async () => (await poll(order)).status === status;
  const rowOf = ({ id }: Bought) => world.db.selectFrom("orders").selectAll().where("id", "=", id).executeTakeFirst();
  const lookTwice = async () => {
    await lookAtLanes(parts, standing, quietMs);
    await sleep(quietMs + 50);
    await lookAtLanes(parts, standing, quietMs);
  };
  const lineOf = () => readLineNumbers(world, lane.name);

  test("by a lane that was emptied by hand is noticed by a worker, alarmed, and its shopper told the truth", async () => {
    const orders = [await buy("ann"), await buy("ben"), await buy("cem")];
    await lane.drain();
    expect(await poll(orders[0] as Bought)).toMatchObject({ status: "queued", position: 1 });
    await lookTwice();
    for (const order of orders) {
      expect(await poll(order)).toMatchObject({
        status: "cancelled",
        reason: "hold_expired",
        message: "Lost in line, nothing was charged: please buy again",
        position: null,
      });
      expect(await rowOf(order)).toMatchObject({
        status: "cancelled",
        item_id: "item_1",
        quantity: 1,
        reserved_at: null,
      });
    }
    const events = await world.db.selectFrom("order_events").selectAll().execute();
    expect(events.map(({ to_status, detail }) => [to_status, detail.why])).toEqual(
      orders.map(() => ["cancelled", "its purchase job was gone"]),
    );
    expect(alarms).toHaveLength(1);
    expect(alarms[0]).toMatch(/^3 order\(s\) in \{lane-\d\}/);
    expect(await booksOf(world.db, "item_1")).toMatchObject({ inventory: 10, balanced: true });
    const { accepted, decided } = await lineOf();
    expect(decided).toBe(accepted);

    // Whoever buys again is served, and a second pass finds nothing more.
    await lookTwice();
    expect(alarms).toHaveLength(1);
    worker = await startTestWorker(world, simulator);
    const again = await buy("ann");
    await eventually("the new purchase is paid", hasStatus(again, "confirmed"));
  });

  test("by an obliterated lane is noticed within seconds by the workers as they run", async () => {
    const order = await buy("ann");
    await lane.obliterate({ force: true });
    worker = await startTestWorker(world, simulator);
    const emptiedAtMs = Date.now();
    await eventually("it is told", hasStatus(order, "cancelled"), 20_000);
    expect(Date.now() - emptiedAtMs).toBeLessThan(18_000);
    expect((await rowOf(order))?.status).toBe("cancelled");
  });

  test("while the lane goes on with others is noticed when its shopper asks; the others are decided", async () => {
    const removed = await buy("ann");
    const [job] = await lane.getWaiting();
    await job?.remove();
    const others = [await buy("ben"), await buy("cem")];
    worker = await startTestWorker(world, simulator);
    for (const order of others) await eventually("it is paid", hasStatus(order, "confirmed"));
    await lookTwice();
    expect((await poll(removed)).status).toBe("queued"); // so far it may be on its way into the lane
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 11_000 });
    expect((await poll(removed)).position).toBe(1);
    await eventually("it is reported", async () => (await world.redis.exists(world.keys.passedOver(lane.name))) === 1);
    await lookAtLanes(parts, standing, quietMs);
    expect(await poll(removed)).toMatchObject({ status: "cancelled", message: /Lost in line/ });
    expect(alarms).toEqual([expect.stringMatching(/^1 order\(s\) in/)]);
    for (const order of others) expect((await poll(order)).status).toBe("confirmed");
    // Reported again at once, it is not looked into again for a minute.
    expect(await world.redis.get(world.keys.passedOver(lane.name))).toBe("looked");
  });

  test("is not one that waits in a paused lane, is being decided, or has its job among the dead ones", async () => {
    const [waiting, active, dead] = [await buy("ann"), await buy("ben"), await buy("cem")];
    await lookAtLanes(parts, standing, quietMs);
    const prefix = lane.toKey("");
    const ids = (await lane.getWaiting()).map((job) => job.id as string); // the newest last
    await world.redis.lmove(`${prefix}wait`, `${prefix}active`, "RIGHT", "LEFT");
    await world.redis.lrem(`${prefix}wait`, 1, ids.at(-1) as string);
    await world.redis.zadd(`${prefix}failed`, Date.now(), ids.at(-1) as string);
    await lane.pause();
    await world.redis.set(world.keys.passedOver(lane.name), "reported");
    const { accepted } = await lineOf();
    await world.redis.hset(world.keys.line(lane.name), "decided:item_1", accepted);
    await sleep(quietMs + 50);
    await lookAtLanes(parts, standing, quietMs);
    expect(await world.redis.get(world.keys.passedOver(lane.name))).toBe("looked");
    for (const order of [waiting, active, dead]) expect((await poll(order)).status).toBe("queued");
    expect(alarms).toEqual([]);
  });

  test("is not one that is only just being accepted, nor one that was decided and whose view is late", async () => {
    const decided = await buy("ann");
    const stale = await readView(world, "ann", decided.id);
    worker = await startTestWorker(world, simulator);
    await eventually("it is paid", hasStatus(decided, "confirmed"));
    await worker.close();
    worker = null;
    await world.redis.del(world.keys.shopperOrders("ann"));
    if (stale) await publishOrders(world, [stale]); // as if what was decided had not been told
    await takePlaces(world, lane.name, "item_1", 1, 100); // of a server that died with them
    await lookTwice();
    expect((await poll(decided)).status).toBe("confirmed");
    expect((await rowOf(decided))?.status).toBe("confirmed");
    expect(alarms).toEqual([]);
    const { accepted, decided: done } = await lineOf();
    expect(done).toBe(accepted);
  });

  test("is looked for by many workers at once and cancelled once", async () => {
    const order = await buy("ann");
    await lane.drain();
    const workers = Array.from({ length: 4 }, (): StandingLines => new Map());
    await Promise.all(workers.map((seen) => lookAtLanes(parts, seen, quietMs)));
    await sleep(quietMs + 50);
    await Promise.all(workers.map((seen) => lookAtLanes(parts, seen, quietMs)));
    expect(alarms).toHaveLength(1);
    expect(
      (await world.db.selectFrom("order_events").selectAll().where("order_id", "=", order.id).execute()).length,
    ).toBe(1);
  });

  test("is left to another worker where this one ends in the middle of a look", async () => {
    const order = await buy("ann");
    await lane.drain();
    await world.redis.hset(world.keys.line(lane.name), "decided:item_1", (await lineOf()).accepted);
    await world.redis.set(world.keys.passedOver(lane.name), "reported");
    ending.abort();
    await expect(lookAtLanes(parts, standing, 0)).rejects.toMatchObject({ name: "AbortError" });
    expect((await poll(order)).status).toBe("queued");
  });

  test("costs no reading of live views while nothing is off, however busy the lane", async () => {
    worker = await startTestWorker(world, simulator);
    const failing = connectRedis(world.redisUrl, "failing", () => {});
    await eventually("connected", async () => failing.status === "ready");
    const scan = vi.spyOn(failing, "scan");
    for (let round = 0; round < 5; round++) {
      await buy(`shopper-${round}`);
      await lookAtLanes({ ...parts, redis: failing }, standing, quietMs);
      await sleep(quietMs / 2);
    }
    expect(scan).not.toHaveBeenCalled();
    failing.disconnect();
  });
});
