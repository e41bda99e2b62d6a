import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { createAlarms } from "@holdfast/shared/alarm.ts";
import { takePlaces } from "@holdfast/shared/line.ts";
import { createLog } from "@holdfast/shared/log.ts";
import type { Order } from "@holdfast/shared/order.ts";
import { publishOrders, readQueuedViews, readView } from "@holdfast/shared/order-view.ts";
import { type LaneQueue, openLanes } from "@holdfast/shared/queues.ts";
import {
  beginGeneration,
  judgeGeneration,
  probeGeneration,
  readKnownGeneration,
} from "@holdfast/shared/redis-generation.ts";
import type { Serving } from "@holdfast/shared/run-process.ts";
import { type GenerationParts, watchGeneration, watchGenerationOnce } from "@holdfast/shared/watch-generation.ts";
import { createTestApi, shopperAuthorization, type TestApi } from "@holdfast/testing/api.ts";
import { addItem, booksOf } from "@holdfast/testing/items.ts";
import { emptyRedis, restoreRedis, saveRedis } from "@holdfast/testing/redis-states.ts";
import { startTestSimulator, type TestSimulator } from "@holdfast/testing/simulator.ts";
import { startTestWorker } from "@holdfast/testing/worker.ts";
import { createWorld, eventually, type World } from "@holdfast/testing/world.ts";
import { Redis } from "ioredis";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { recoverFromPostgres } from "../src/recovery/recover-from-postgres.ts";
import { generationRecovery } from "../src/recovery/recover-generation.ts";

describe("the generation of Redis", () => {
  let world: World;
  let ending: AbortController;
  let api: TestApi;
  let simulator: TestSimulator;
  let workers: Serving[];
  let lanes: LaneQueue[];
  let alarms: string[];
  let authorization: string;
  let recoverWith: (setUpQueues: () => Promise<void>) => GenerationParts;
  let parts: GenerationParts;

  beforeEach(async () => {
    ending = new AbortController();
    world = await createWorld();
    await addItem(world.db, "item_1", 10);
    [api, simulator] = await Promise.all([createTestApi(world), startTestSimulator()]);
    lanes = openLanes(world, 4);
    workers = [];
    alarms = [];
    authorization = await shopperAuthorization("ann");
    const log = createLog("test", "error", {
      write: (line) => void alarms.push((JSON.parse(line) as { msg: string }).msg),
    });
    const { db, redis, keys } = world;
    recoverWith = (setUpQueues) => ({
      db,
      redis,
      keys,
      lanes,
      log,
      raiseAlarm: createAlarms(log),
      lacksSome: null,
      recover: generationRecovery({ db, redis, keys, lanes, setUpQueues, signal: ending.signal, log }),
    });
    parts = recoverWith(async () => {});
  });
  afterEach(async () => {
    await Promise.all(workers.map((worker) => worker.close()));
    await Promise.all(lanes.map((lane) => lane.close()));
    await Promise.all([api.close(), simulator.close()]);
    await world.close();
  });

  const startWorkers = async (count: number) => {
    const started = Array.from({ length: count }, () => startTestWorker(world, simulator));
    workers.push(...(await Promise.all(started)));
  };
  const buy = async (key?: string) => {
    const headers = { authorization, ...(key && { "idempotency-key": key }) };
    const payload = { paymentMethod: "pm_card_visa" };
    const answer = await api.app.inject({ method: "POST", url: "/purchase/item_1", headers, payload });
    expect(answer.statusCode).toBe(202);
    return answer.json<{ id: string }>().id;
  };
  const poll = (id: string) => api.app.inject({ url: `/orders/${id}`, headers: { authorization } });
  const hasStatus = (id: string, status: string) => async () =>
    (await poll(id)).json<{ status: string }>().status === status;
  const generations = () => world.db.selectFrom("redis_generations").selectAll().orderBy("generation").execute();
  /** The next check is a heartbeat. */
  const makeDue = () =>
    world.db
      .updateTable("redis_generations")
      .set({ heartbeat_at: new Date(0) })
      .execute();
  /** Looks without doing anything about it. */
  const isFoundSound = async () => {
    const known = await readKnownGeneration(world.db);
    return judgeGeneration(known, await probeGeneration(world)) === "sound";
  };
  const isSound = async () => (await watchGenerationOnce(parts)) === "sound";

  test("begins once on an empty system, however many workers start, and nothing is alarmed", async () => {
    await Promise.all(Array.from({ length: 8 }, () => watchGenerationOnce(parts)));
    await Promise.all(Array.from({ length: 8 }, () => watchGenerationOnce(parts)));
    expect(await watchGenerationOnce(parts)).toBe("sound");
    expect((await generations()).map((row) => [row.generation, row.cause])).toEqual([[1, "first_start"]]);
    expect(alarms).toEqual([]);
    expect((await api.app.inject("/readyz")).json()).toEqual({ status: "ready", redis: "up", postgres: "up" });
  });

  test("Postgres is never ahead of Redis while many count heartbeats at once, and a death between the two writes is no loss", async () => {
    await eventually("it has begun", isSound);
    for (let round = 0; round < 30; round++) {
      await makeDue();
      const states = await Promise.all([1, 2, 3, 4].map(() => watchGenerationOnce(parts)));
      expect(states).toEqual(["sound", "sound", "sound", "sound"]);
    }
    expect((await readKnownGeneration(world.db))?.heartbeats).toBeGreaterThanOrEqual(30);
    await world.redis.hincrby(world.keys.generation, "heartbeats", 1);
    expect(await watchGenerationOnce(parts)).toBe("sound");
    expect(alarms).toEqual([]);
  });

  test("an emptied Redis is alarmed once, and a lost order is never “not found” before that is known", async () => {
    await eventually("it has begun", isSound);
    const lost = await buy();
    await emptyRedis(world);
    // Nobody has noticed yet, and the shopper holds a 202.
    expect((await poll(lost)).json()).toMatchObject({ status: 503, code: "unavailable" });
    expect(
      (await api.app.inject({ method: "DELETE", url: `/orders/${lost}`, headers: { authorization } })).statusCode,
    ).toBe(503);

    await Promise.all(Array.from({ length: 4 }, () => watchGenerationOnce(parts)));
    expect(alarms).toEqual([expect.stringMatching(/^ALARM: Redis was emptied, and the orders in line are lost/)]);
    await eventually("it was dealt with", isSound);
    expect(alarms).toHaveLength(1);

    const told = (await poll(lost)).json<{ code: string; detail: string }>();
    expect(told.code).toBe("order_not_found");
    expect(told.detail).toMatch(/were lost in a fault.*nothing was charged/);
    expect((await api.app.inject("/readyz")).json()).toMatchObject({
      status: "ready",
      ordersLost: { cause: "emptied" },
    });
  });

  test("a worker that died in the middle of dealing with it is replaced by the next look", async () => {
    await eventually("it has begun", isSound);
    await emptyRedis(world);
    const dies = recoverWith(() => Promise.reject(new Error("died here")));
    expect(await watchGenerationOnce(dies)).toBe("emptied");
    await expect(watchGenerationOnce(dies)).rejects.toThrow("died here");
    expect((await poll("01890a5d-ac96-774b-bcce-b302099a8057")).statusCode).toBe(503); // it may be one that is put right
    let setUp = 0;
    const survivor = recoverWith(async () => void setUp++);
    expect(await watchGenerationOnce(survivor)).toBe("recover");
    expect(await watchGenerationOnce(survivor)).toBe("sound");
    expect([setUp, alarms.length, (await generations()).length]).toEqual([1, 1, 2]);
  });

  test("emptied a second time while the first loss is put right, it is noticed, alarmed and put right too", async () => {
    await eventually("it has begun", isSound);
    await emptyRedis(world);
    const halfDone = Promise.withResolvers<void>();
    let recoveries = 0;
    const slow = recoverWith(async () => {
      recoveries += 1;
      if (recoveries === 1) await halfDone.promise;
    });
    const watch = watchGeneration(slow);
    await eventually("it is being put right", async () => recoveries === 1);
    const lost = await buy();
    await emptyRedis(world);
    await eventually("the second loss is alarmed", async () => alarms.length === 2, 6_000);
    expect((await poll(lost)).json()).toMatchObject({ status: 503, code: "unavailable" });
    halfDone.resolve();
    await eventually("the second loss is dealt with", isFoundSound);
    await watch.close();
    expect((await generations()).map((row) => [row.cause, row.recovered_at !== null])).toEqual([
      ["first_start", true],
      ["emptied", false],
      ["emptied", true],
    ]);
    expect((await poll(lost)).json()).toMatchObject({ code: "order_not_found" });
    expect(alarms).toHaveLength(2);
  });

  test("who did not begin a generation never gives Redis its token: that could cover up a second loss", async () => {
    await eventually("it has begun", isSound);
    await emptyRedis(world);
    await beginGeneration(world.db, await readKnownGeneration(world.db), "emptied"); // and died
    expect(await Promise.all(Array.from({ length: 4 }, () => watchGenerationOnce(parts)))).toEqual(
      Array.from({ length: 4 }, () => "beginning"),
    );
    expect((await probeGeneration(world)).token).toBeNull();
    expect((await poll("01890a5d-ac96-774b-bcce-b302099a8057")).statusCode).toBe(503);
    await eventually("it is begun anew and dealt with", isSound, 6_000);
    expect(alarms).toHaveLength(1);
    expect((await generations()).map((row) => row.cause)).toEqual(["first_start", "emptied", "emptied"]);
  });

  test("API servers alone notice a copy that is a second old; a worker that comes puts it right", async () => {
    await eventually("it has begun", isSound);
    const server = watchGeneration({ ...parts, recover: null });
    const heartbeats = async () => (await readKnownGeneration(world.db))?.heartbeats ?? 0;
    const backup = await saveRedis(world);
    const before = await heartbeats();
    const lost = await buy();
    await eventually("heartbeats go on without a worker", async () => (await heartbeats()) > before, 3_000);
    await restoreRedis(world, backup);
    await eventually("the loss is alarmed", async () => alarms.length === 1, 3_000);
    expect(alarms[0]).toMatch(/^ALARM: Redis was restored from an older state/);
    expect((await poll(lost)).json()).toMatchObject({ code: "unavailable" });
    await server.close();
    await eventually("it was dealt with", isSound);
    expect((await poll(lost)).json()).toMatchObject({ code: "order_not_found" });
  });

  test("what Redis acknowledged since the last heartbeat and lacks after a failover is noticed by who accepted it", async () => {
    await eventually("it has begun", isSound);
    const server = { ...parts, recover: null, lacksSome: (generation: number) => api.marks.lacksSome(generation) };
    const noHeartbeat = async () => {
      const late = { heartbeat_at: new Date(Date.now() + 60_000) };
      await world.db.updateTable("redis_generations").set(late).execute();
    };
    expect(await watchGenerationOnce(server)).toBe("sound");
    await buy();
    expect(await watchGenerationOnce(server)).toBe("sound");
    await noHeartbeat();
    const backup = await saveRedis(world);
    const lost = await buy();
    await eventually("its mark is in Redis", async () => {
      const [key] = [...(await saveRedis(world)).keys()].filter((name) => name.includes(":mark:"));
      return key !== undefined && (await world.redis.get(key)) === "2";
    });
    await restoreRedis(world, backup);
    expect(await watchGenerationOnce(parts)).toBe("sound"); // the heartbeats say nothing
    expect(await watchGenerationOnce(server)).toBe("restored");
    expect(alarms).toEqual([expect.stringMatching(/^ALARM: Redis was restored from an older state/)]);
    await eventually("it was dealt with", isSound);
    expect((await poll(lost)).json()).toMatchObject({ code: "order_not_found", detail: /were lost in a fault/ });
    for (let look = 0; look < 3; look++) expect(await watchGenerationOnce(server)).toBe("sound");
    await buy();
    expect(await watchGenerationOnce(server)).toBe("sound");
    expect(alarms).toHaveLength(1);
  });

  test("lost and covered up by the orders that came after, it is noticed all the same", async () => {
    await eventually("it has begun", isSound);
    const backup = await saveRedis(world);
    const marked = async (count: string) => {
      const keys = [...(await saveRedis(world)).keys()].filter((name) => name.includes(":mark:"));
      return keys.length === 1 && (await world.redis.get(keys[0] as string)) === count;
    };
    expect(await api.marks.lacksSome(1)).toBe(false);
    await buy();
    await eventually("it is marked", () => marked("1"));
    await restoreRedis(world, backup);
    await buy();
    await eventually("it is marked", () => marked("2"));
    expect(await api.marks.lacksSome(1)).toBe(true);
    expect(await api.marks.lacksSome(2)).toBe(false);
  });

  test("emptied under running workers: lanes, schedules and lost charges come back, purchases go on, alarmed once", {
    timeout: 60_000,
  }, async () => {
    await startWorkers(2);
    await eventually("it has begun", isFoundSound);
    await eventually("the first purchase is paid", hasStatus(await buy(), "confirmed"));
    // Reserved, and its charge job goes with Redis.
    await simulatorDown();
    const held = await buy();
    await eventually("it is held", hasStatus(held, "reserved"));
    await emptyRedis(world);
    await simulatorUp();
    const emptiedAt = Date.now();

    await eventually(
      "the loss is noticed and dealt with",
      async () => (await generations()).length === 2 && (await isFoundSound()),
    );
    expect(await Promise.all(lanes.map((lane) => lane.getGlobalConcurrency()))).toEqual([1, 1, 1, 1]);
    await eventually("a new purchase is paid", hasStatus(await buy(), "confirmed"));
    expect(Date.now() - emptiedAt).toBeLessThan(10_000);
    await eventually("the held one is paid", hasStatus(held, "confirmed"), 30_000); // by the next sweep
    expect((await generations()).map((row) => row.cause)).toEqual(["first_start", "emptied"]);
    expect(await booksOf(world.db, "item_1")).toMatchObject({ inventory: 7, confirmed: 3, balanced: true });
    expect((await simulator.ledger()).filter((payment) => payment.status === "succeeded")).toHaveLength(3);
  });

  test("after Redis was emptied nobody gets a place in a lane that has lost its rule of one active job", async () => {
    await emptyRedis(world);
    const [lane] = lanes as [LaneQueue];
    expect(await lane.getGlobalConcurrency()).toBeNull();
    await takePlaces(world, lane.name, "item_1", 1, 10);
    expect(await lane.getGlobalConcurrency()).toBe(1);
  });

  test("restored from an older state: what was decided stays so, stale views are corrected, lost ones are cancelled", async () => {
    await eventually("it has begun", isSound);
    const decided = await buy("decided-before");
    const backup = new Map(await saveRedis(world)); // in line, its job with it
    const lost = await buy("in-line-when-it-happened");
    // The view of the second got into the backup, its job did not.
    const views = world.keys.shopperOrders("ann");
    backup.set(views, (await world.redis.dumpBuffer(views)) as Buffer);
    await startWorkers(2);
    await eventually(
      "both are paid",
      async () => (await hasStatus(decided, "confirmed")()) && (await hasStatus(lost, "confirmed")()),
    );
    const paidTwice = lost; // as Postgres has it; now one that was never decided
    const neverDecided = await queuedViewOf(paidTwice);
    await Promise.all(workers.splice(0).map((worker) => worker.close()));
    await makeDue();
    expect(await watchGenerationOnce(parts)).toBe("sound"); // one more heartbeat than the backup has
    await restoreRedis(world, backup);
    await publishOrders(world, [neverDecided]);
    const decidedIds = [decided, lost];
    const events = () => world.db.selectFrom("order_events").select("id").where("order_id", "in", decidedIds).execute();
    const eventsBefore = (await events()).length;
    expect((await readView(world, "ann", decided))?.status).toBe("queued");

    expect(await watchGenerationOnce(parts)).toBe("restored");
    await eventually("it was dealt with", isSound);
    expect(alarms).toEqual([expect.stringMatching(/^ALARM: Redis was restored from an older state/)]);
    expect((await readView(world, "ann", decided))?.status).toBe("confirmed");
    expect((await readView(world, "ann", lost))?.status).toBe("confirmed");
    expect((await poll(neverDecided.id)).json()).toMatchObject(lostInLine);

    await startWorkers(2);
    await eventually("the old job has run again", async () =>
      (await Promise.all(lanes.map((lane) => lane.getJobCountByTypes("waiting", "active", "delayed")))).every(
        (n) => n === 0,
      ),
    );
    expect((await events()).length).toBe(eventsBefore);
    expect(await booksOf(world.db, "item_1")).toMatchObject({ inventory: 8, confirmed: 2, balanced: true });
    expect((await simulator.ledger()).filter((payment) => payment.status === "succeeded")).toHaveLength(2);
  });

  test("an order that is in line of a restored Redis keeps its view and is decided", async () => {
    await eventually("it has begun", isSound);
    const inLine = await buy();
    const backup = await saveRedis(world);
    await world.redis.hincrby(world.keys.generation, "heartbeats", 5);
    await world.db
      .updateTable("redis_generations")
      .set({ heartbeats: (await probeGeneration(world)).heartbeats })
      .execute();
    await restoreRedis(world, backup);
    await eventually("it was dealt with", async () => (await isSound()) && (await generations()).length === 2);
    expect((await poll(inLine)).json()).toMatchObject({ status: "queued" });
    await startWorkers(1);
    await eventually("it is paid", hasStatus(inLine, "confirmed"));
  });

  test("a lost order that is repeated in the middle of being cancelled ends in its row, uncharged", async () => {
    await eventually("it has begun", isSound);
    const backup = new Map(await saveRedis(world));
    const lost = await buy("repeated");
    const views = world.keys.shopperOrders("ann");
    backup.set(views, (await world.redis.dumpBuffer(views)) as Buffer); // its view got into the backup, its job did not
    await makeDue();
    expect(await watchGenerationOnce(parts)).toBe("sound");
    await restoreRedis(world, backup);
    expect(await watchGenerationOnce(parts)).toBe("restored");

    const last = lanes.at(-1) as LaneQueue;
    const getJobs = last.getJobs.bind(last);
    let searches = 0;
    vi.spyOn(last, "getJobs").mockImplementation(async (...asked) => {
      const jobs = await getJobs(...asked);
      // The last lane was searched a second time: the order is taken for lost from here on.
      if (String(asked[0]) === "failed" && ++searches === 2) expect(await buy("repeated")).toBe(lost);
      return jobs;
    });
    await eventually("it was dealt with", isSound);
    expect(searches).toBe(2);
    expect((await poll(lost)).json()).toMatchObject(lostInLine);

    await startWorkers(1);
    await eventually("the repeat's job has run", async () =>
      (await Promise.all(lanes.map((lane) => lane.getJobCountByTypes("waiting", "active")))).every((n) => n === 0),
    );
    expect((await poll(lost)).json()).toMatchObject(lostInLine);
    expect(await world.db.selectFrom("orders").select("status").execute()).toEqual([{ status: "cancelled" }]);
    expect(await booksOf(world.db, "item_1")).toMatchObject({ inventory: 10, balanced: true });
    expect(await simulator.ledger()).toEqual([]);
  });

  test("orders in doubt are held against the lanes a part at a time", async () => {
    await buy();
    const [one] = await readQueuedViews(world, "ann");
    const count = 1_500;
    const lost = Array.from({ length: count }, (_, i) => ({
      ...(one as Order),
      id: randomUUID(),
      shopperId: `${i}`,
    }));
    await publishOrders(world, lost);
    const search = vi.spyOn(lanes[0] as LaneQueue, "getJobs");
    const { db, redis, keys } = world;
    const { signal } = ending;
    const found = await recoverFromPostgres({ db, redis, keys, lanes, signal }, Date.now(), 100);
    const searches = search.mock.calls.filter(([states, start]) => String(states) === "waiting" && start === 0);
    expect(searches.length).toBeGreaterThan(2); // twice for each part
    expect(found).toMatchObject({ cancelled: count });
  });

  test("a worker that ends in the middle of a recovery is closed within a moment", async () => {
    await eventually("it has begun", isSound);
    await emptyRedis(world);
    let scans = 0;
    const scan = vi.spyOn(Redis.prototype, "scan").mockImplementation(async () => {
      scans += 1;
      await sleep(5);
      return ["1", []]; // there is always more
    });
    try {
      await startWorkers(1);
      await eventually("it reads the views", async () => scans > 0);
      const beganAtMs = performance.now();
      const [worker] = workers as [Serving];
      await Promise.race([worker.close(), sleep(8_000)]);
      expect(performance.now() - beganAtMs).toBeLessThan(5_000);
      workers.length = 0;
      expect((await readKnownGeneration(world.db))?.recovered).toBe(false);
    } finally {
      scan.mockRestore();
    }
  });

  const lostInLine = { status: "cancelled", message: "Lost in line, nothing was charged: please buy again" };

  /** A view of an order like this one, in line, that Postgres knows nothing of. */
  const queuedViewOf = async (id: string) => {
    const view = await readView(world, "ann", id);
    if (!view) throw new Error("there is a view");
    return {
      ...view,
      id: "01890a5d-ac96-774b-bcce-b302099a8057",
      status: "queued" as const,
      version: 0,
      paymentStatus: null,
      place: 7,
    };
  };
  const setFaults = (randomFaults: unknown) =>
    fetch(`${simulator.url}/_simulator/settings`, {
      method: "PUT",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ randomFaults }),
    });
  const simulatorDown = () => setFaults({ rate: 1, seed: 1, kinds: ["rate_limited"] });
  const simulatorUp = () => setFaults(null);
});
