import { laneOf } from "@holdfast/shared/lanes.ts";
import { unpackPurchaseJob } from "@holdfast/shared/purchase-job.ts";
import { openLanes } from "@holdfast/shared/queues.ts";
import { shortenId } from "@holdfast/shared/short-id.ts";
import type { OrderBody } from "@holdfast/shared/show-order.ts";
import { createTestApi, shopperAuthorization, type TestApi } from "@holdfast/testing/api.ts";
import { addItem } from "@holdfast/testing/items.ts";
import { createWorld, eventually, type World } from "@holdfast/testing/world.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

describe("POST /purchase/:itemId", () => {
  let world: World;
  let first: TestApi;
  let second: TestApi;
  let authorization: string;
  beforeAll(async () => {
    world = await createWorld();
    await addItem(world.db, "item_1", 100);
    await addItem(world.db, "gone", 0);
    await addItem(world.db, "later", 5, { opens_at: new Date(Date.now() + 3_600_000) });
    await addItem(world.db, "over", 5, { closes_at: new Date(Date.now() - 1_000) });
    await addItem(world.db, "dear", 5, { price_minor: 99_999_999 });
    [first, second] = await Promise.all([createTestApi(world), createTestApi(world)]);
    authorization = await shopperAuthorization("ann");
  });
  afterAll(async () => {
    await Promise.all([first.close(), second.close()]);
    await world.close();
  });

  const purchase = (
    body: object | string,
    {
      itemId = "item_1",
      headers = {},
      api = first,
    }: { itemId?: string; headers?: Record<string, string>; api?: TestApi } = {},
  ) =>
    api.app.inject({
      method: "POST",
      url: `/purchase/${itemId}`,
      headers: { authorization, "content-type": "application/json", ...headers },
      payload: body,
    });
  const card = { paymentMethod: "pm_card_visa" };

  /** Every order in line, as the worker would take it. */
  const inLine = async () => {
    const lanes = openLanes(world, 4);
    const jobs = (await Promise.all(lanes.map((lane) => lane.getWaiting()))).flat();
    await Promise.all(lanes.map((lane) => lane.close()));
    return jobs.flatMap((job) => unpackPurchaseJob(job.data).requests);
  };

  test("answers 202 with the order, where to follow it, and when to look again", async () => {
    const response = await purchase({ ...card, quantity: 2 });
    expect(response.statusCode).toBe(202);
    const order = response.json<OrderBody>();
    expect(order).toEqual({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      itemId: "item_1",
      quantity: 2,
      amount: 3_998,
      currency: "eur",
      status: "queued",
      reason: null,
      message: "Waiting in line",
      position: expect.any(Number),
      payment: { status: null, clientSecret: null, declineCode: null },
      placedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      reservedAt: null,
      settledAt: null,
      holdExpiresAt: null,
      estimatedSeconds: 1,
      metadata: null,
    });
    expect(response.headers.location).toBe(`/orders/${order.id}`);
    expect(response.headers["retry-after"]).toBe("1");
    expect((await inLine()).map((r) => r.orderId)).toContain(order.id);
  });

  test("a crowd at once gets places one after the other, in few jobs, nobody twice", async () => {
    const before = (await inLine()).length;
    const answers = await Promise.all(Array.from({ length: 1_200 }, () => purchase(card)));
    const ids = answers.map((answer) => answer.json<OrderBody>().id);
    const after = (await inLine()).slice(before).map((request) => request.orderId);
    expect(new Set(ids).size).toBe(1_200);
    expect(new Set(after)).toEqual(new Set(ids));
    expect(after).toHaveLength(1_200);
    const lanes = openLanes(world, 4);
    const jobs = (await Promise.all(lanes.map((lane) => lane.getWaiting()))).flat();
    await Promise.all(lanes.map((lane) => lane.close()));
    expect(Math.max(...jobs.map((job) => unpackPurchaseJob(job.data).requests.length))).toBeLessThanOrEqual(500);
    expect(jobs.length).toBeLessThan(20);
  });

  describe("with an Idempotency-Key", () => {
    test("fifty repeats at once, on two API servers, are one order", async () => {
      const before = (await inLine()).length;
      const repeats = Array.from({ length: 50 }, (_, i) =>
        purchase(card, { headers: { "idempotency-key": "fifty" }, api: i % 2 ? first : second }),
      );
      const answers = await Promise.all(repeats);
      expect(new Set(answers.map((a) => a.statusCode))).toEqual(new Set([202]));
      expect(new Set(answers.map((a) => a.json<OrderBody>().id)).size).toBe(1);
      const added = (await inLine()).slice(before).map((r) => r.orderId);
      expect(new Set(added).size).toBe(1);
    });

    test("the same key with another body is 422, in one batch or later, on any server", async () => {
      const headers = { "idempotency-key": "reused" };
      const bodies = [card, { ...card, quantity: 2 }, { paymentMethod: "pm_card_amex" }];
      const atOnce = await Promise.all(bodies.map((body) => purchase(body, { headers })));
      expect(atOnce.map((a) => a.statusCode).sort((a, b) => a - b)).toEqual([202, 422, 422]);
      const winner = bodies[atOnce.findIndex((a) => a.statusCode === 202)] ?? card;
      expect((await purchase(winner, { headers, api: second })).statusCode).toBe(202);
      const refused = await purchase({ ...card, quantity: 7 }, { headers, api: second });
      expect(refused.json()).toMatchObject({ status: 422, code: "idempotency_key_reused" });
    });

    test("the same key of another shopper is another order", async () => {
      const headers = { "idempotency-key": "shared" };
      const ben = await shopperAuthorization("ben");
      const answers = [
        await purchase(card, { headers }),
        await purchase(card, { headers: { ...headers, authorization: ben } }),
      ];
      expect(new Set(answers.map((a) => a.json<OrderBody>().id)).size).toBe(2);
    });

    test("a repeat of an order that was never put in line, its server having died, puts it in line", async () => {
      const headers = { "idempotency-key": "ghost" };
      const answer = await purchase(card, { headers });
      const lanes = openLanes(world, 4);
      await Promise.all(lanes.map((lane) => lane.drain())); // as if the job had not been added any more
      await Promise.all(lanes.map((lane) => lane.close()));
      await purchase(card, { headers });
      expect((await inLine()).map((r) => r.orderId)).toEqual([answer.json<OrderBody>().id]);
    });

    test("a repeat is the same order even when everything is sold, and another body still 422", async () => {
      await addItem(world.db, "last", 1);
      const headers = { "idempotency-key": "the-last-one" };
      const bought = (await purchase(card, { itemId: "last", headers })).json<OrderBody>();
      await world.db.updateTable("items").set({ inventory: 0 }).where("id", "=", "last").execute();
      const sees = async () => (await first.app.inject("/items/last")).json<{ available: number }>().available;
      await eventually("the server knows that it is sold", async () => (await sees()) === 0);
      expect((await purchase(card, { itemId: "last" })).json()).toMatchObject({ code: "out_of_stock" });
      const repeat = await purchase(card, { itemId: "last", headers });
      expect(repeat.statusCode).toBe(202);
      expect(repeat.json<OrderBody>().id).toBe(bought.id);
      expect((await purchase({ ...card, quantity: 2 }, { itemId: "last", headers })).statusCode).toBe(422);
    });

    test("and where all is sold, one that was never put in line is put in line", async () => {
      await addItem(world.db, "last-ghost", 1);
      const request = { itemId: "last-ghost", headers: { "idempotency-key": "ghost-of-the-last" } };
      const sees = async () => (await first.app.inject("/items/last-ghost")).json<{ available: number }>().available;
      const bought = (await purchase(card, request)).json<OrderBody>();
      const lanes = openLanes(world, 4);
      const lane = lanes[laneOf("last-ghost", 4)];
      const job = (await lane?.getWaiting())?.find(({ data }) => JSON.stringify(data).includes(shortenId(bought.id)));
      await job?.remove(); // as if its server had died before it was added
      await Promise.all(lanes.map((one) => one.close()));
      await world.db.updateTable("items").set({ inventory: 0 }).where("id", "=", "last-ghost").execute();
      await eventually("the server knows that it is sold", async () => (await sees()) === 0);
      expect((await purchase(card, request)).statusCode).toBe(202);
      expect((await inLine()).filter((r) => r.orderId === bought.id)).toHaveLength(1);
    });

    test.each(["", " ", "with space", "ümlaut", "a".repeat(256)])("the key %j is refused", async (key) => {
      const response = await purchase(card, { headers: { "idempotency-key": key } });
      expect(response.json()).toMatchObject({ status: 400, code: "invalid_request" });
    });
  });

  test.each([
    ["gone", 409, "out_of_stock"],
    ["later", 409, "sale_not_open"],
    ["over", 409, "sale_ended"],
    ["nothing", 404, "item_not_found"],
    ["it'em", 404, "item_not_found"],
    ["%22quoted%22", 404, "item_not_found"],
    ["a%2Fb", 404, "item_not_found"],
    ["a%00b", 404, "item_not_found"],
    ["%F0%9F%92%A5", 404, "item_not_found"],
    ["..%2F..%2Fetc", 404, "item_not_found"],
    ["a".repeat(500), 404, "item_not_found"],
    ["a".repeat(9_000), 404, "item_not_found"],
    ["%E0%A4%A", 400, "invalid_request"],
  ])("item %s: %i %s", async (itemId, status, code) => {
    const response = await purchase(card, { itemId });
    expect(response.statusCode).toBe(status);
    expect(response.headers["content-type"]).toBe("application/problem+json; charset=utf-8");
    expect(response.headers["cache-control"]).toBe("no-store");
    if (code === "sale_not_open") expect(Number(response.headers["retry-after"])).toBeGreaterThan(0);
    expect(response.json()).toMatchObject({
      type: expect.any(String),
      title: expect.any(String),
      status,
      detail: expect.any(String),
      code,
    });
  });

  test.each([
    [{}, "body/paymentMethod"],
    [{ ...card, quantity: "2" }, "body/quantity"],
    [{ ...card, quantity: 0 }, "body/quantity"],
    [{ ...card, quantity: -1 }, "body/quantity"],
    [{ ...card, quantity: 1e9 }, "body/quantity"],
    [{ ...card, quantity: 1.5 }, "body/quantity"],
    [{ ...card, quantity: null }, "body/quantity"],
    [{ paymentMethod: 7 }, "body/paymentMethod"],
    [{ paymentMethod: "4242424242424242" }, "body/paymentMethod"],
    [{ paymentMethod: "pm_a\u0000b" }, "body/paymentMethod"],
    [{ paymentMethod: "pm_'; drop table orders; --" }, "body/paymentMethod"],
    [{ ...card, price: 1 }, "body/price"],
    [{ ...card, amount: 1, status: "confirmed" }, "body/amount"],
    [[], "body"],
    ["null", "body"],
  ])("the body %j is refused, naming %s", async (body, field) => {
    const response = await purchase(body);
    expect(response.statusCode).toBe(400);
    const problem = response.json<{ code: string; detail: string; errors: { field: string }[] }>();
    expect(problem.code).toBe("invalid_request");
    expect(problem.errors.map((error) => error.field)).toContain(field);
    expect(problem.detail).toContain(field);
  });

  test.each(["{", "", '{"paymentMethod":"pm_card_visa"', '{"__proto__":{"x":1},"paymentMethod":"pm_card_visa"}'])(
    "the body %j is 400, and never a 500",
    async (body) => {
      expect((await purchase(body)).json()).toMatchObject({ status: 400, code: "invalid_request" });
    },
  );

  test("an amount above what one payment can take is refused", async () => {
    expect((await purchase({ ...card, quantity: 2 }, { itemId: "dear" })).json()).toMatchObject({
      code: "invalid_request",
      errors: [{ field: "body/quantity" }],
    });
  });

  test("a body of 2 MB is 413, one of another type 415", async () => {
    const large = await purchase({ ...card, more: "x".repeat(2 * 1024 * 1024) });
    expect(large.json()).toMatchObject({ status: 413, code: "payload_too_large" });
    for (const type of ["text/plain", "application/xml", "application/x-www-form-urlencoded"]) {
      const response = await purchase("paymentMethod=pm_card_visa", { headers: { "content-type": type } });
      expect(response.json()).toMatchObject({ status: 415, code: "unsupported_media_type" });
    }
  });

  test("a line that is full is 503 busy, with Retry-After", async () => {
    const narrow = await createTestApi(world, { MAX_LINE: "1" });
    const response = await purchase(card, { api: narrow });
    expect(response.json()).toMatchObject({ status: 503, code: "busy" });
    expect(response.headers["retry-after"]).toBeDefined();
    await narrow.close();
  });

  test("repeats of one order use up no line, and a line that only looks full opens again", async () => {
    const other = await createWorld();
    await addItem(other.db, "item_1", 100);
    const narrow = await createTestApi(other, { MAX_LINE: "5" });
    const buy = (headers: Record<string, string>) => purchase(card, { api: narrow, headers });
    await buy({ "idempotency-key": "again" });
    const lanes = openLanes(other, 4);
    await Promise.all(lanes.map((lane) => lane.drain()));
    await Promise.all(lanes.map((lane) => lane.close()));
    // Places of servers that died before they used them.
    for (let lane = 0; lane < 4; lane++) await other.redis.hincrby(other.keys.line(`{lane-${lane}}`), "accepted", 10);
    expect((await buy({ "idempotency-key": "another" })).statusCode).toBe(202);
    await narrow.close();
    await other.close();
  });
});
