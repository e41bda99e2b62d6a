import { unpackPurchaseJob } from "@holdfast/shared/purchase-job.ts";
import { openLanes } from "@holdfast/shared/queues.ts";
import type { OrderBody } from "@holdfast/shared/show-order.ts";
import { createTestApi, opsAuthorization, shopperAuthorization, type TestApi } from "@holdfast/testing/api.ts";
import { addItem } from "@holdfast/testing/items.ts";
import { createWorld, type World } from "@holdfast/testing/world.ts";
import { reserveOrders } from "@holdfast/worker/reserve/reserve-orders.ts";
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

/** Texts that mean something to a part we use, where they are taken for more than text. */
const meaningful = {
  SQL: "'; drop table orders; --",
  "SQL, closed in another way": '"); delete from items; --',
  "a placeholder": "$1",
  "Redis' protocol": "\r\nFLUSHALL\r\n",
  "Redis' protocol, framed": "*1\r\n$8\r\nFLUSHALL\r\n",
  Lua: '"]] redis.call("FLUSHALL") --[["',
  "a hash tag": "{lane-0}",
  "a pattern": "*",
  "a view's separator": "a|b|confirmed|9",
  "a key's separator": "a:b:c",
  NUL: "a\0b",
  "a prototype": "__proto__",
  "another prototype": "constructor",
  HTML: "<img src=x onerror=alert(1)>",
  "an entity": "&lt;script&gt;",
  "a template": "$" + "{process.env.JWT_SECRET} {{7*7}} <%= 7*7 %>",
  "a path": "../../../etc/passwd",
  "an address": "http://169.254.169.254/latest/meta-data",
  "a format": "%s%n%d",
  "right to left": "\u202egnp.exe",
  "another plane": "💥",
  "half a pair": "a\ud800",
  "a line": "a\nb",
};

describe("a text that means something to a part we use", () => {
  let world: World;
  let api: TestApi;
  beforeAll(async () => {
    world = await createWorld();
    await addItem(world.db, "item_1", 1_000);
    await world.redis.set(`${world.redisPrefix}still here`, "1");
    api = await createTestApi(world);
  });
  afterAll(async () => {
    await api.close();
    await world.close();
  });
  /** The tables are there, the item is as it was put, and nobody's prototype has grown. */
  const nothingHappened = async () => {
    const { rows } = await sql<{ items: number }>`
      select (select count(*) from items where id = 'item_1')::int as items, (select count(*) from orders) as orders
    `.execute(world.db);
    expect(rows[0]?.items).toBe(1);
    expect(await world.redis.exists(`${world.redisPrefix}still here`)).toBe(1);
    expect(Object.keys(Object.prototype)).toEqual([]);
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  };

  test.each(Object.entries(meaningful))("is a shopper's name like any other, or none: %s", async (_name, sub) => {
    const authorization = await shopperAuthorization(sub);
    const bought = await api.app.inject({
      method: "POST",
      url: "/purchase/item_1",
      headers: { authorization },
      payload: { paymentMethod: "pm_card_visa" },
    });
    if (/\p{Cc}/u.test(sub) || !sub.isWellFormed()) {
      expect(bought.statusCode).toBe(401);
    } else {
      const { id } = bought.json<OrderBody>();
      expect(bought.statusCode).toBe(202);
      const mine = await api.app.inject({ url: "/orders", headers: { authorization } });
      expect(mine.json<{ orders: OrderBody[] }>().orders.map((order) => order.id)).toEqual([id]);
      // Through the queue into Postgres, and unchanged.
      const lanes = openLanes(world, 4);
      const jobs = (await Promise.all(lanes.map((lane) => lane.getWaiting()))).flat();
      const job = jobs.map(({ data }) => unpackPurchaseJob(data)).find((j) => j.requests.some((r) => r.orderId === id));
      if (job) await reserveOrders(world.db, job, new AbortController().signal);
      await Promise.all(lanes.map((lane) => lane.close()));
      const row = await world.db.selectFrom("orders").select("shopper_id").where("id", "=", id).executeTakeFirst();
      expect(row?.shopper_id).toBe(sub);
    }
    await nothingHappened();
  });

  test.each(Object.entries(meaningful))(
    "is refused, or is no more than text, wherever it is sent: %s",
    async (_name, text) => {
      const authorization = await shopperAuthorization("ann");
      const inPath = encodeURIComponent(text.toWellFormed());
      const asked = [
        { method: "GET" as const, url: `/items/${inPath}` },
        { method: "GET" as const, url: `/orders/${inPath}` },
        { method: "DELETE" as const, url: `/orders/${inPath}` },
        { method: "POST" as const, url: `/orders/${inPath}/payment`, payload: { paymentMethod: "pm_card_visa" } },
        { method: "POST" as const, url: `/purchase/${inPath}`, payload: { paymentMethod: "pm_card_visa" } },
        { method: "POST" as const, url: "/purchase/item_1", payload: { paymentMethod: text } },
        { method: "POST" as const, url: "/purchase/item_1", payload: { paymentMethod: `pm_ ${text}` } },
        { method: "POST" as const, url: "/purchase/item_1", payload: { paymentMethod: "pm_card_visa", [text]: text } },
      ];
      for (const request of asked) {
        const response = await api.app.inject({ ...request, headers: { authorization } });
        expect([400, 404]).toContain(response.statusCode);
        expect(response.headers["content-type"]).toBe("application/problem+json; charset=utf-8");
      }
      const query = await api.app.inject(
        `/items?${inPath}=${inPath}&__proto__[polluted]=1&constructor.prototype.polluted=1`,
      );
      expect(query.statusCode).toBe(200);
      await nothingHappened();
    },
  );

  test.each(Object.entries(meaningful))(
    "is refused as an Idempotency-Key, or keeps orders apart like any other: %s",
    async (_name, text) => {
      const headers = { authorization: await shopperAuthorization("ben"), "idempotency-key": text };
      const request = {
        method: "POST" as const,
        url: "/purchase/item_1",
        headers,
        payload: { paymentMethod: "pm_card_visa" },
      };
      const answers = [await api.app.inject(request), await api.app.inject(request)];
      if (/^[\x21-\x7e]+$/.test(text)) {
        expect(answers.map((answer) => answer.statusCode)).toEqual([202, 202]);
        expect(answers[1]?.json<OrderBody>().id).toBe(answers[0]?.json<OrderBody>().id);
      } else {
        for (const answer of answers) expect(answer.json()).toMatchObject({ status: 400, code: "invalid_request" });
      }
      await nothingHappened();
    },
  );

  test.each(Object.entries(meaningful))(
    "is an item's name as it is, in Postgres and in answers, or none: %s",
    async (kind, text) => {
      const url = `/ops/api/items/${kind.replaceAll(/\W/g, "-")}`;
      const put = await api.app.inject({
        method: "PUT",
        url,
        headers: { authorization: opsAuthorization },
        payload: { name: text, price: 100, currency: "eur", units: 1 },
      });
      if (/\p{Cc}/u.test(text) || !text.isWellFormed()) {
        expect(put.json()).toMatchObject({ status: 400, code: "invalid_request" });
      } else {
        expect(put.statusCode).toBe(201);
        const shown = await api.app.inject(url.replace("/ops/api", ""));
        expect(shown.json()).toMatchObject({ name: text });
        // As data: no browser takes this for a page.
        expect(shown.headers["content-type"]).toBe("application/json; charset=utf-8");
        expect(shown.headers["x-content-type-options"]).toBe("nosniff");
      }
      await nothingHappened();
    },
  );

  test.each([
    '{"__proto__":{"polluted":1},"paymentMethod":"pm_card_visa"}',
    '{"constructor":{"prototype":{"polluted":1}},"paymentMethod":"pm_card_visa"}',
    '{"\\u005f_proto__":{"polluted":1},"paymentMethod":"pm_card_visa"}',
    '{"paymentMethod":{"__proto__":{"polluted":1}}}',
    '[{"__proto__":{"polluted":1}}]',
  ])("is no way into a prototype: %s", async (body) => {
    const headers = { authorization: await shopperAuthorization("ann"), "content-type": "application/json" };
    const operations = { ...headers, authorization: opsAuthorization };
    for (const request of [
      { method: "POST" as const, url: "/purchase/item_1", headers, payload: body },
      { method: "PUT" as const, url: "/ops/api/items/item_2", headers: operations, payload: body },
      { method: "POST" as const, url: "/ops/api/items/item_1/restock", headers: operations, payload: body },
    ]) {
      expect((await api.app.inject(request)).json()).toMatchObject({ status: 400, code: "invalid_request" });
    }
    await nothingHappened();
  });

  test.each([
    ["arrays in arrays", "[".repeat(16_000)],
    ["arrays in arrays, closed", "[".repeat(8_000) + "]".repeat(8_000)],
    ["objects in objects", `${'{"a":'.repeat(2_700)}1${"}".repeat(2_700)}`],
    ["objects in a field", `{"paymentMethod":${'{"a":'.repeat(2_600)}1${"}".repeat(2_600)}}`],
    [
      "a thousand unknown fields",
      JSON.stringify(Object.fromEntries(Array.from({ length: 1_000 }, (_, i) => [`f${i}`, i]))),
    ],
    ["a number of ten thousand digits", `{"paymentMethod":"pm_card_visa","quantity":1${"0".repeat(10_000)}}`],
    ["a text of ten thousand letters", `{"paymentMethod":"pm_${"a".repeat(10_000)}!"}`],
    ["white space", `${" ".repeat(15_000)}{}`],
  ])("that is nothing but much is 400 at once, in few words: %s", async (_name, body) => {
    const headers = { authorization: await shopperAuthorization("ann"), "content-type": "application/json" };
    const sentAtMs = performance.now();
    const response = await api.app.inject({ method: "POST", url: "/purchase/item_1", headers, payload: body });
    expect(response.json()).toMatchObject({ status: 400, code: "invalid_request" });
    expect(response.body.length).toBeLessThan(4_000);
    expect(performance.now() - sentAtMs).toBeLessThan(1_000);
  });
});
