import { createLog } from "@holdfast/shared/log.ts";
import { type ChargeQueue, type LaneQueue, openChargeQueue, openLanes } from "@holdfast/shared/queues.ts";
import { createTestApi, opsAuthorization, shopperAuthorization, type TestApi } from "@holdfast/testing/api.ts";
import { booksOf } from "@holdfast/testing/items.ts";
import { createWorld, eventually, type World } from "@holdfast/testing/world.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { QueueWorker } from "../src/open-worker.ts";
import { serveLane } from "../src/reserve/serve-lane.ts";

describe("what operations change in the middle of a rush", () => {
  let world: World;
  let apis: TestApi[];
  let lane: LaneQueue;
  let charges: ChargeQueue;
  let worker: QueueWorker;
  beforeAll(async () => {
    world = await createWorld();
    apis = await Promise.all([1, 2].map(() => createTestApi(world, { PURCHASE_LANES: "1" })));
    [lane] = openLanes(world, 1) as [LaneQueue];
    charges = openChargeQueue(world);
    const { db, redis, keys } = world;
    worker = await serveLane(lane, { db, redis, keys, charges, log: createLog("test", "silent") });
  });
  afterAll(async () => {
    await worker.close();
    await Promise.all([lane.close(), charges.close()]);
    await Promise.all(apis.map((api) => api.close()));
    await world.close();
  });

  const operate = (server: number, method: "PUT" | "PATCH" | "POST", path: string, payload?: object) =>
    (apis[server] as TestApi).app.inject({
      method,
      url: `/ops/api/items/kettle${path}`,
      headers: { authorization: opsAuthorization },
      ...(payload && { payload }),
    });
  const press = async (i: number) =>
    (apis[i % 2] as TestApi).app.inject({
      method: "POST",
      url: "/purchase/kettle",
      headers: { authorization: await shopperAuthorization(`shopper-${i}`) },
      payload: { paymentMethod: "pm_card_visa" },
    });

  test("holds for all that comes after it; the books stay right, and nobody pays another price than was shown", async () => {
    const prices = [1_900, 2_100, 2_300];
    const terms = { name: "Kettle", price: prices[0], currency: "eur", units: 150 };
    expect((await operate(0, "PUT", "", terms)).statusCode).toBe(201);
    const accepted: { id: string; amount: number }[] = [];
    let restocked = 0;
    for (let round = 0; round < 8; round++) {
      const pressed = Promise.all(Array.from({ length: 25 }, (_, i) => press(25 * round + i)));
      const changes = await Promise.all([
        operate(0, "PATCH", "", { price: prices[round % prices.length] }),
        operate(1, "PATCH", "", { holdSeconds: 60 + round }),
        operate(0, "POST", "/restock", { units: 3 }),
        operate(1, "POST", "/restock", { units: -1 }),
        operate(1, "POST", round % 2 === 0 ? "/pause" : "/resume"),
      ]);
      for (const { statusCode } of changes) expect([200, 409]).toContain(statusCode); // 409: none left to withdraw
      restocked += 3 - (changes[3].statusCode === 200 ? 1 : 0);
      for (const answer of await pressed) {
        if (answer.statusCode === 202) accepted.push(answer.json());
        else expect(["sale_paused", "out_of_stock"]).toContain(answer.json<{ code: string }>().code);
      }
    }
    const orders = () => world.db.selectFrom("orders").selectAll().execute();
    await eventually("all are decided", async () => (await orders()).length === accepted.length, 60_000);
    const decided = new Map((await orders()).map((order) => [order.id, order]));
    for (const { id, amount } of accepted) {
      expect(prices).toContain(amount);
      expect(decided.get(id)).toMatchObject({ amount_minor: amount });
    }
    const books = await booksOf(world.db, "kettle");
    const held = [...decided.values()].filter(({ status }) => status === "reserved").length;
    expect(books).toMatchObject({ stocked: 150 + restocked, reserved: held, balanced: true });
    expect(held).toBeGreaterThan(0);
    const item = await world.db.selectFrom("items").selectAll().where("id", "=", "kettle").executeTakeFirstOrThrow();
    expect(item).toMatchObject({ price_minor: prices[7 % prices.length], hold_seconds: 67, paused_at: null });
    expect(await lane.getFailedCount()).toBe(0);
  }, 120_000);
});
