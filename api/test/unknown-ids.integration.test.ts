import { randomUUID } from "node:crypto";
import type { Database } from "@holdfast/shared/database.ts";
import { createTestApi, shopperAuthorization, type TestApi } from "@holdfast/testing/api.ts";
import { addItem } from "@holdfast/testing/items.ts";
import { purchaseJob, purchaseRequest } from "@holdfast/testing/purchases.ts";
import { createWorld, type World } from "@holdfast/testing/world.ts";
import { reserveOrders } from "@holdfast/worker/reserve/reserve-orders.ts";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";

describe("ids that Redis and the server do not know", () => {
  let world: World;
  let api: TestApi;
  let authorization: string;
  let queries = 0;
  beforeAll(async () => {
    world = await createWorld();
    await addItem(world.db, "item_1", 100);
    api = await createTestApi({ ...world, db: counted(world.db) });
    authorization = await shopperAuthorization("ann");
  });
  afterAll(async () => {
    await api.close();
    await world.close();
  });
  beforeEach(() => {
    queries = 0;
  });

  const counted = (db: Database): Database =>
    db.withPlugin({
      transformQuery: ({ node }) => {
        queries += 1;
        return node;
      },
      transformResult: async ({ result }) => result,
    });
  const get = (url: string) => api.app.inject({ url, headers: { authorization } });
  const codes = async (urls: readonly string[]) =>
    new Set((await Promise.all(urls.map(get))).map((answer) => answer.json<{ code: string }>().code));
  const many = 1_000;
  const few = 100; // a query takes a millisecond or two, and the requests come within some hundred

  test("of items cost one query for all of the moment, not one each", async () => {
    expect(await codes(Array.from({ length: many }, (_, i) => `/items/made-up-${i}`))).toEqual(
      new Set(["item_not_found"]),
    );
    expect(queries).toBeLessThan(few);
  });

  test("of orders cost one query for all of the moment, and one answer to why there is none", async () => {
    expect(await codes(Array.from({ length: many }, () => `/orders/${randomUUID()}`))).toEqual(
      new Set(["order_not_found"]),
    );
    expect(queries).toBeLessThan(few);
  });

  test.each([
    ["cancelled", (url: string) => ({ method: "DELETE", url }) as const],
    [
      "paid",
      (url: string) => ({ method: "POST", url: `${url}/payment`, payload: { paymentMethod: "pm_card_visa" } }) as const,
    ],
  ])("of orders to be %s cost as little", async (_what, change) => {
    const ask = () => api.app.inject({ ...change(`/orders/${randomUUID()}`), headers: { authorization } });
    const answers = await Promise.all(Array.from({ length: many }, ask));
    expect(new Set(answers.map((answer) => answer.json<{ code: string }>().code))).toEqual(
      new Set(["order_not_found"]),
    );
    expect(queries).toBeLessThan(few);
  });

  test("are found where they are in Postgres, each for its own shopper, among a crowd of made-up ones", async () => {
    const mine = Array.from({ length: 20 }, () => purchaseRequest({ shopperId: "ann" }));
    const others = Array.from({ length: 20 }, () => purchaseRequest({ shopperId: "ben" }));
    await reserveOrders(world.db, purchaseJob("item_1", [...mine, ...others]), new AbortController().signal);
    await addItem(world.db, "item_new", 7);
    const madeUp = Array.from({ length: 200 }, () => get(`/orders/${randomUUID()}`));
    const found = await Promise.all(mine.map(({ orderId }) => get(`/orders/${orderId}`)));
    expect(found.map((answer) => answer.json<{ id: string }>().id)).toEqual(mine.map(({ orderId }) => orderId));
    for (const answer of await Promise.all([...others.map(({ orderId }) => get(`/orders/${orderId}`)), ...madeUp])) {
      expect(answer.json()).toMatchObject({ code: "order_not_found" });
    }
    const items = await Promise.all(["item_new", "item_old", "item_new"].map((id) => get(`/items/${id}`)));
    expect(items.map(({ statusCode }) => statusCode)).toEqual([200, 404, 200]);
  });
});
