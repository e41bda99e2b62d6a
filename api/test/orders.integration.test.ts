import { randomUUID } from "node:crypto";
import { publishOrders } from "@holdfast/shared/order-view.ts";
import type { OrderBody } from "@holdfast/shared/show-order.ts";
import { createTestApi, shopperAuthorization, type TestApi } from "@holdfast/testing/api.ts";
import { addItem } from "@holdfast/testing/items.ts";
import { purchaseJob, purchaseRequest } from "@holdfast/testing/purchases.ts";
import { createWorld, eventually, type World } from "@holdfast/testing/world.ts";
import { reserveOrders } from "@holdfast/worker/reserve/reserve-orders.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

describe("following an order", () => {
  let world: World;
  let api: TestApi;
  let ann: string;
  let ben: string;
  beforeAll(async () => {
    world = await createWorld();
    await addItem(world.db, "item_1", 2);
    api = await createTestApi(world);
    [ann, ben] = (await Promise.all(["ann", "ben"].map((shopper) => shopperAuthorization(shopper)))) as [
      string,
      string,
    ];
  });
  afterAll(async () => {
    await api.close();
    await world.close();
  });
  const get = (url: string, authorization: string) => api.app.inject({ url, headers: { authorization } });
  const buy = async (authorization: string) => {
    const response = await api.app.inject({
      method: "POST",
      url: "/purchase/item_1",
      headers: { authorization },
      payload: { paymentMethod: "pm_card_visa" },
    });
    return response.json<OrderBody>();
  };
  const reserve = async (shopperId: string) => {
    const request = purchaseRequest({ shopperId });
    const { orders } = await reserveOrders(world.db, purchaseJob("item_1", [request]), new AbortController().signal);
    return { id: request.orderId, orders };
  };

  test("a queued order is shown from Redis alone, with its place and Retry-After", async () => {
    const { id } = await buy(ann);
    const response = await get(`/orders/${id}`, ann);
    expect(response.statusCode).toBe(200);
    expect(response.json()).toMatchObject({
      id,
      status: "queued",
      message: "Waiting in line",
      position: expect.any(Number),
    });
    expect(response.headers["retry-after"]).toBe("1");
  });

  test('while its item is locked for those before it, it is "Currently being purchased"', async () => {
    const { id } = await buy(ann);
    await world.redis.set(world.keys.itemLock("item_1"), "a worker");
    const reads = async (message: string) => (await get(`/orders/${id}`, ann)).json<OrderBody>().message === message;
    await eventually("the lock is seen", () => reads("Currently being purchased"), 1_000);
    await world.redis.del(world.keys.itemLock("item_1"));
    await eventually("its end is seen", () => reads("Waiting in line"), 1_000);
  });

  test("a decided order without a live view is shown from Postgres, the same as with one", async () => {
    const { id, orders } = await reserve("ann");
    const fromPostgres = (await get(`/orders/${id}`, ann)).json<OrderBody>();
    await publishOrders(world, orders);
    const fromView = (await get(`/orders/${id}`, ann)).json<OrderBody>();
    expect(fromPostgres).toMatchObject({ id, status: "reserved", position: null, payment: { status: "pending" } });
    expect(fromView).toEqual(fromPostgres);
  });

  test("a final order has no Retry-After", async () => {
    await reserve("ben");
    const { id, orders } = await reserve("ben");
    expect(orders[0]?.status).toBe("out_of_stock");
    const response = await get(`/orders/${id}`, ben);
    expect(response.json()).toMatchObject({
      status: "out_of_stock",
      message: "Out of stock",
      settledAt: expect.any(String),
    });
    expect(response.headers["retry-after"]).toBeUndefined();
  });

  test("somebody else's order is 404, exactly as one that does not exist", async () => {
    const { id } = await buy(ann);
    const recorded = await reserve("ann");
    const answers = [
      await get(`/orders/${id}`, ben),
      await get(`/orders/${recorded.id}`, ben),
      await get(`/orders/${randomUUID()}`, ben),
    ];
    for (const answer of answers) expect(answer.statusCode).toBe(404);
    expect(new Set(answers.map((answer) => answer.body)).size).toBe(1);
    expect(answers[0]?.json()).toMatchObject({ code: "order_not_found" });
  });

  test.each(["1", "%27", "a%00b", "%F0%9F%92%A5", "a%2Fb", "00000000-0000-0000-0000-00000000000g"])(
    "the id %s is 404, never a 500",
    async (id) => {
      expect((await get(`/orders/${id}`, ann)).json()).toMatchObject({ code: "order_not_found" });
    },
  );

  test("an order that is cancelled in line stays cancelled, takes no unit, and another shopper cannot cancel it", async () => {
    await addItem(world.db, "in-line", 5);
    const bought = await api.app.inject({
      method: "POST",
      url: "/purchase/in-line",
      headers: { authorization: ann },
      payload: { paymentMethod: "pm_card_visa" },
    });
    const { id } = bought.json<OrderBody>();
    const remove = (authorization: string) =>
      api.app.inject({ method: "DELETE", url: `/orders/${id}`, headers: { authorization } });
    expect((await remove(ben)).statusCode).toBe(404);
    const job = purchaseJob("in-line", [purchaseRequest({ shopperId: "ann", orderId: id })]);
    const cancelled = await remove(ann);
    expect(cancelled.json()).toMatchObject({ id, status: "cancelled", reason: "by_shopper" });
    // The worker comes to it later, as it comes to everyone in line.
    const { orders, item } = await reserveOrders(world.db, job, new AbortController().signal);
    expect(orders.map((order) => order.status)).toEqual(["cancelled"]);
    expect(item?.inventory).toBe(5);
    expect((await get(`/orders/${id}`, ann)).json()).toMatchObject({ status: "cancelled", reason: "by_shopper" });
  });

  test("GET /orders lists one's own, newest first, those in line too, and nobody else's", async () => {
    const eve = await shopperAuthorization("eve");
    const older = await buy(eve);
    const newer = await buy(eve);
    await buy(ann);
    const listed = (await get("/orders", eve)).json<{ orders: OrderBody[] }>();
    expect(listed.orders.map((order) => order.id)).toEqual([newer.id, older.id]);
  });
});
