import { unpackPurchaseJob } from "@holdfast/shared/purchase-job.ts";
import { openLanes } from "@holdfast/shared/queues.ts";
import type { OrderBody } from "@holdfast/shared/show-order.ts";
import { createTestApi, shopperAuthorization, type TestApi } from "@holdfast/testing/api.ts";
import { addItem } from "@holdfast/testing/items.ts";
import { createWorld, type World } from "@holdfast/testing/world.ts";
import { reserveOrders } from "@holdfast/worker/reserve/reserve-orders.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const metadata = { email: "ann@example.com", "gift note": "To: you|me\n@home", Straße: "☃" };

describe("what comes with a purchase", () => {
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
  const buy = (more: object, headers: Record<string, string> = {}) =>
    api.app.inject({
      method: "POST",
      url: "/purchase/item_1",
      headers: { authorization, ...headers },
      payload: { paymentMethod: "pm_card_visa", ...more },
    });
  const read = async (id: string) =>
    (await api.app.inject({ url: `/orders/${id}`, headers: { authorization } })).json<OrderBody>();

  test("metadata are in its view while it is in line, and in Postgres and its view once it is decided", async () => {
    const bought = (await buy({ metadata })).json<OrderBody>();
    expect(bought.metadata).toEqual(metadata);
    expect((await read(bought.id)).metadata).toEqual(metadata);
    const lanes = openLanes(world, 4);
    const jobs = (await Promise.all(lanes.map((lane) => lane.getWaiting()))).flat();
    await Promise.all(lanes.map((lane) => lane.close()));
    const job = jobs
      .map(({ data }) => unpackPurchaseJob(data))
      .find(({ requests }) => requests[0]?.orderId === bought.id);
    expect(job?.requests[0]?.metadata).toEqual(metadata);
    if (job) await reserveOrders(world.db, job, new AbortController().signal);
    const row = await world.db.selectFrom("orders").select("metadata").where("id", "=", bought.id).executeTakeFirst();
    expect(row?.metadata).toEqual(metadata);
    await world.redis.del(world.keys.shopperOrders("ann")); // and is read from Postgres
    expect((await read(bought.id)).metadata).toEqual(metadata);
  });

  test("metadata never change: the database refuses it", async () => {
    const change = world.db.updateTable("orders").set({ metadata: { email: "eve@example.com" } });
    await expect(change.where("metadata", "is not", null).execute()).rejects.toThrow(/refused/);
    const noObject = world.db.updateTable("orders").set({ metadata: [] as never });
    await expect(noObject.execute()).rejects.toThrow(/metadata_is_object|refused/);
  });

  test("metadata belong to what a key stands for: other metadata under it are another purchase", async () => {
    const headers = { "idempotency-key": "with-metadata" };
    const first = (await buy({ metadata: { a: "1", b: "2" } }, headers)).json<OrderBody>();
    expect((await buy({ metadata: { b: "2", a: "1" } }, headers)).json<OrderBody>().id).toBe(first.id);
    for (const other of [{}, { metadata: {} }, { metadata: { a: "1", b: "3" } }, { metadata: { a: "1" } }]) {
      expect((await buy(other, headers)).json()).toMatchObject({ status: 422, code: "idempotency_key_reused" });
    }
  });

  const long = (length: number) => "x".repeat(length);
  const many = (count: number, value: string) =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`name ${i}`, value]));
  test.each([
    ["more than 20 names", many(21, "")],
    ["a name longer than 40", { [long(41)]: "" }],
    ["an empty name", { "": "value" }],
    ["a value longer than 500", { name: long(501) }],
    ["a value that is no text", { name: 7 }],
    ["a value with a NUL", { name: "a\u0000b" }],
    ["another control character", { name: "a\u001bb" }],
    ["half a character", { name: "\ud800" }],
    ["a line break in a name", { "a\nb": "" }],
    ["more than 4 KB in all", many(9, long(500))],
    ["a list", ["a"]],
    ["null", null],
  ])("%s is refused, and nothing is put in line", async (_what, wrong) => {
    const before = await world.redis.hlen(world.keys.shopperOrders("ann"));
    const answer = await buy({ metadata: wrong });
    expect(answer.json()).toMatchObject({ status: 400, code: "invalid_request" });
    expect(answer.json<{ detail: string }>().detail).toContain("body/metadata");
    expect(await world.redis.hlen(world.keys.shopperOrders("ann"))).toBe(before);
  });

  test("metadata at their bounds are taken", async () => {
    expect((await buy({ metadata: many(20, "") })).statusCode).toBe(202);
    expect((await buy({ metadata: { [long(40)]: long(500) } })).statusCode).toBe(202);
    expect((await buy({ metadata: many(8, long(500)) })).statusCode).toBe(202);
    expect((await buy({ metadata: many(8, '"\\\n'.repeat(166)) })).statusCode).toBe(202);
    expect((await buy({ metadata: {} })).json<OrderBody>().metadata).toEqual({});
  });

  const buyWith = (payload: object, headers: Record<string, string> = {}) =>
    api.app.inject({ method: "POST", url: "/purchase/item_1", headers: { authorization, ...headers }, payload });

  test("a card is a payment method or a confirmation token, and exactly one of them", async () => {
    expect((await buyWith({ confirmationToken: "ctoken_1" })).statusCode).toBe(202);
    for (const body of [{}, { paymentMethod: "pm_1", confirmationToken: "ctoken_1" }]) {
      expect((await buyWith(body)).json()).toMatchObject({
        status: 400,
        errors: [{ field: "body/paymentMethod", message: "or a confirmationToken is needed, and not both" }],
      });
    }
    for (const confirmationToken of ["pm_1", "ctoken_", "ctoken_a b", 7, null]) {
      expect((await buyWith({ confirmationToken })).json()).toMatchObject({ status: 400, code: "invalid_request" });
    }
  });

  test("a card comes as another confirmation token after a reload: under one key it is one order", async () => {
    const headers = { "idempotency-key": "reloaded" };
    const first = (await buyWith({ confirmationToken: "ctoken_1" }, headers)).json<OrderBody>();
    expect((await buyWith({ confirmationToken: "ctoken_2" }, headers)).json<OrderBody>().id).toBe(first.id);
    expect((await buyWith({ paymentMethod: "pm_1" }, headers)).json()).toMatchObject({
      code: "idempotency_key_reused",
    });
  });
});
