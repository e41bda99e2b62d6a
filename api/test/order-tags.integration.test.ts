import type { Order } from "@holdfast/shared/order.ts";
import { publishOrders } from "@holdfast/shared/order-view.ts";
import { decodeView } from "@holdfast/shared/order-view-text.ts";
import { shortenId } from "@holdfast/shared/short-id.ts";
import type { OrderBody } from "@holdfast/shared/show-order.ts";
import { createTestApi, shopperAuthorization, type TestApi } from "@holdfast/testing/api.ts";
import { addItem } from "@holdfast/testing/items.ts";
import { createWorld, eventually, type World } from "@holdfast/testing/world.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

describe("an order's tag", () => {
  let world: World;
  let api: TestApi;
  let authorization: string;
  beforeAll(async () => {
    world = await createWorld();
    await addItem(world.db, "item_1", 100);
    api = await createTestApi(world);
    authorization = await shopperAuthorization("ann");
  });
  afterAll(async () => {
    await api.close();
    await world.close();
  });
  const buy = async () => {
    const answer = await api.app.inject({
      method: "POST",
      url: "/purchase/item_1",
      headers: { authorization },
      payload: { paymentMethod: "pm_card_visa" },
    });
    return { id: answer.json<OrderBody>().id, etag: String(answer.headers.etag) };
  };
  const get = (id: string, headers: Record<string, string> = {}) =>
    api.app.inject({ url: `/orders/${id}`, headers: { authorization, ...headers } });
  const change = async (id: string, changed: Partial<Order>) => {
    const view = await world.redis.hget(world.keys.shopperOrders("ann"), shortenId(id));
    const order = decodeView("ann", id, view ?? "") as Order;
    await publishOrders(world, [{ ...order, version: order.version + 1, ...changed }]);
  };

  test("stays while its place in line changes, and is another once it is decided", async () => {
    const { id, etag } = await buy();
    expect((await get(id)).headers.etag).toBe(etag);
    const unchanged = await get(id, { "if-none-match": etag });
    expect(unchanged.statusCode).toBe(304);
    expect(unchanged.body).toBe("");
    expect(unchanged.headers).toMatchObject({ etag, "retry-after": "1" });
    await change(id, { status: "reserved", paymentStatus: "pending", reservedAtMs: Date.now() });
    const reserved = await get(id, { "if-none-match": etag });
    expect(reserved.json()).toMatchObject({ status: "reserved" });
    expect(reserved.headers.etag).not.toBe(etag);
  });

  test("tells a client that still believes it queued at once, however long it would wait", async () => {
    const { id, etag } = await buy();
    await change(id, { status: "reserved", paymentStatus: "pending", reservedAtMs: Date.now() });
    const startMs = performance.now();
    const answer = await get(id, { "if-none-match": etag, prefer: "wait=20" });
    expect(performance.now() - startMs).toBeLessThan(2_000);
    expect(answer.json()).toMatchObject({ status: "reserved" });
    // Without its tag, nobody knows that it has missed the change.
    const waiting = get(id, { prefer: "wait=1" });
    expect((await waiting).json()).toMatchObject({ status: "reserved" });
  });

  test("is waited for: 200 with the next change, 304 when the time is over without one", async () => {
    const { id, etag } = await buy();
    expect((await get(id, { "if-none-match": etag, prefer: "wait=1" })).statusCode).toBe(304);
    const waiting = get(id, { "if-none-match": etag, prefer: "wait=20" });
    await eventually("a waiter", async () => api.watch.size() === 1);
    await change(id, { status: "out_of_stock", settledAtMs: Date.now() });
    const answer = await waiting;
    expect(answer.json()).toMatchObject({ status: "out_of_stock" });
    expect(answer.headers["preference-applied"]).toBe("wait=20");
    expect(answer.headers["retry-after"]).toBeUndefined();
    // Final: there is nothing to wait for.
    const tag = String(answer.headers.etag);
    expect((await get(id, { "if-none-match": tag, prefer: "wait=20" })).statusCode).toBe(304);
  });

  test("is another where the live view has what the bank's question needs and the client has not", async () => {
    const { id } = await buy();
    const asked = { status: "reserved", paymentStatus: "requires_action", reservedAtMs: Date.now() } as const;
    await change(id, asked);
    const without = await get(id);
    await change(id, { ...asked, version: 1, clientSecret: "pi_1_secret_1" });
    const answer = await get(id, { "if-none-match": String(without.headers.etag), prefer: "wait=20" });
    expect(answer.json()).toMatchObject({ payment: { clientSecret: "pi_1_secret_1" } });
  });

  test.each(["*", 'W/"0"', '"7", "0"'])("If-None-Match: %s matches a queued order", async (tags) => {
    expect((await get((await buy()).id, { "if-none-match": tags })).statusCode).toBe(304);
  });
});

describe("an item's tag", () => {
  let world: World;
  let api: TestApi;
  beforeAll(async () => {
    world = await createWorld();
    await addItem(world.db, "item_1", 100);
    api = await createTestApi(world);
  });
  afterAll(async () => {
    await api.close();
    await world.close();
  });
  const get = (url: string, tag?: string) =>
    api.app.inject({ url, headers: tag === undefined ? {} : { "if-none-match": tag } });

  test.each(["/items", "/items/item_1"])(
    "%s may be kept for a second, and is 304 while nothing changes",
    async (url) => {
      const { headers } = await get(url);
      expect(headers["cache-control"]).toBe("public, max-age=1");
      const unchanged = await get(url, String(headers.etag));
      expect(unchanged.statusCode).toBe(304);
      expect(unchanged.headers).toMatchObject({ etag: headers.etag, "cache-control": "public, max-age=1" });
      await world.db
        .updateTable("items")
        .set({ inventory: (eb) => eb("inventory", "-", 1) })
        .where("id", "=", "item_1")
        .execute();
      const fresh = await createTestApi(world);
      const changed = await fresh.app.inject({ url, headers: { "if-none-match": String(headers.etag) } });
      expect(changed.statusCode).toBe(200);
      expect(changed.headers.etag).not.toBe(headers.etag);
      await fresh.close();
    },
  );

  test("is another when the time alone opens the sale", async () => {
    await addItem(world.db, "soon", 5, { opens_at: new Date(Date.now() + 3_000) });
    const fresh = await createTestApi(world);
    const ask = (tag?: string) =>
      fresh.app.inject({ url: "/items/soon", headers: tag === undefined ? {} : { "if-none-match": tag } });
    const before = await ask();
    expect(before.json()).toMatchObject({ status: "scheduled" });
    const tag = String(before.headers.etag);
    await eventually("the sale to open", async () => (await ask(tag)).statusCode === 200);
    expect((await ask(tag)).json()).toMatchObject({ status: "available" });
    await fresh.close();
  });
});
