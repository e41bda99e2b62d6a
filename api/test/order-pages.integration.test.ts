import { claimViews, publishOrders } from "@holdfast/shared/order-view.ts";
import { queuedOrder } from "@holdfast/shared/purchase-job.ts";
import type { OrderBody } from "@holdfast/shared/show-order.ts";
import { createTestApi, shopperAuthorization, type TestApi } from "@holdfast/testing/api.ts";
import { addItem } from "@holdfast/testing/items.ts";
import { purchaseJob, purchaseRequest } from "@holdfast/testing/purchases.ts";
import { createWorld, type World } from "@holdfast/testing/world.ts";
import { reserveOrders } from "@holdfast/worker/reserve/reserve-orders.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { listOrders } from "../src/orders/order-reader.ts";

interface Page {
  readonly orders: readonly OrderBody[];
  readonly next: string | null;
}

describe("one's own orders in pages", () => {
  let world: World;
  let api: TestApi;
  let authorization: string;
  const decided: string[] = [];
  beforeAll(async () => {
    world = await createWorld();
    await addItem(world.db, "item_1", 100);
    api = await createTestApi(world);
    authorization = await shopperAuthorization("ann");
    // Several in one millisecond, so that the time alone does not tell where a page ends.
    const startMs = Date.now() - 60_000;
    const requests = Array.from({ length: 25 }, (_, i) =>
      purchaseRequest({ shopperId: "ann", placedAtMs: startMs + Math.floor(i / 5) }),
    );
    await reserveOrders(world.db, purchaseJob("item_1", requests), new AbortController().signal);
    decided.push(...requests.map(({ orderId }) => orderId));
  });
  afterAll(async () => {
    await api.close();
    await world.close();
  });
  const get = (query: string, as = authorization) =>
    api.app.inject({ url: `/orders${query}`, headers: { authorization: as } });
  const walk = async (limit: number) => {
    const seen: OrderBody[] = [];
    let after = "";
    for (;;) {
      const { orders, next } = (await get(`?limit=${limit}${after}`)).json<Page>();
      expect(orders.length).toBeLessThanOrEqual(limit);
      seen.push(...orders);
      if (next === null) return seen;
      expect(orders).toHaveLength(limit);
      after = `&after=${encodeURIComponent(next)}`;
    }
  };

  test.each([1, 2, 3, 7, 24, 25, 26, 100])("of %i go through all of them once, newest first", async (limit) => {
    const seen = await walk(limit);
    expect(seen.map(({ id }) => id).toSorted()).toEqual(decided.toSorted());
    const times = seen.map(({ placedAt }) => placedAt);
    expect(times).toEqual(times.toSorted().reverse());
  });

  test("have those in line before the others, and go on where the last page ended", async () => {
    const payload = { paymentMethod: "pm_card_visa" };
    const headers = { authorization };
    const bought = await Promise.all(
      [1, 2].map(async () =>
        (await api.app.inject({ method: "POST", url: "/purchase/item_1", headers, payload })).json<OrderBody>(),
      ),
    );
    const first = (await get("?limit=1")).json<Page>();
    expect(bought.map(({ id }) => id)).toContain(first.orders[0]?.id);
    const seen = await walk(3);
    expect(seen).toHaveLength(27);
    expect(new Set(seen.slice(0, 2).map(({ id }) => id))).toEqual(new Set(bought.map(({ id }) => id)));
  });

  test("are 50 at a time unless asked otherwise", async () => {
    const requests = Array.from({ length: 51 }, () => purchaseRequest({ shopperId: "fred" }));
    await reserveOrders(world.db, purchaseJob("item_1", requests), new AbortController().signal);
    const { orders, next } = (await get("", await shopperAuthorization("fred"))).json<Page>();
    expect(orders).toHaveLength(50);
    expect(next).not.toBeNull();
  });

  test("miss no order that is decided while they are read", async () => {
    const request = purchaseRequest({ shopperId: "gina" });
    await claimViews(world, [queuedOrder("item_1", request)]);
    // Its worker decides it as soon as Redis has been asked for those in line.
    const redis = new Proxy(world.redis, {
      get: (target, name) =>
        name === "hgetall"
          ? async (key: string) => {
              const { orders } = await reserveOrders(
                world.db,
                purchaseJob("item_1", [request]),
                new AbortController().signal,
              );
              await publishOrders(world, orders);
              return target.hgetall(key);
            }
          : Reflect.get(target, name),
    });
    const { orders } = await listOrders({ ...world, redis, laneCount: 4 }, "gina", 10, null);
    expect(orders.map(({ id }) => id)).toEqual([request.orderId]);
  });

  test.each([
    "limit=0",
    "limit=101",
    "limit=x",
    "limit=-1",
    "limit=1.5",
    "after=x",
    "after=%27",
    "after=zzzzzzzzz.zz",
    "page=2",
  ])("?%s is refused, and never a 500", async (query) => {
    expect((await get(`?${query}`)).json()).toMatchObject({ status: 400, code: "invalid_request" });
  });

  test("of a shopper who has none are empty, also behind another's order", async () => {
    const ben = await shopperAuthorization("ben");
    expect((await get("", ben)).json()).toEqual({ orders: [], next: null });
    const { next } = (await get("?limit=1")).json<Page>();
    expect((await get(`?after=${next}`, ben)).json()).toEqual({ orders: [], next: null });
  });
});
