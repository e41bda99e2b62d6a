import { randomUUID } from "node:crypto";
import { readdirSync } from "node:fs";
import { publishOrders } from "@holdfast/shared/order-view.ts";
import { unpackPurchaseJob } from "@holdfast/shared/purchase-job.ts";
import { openLanes } from "@holdfast/shared/queues.ts";
import type { OrderBody } from "@holdfast/shared/show-order.ts";
import { createTestApi, shopperAuthorization, type TestApi } from "@holdfast/testing/api.ts";
import { addItem } from "@holdfast/testing/items.ts";
import { purchaseJob, purchaseRequest } from "@holdfast/testing/purchases.ts";
import { routesOf } from "@holdfast/testing/routes.ts";
import { createWorld, type World } from "@holdfast/testing/world.ts";
import { reserveOrders } from "@holdfast/worker/reserve/reserve-orders.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

describe("a stranger", () => {
  let world: World;
  let api: TestApi;
  let ann: string;
  let eve: string;
  beforeAll(async () => {
    world = await createWorld();
    await addItem(world.db, "item_1", 100, { payment_retries: 3 });
    api = await createTestApi(world, { STRIPE_WEBHOOK_SECRET: "whsec_for_tests" });
    ann = await shopperAuthorization("ann");
    eve = await shopperAuthorization("eve");
  });
  afterAll(async () => {
    await api.close();
    await world.close();
  });
  const buy = (authorization: string, payload: object, headers: Record<string, string> = {}) =>
    api.app.inject({ method: "POST", url: "/purchase/item_1", headers: { authorization, ...headers }, payload });
  const card = { paymentMethod: "pm_card_visa" };

  /** An order of ann's in line, one that is held, and the same with its view gone. */
  const annsOrders = async () => {
    const queued = (await buy(ann, card)).json<OrderBody>();
    const reserve = async () => {
      const request = purchaseRequest({ shopperId: "ann" });
      const { orders } = await reserveOrders(world.db, purchaseJob("item_1", [request]), new AbortController().signal);
      return { id: request.orderId, orders };
    };
    const [held, recorded] = [await reserve(), await reserve()];
    await publishOrders(world, held.orders);
    return { "in line": queued.id, held: held.id, "in Postgres alone": recorded.id };
  };

  test.each([
    ["reads", "GET", "", undefined],
    ["cancels", "DELETE", "", undefined],
    ["pays", "POST", "/payment", card],
  ] as const)(
    "who %s another shopper's order gets the very answer as for one that does not exist",
    async (_verb, method, path, payload) => {
      const answer = async (id: string) => {
        const { statusCode, headers, body } = await api.app.inject({
          method,
          url: `/orders/${id}${path}`,
          headers: { authorization: eve },
          ...(payload && { payload }),
        });
        return { statusCode, headers: { ...headers, date: "now" }, body };
      };
      const absent = await answer(randomUUID());
      expect(absent.statusCode).toBe(404);
      expect(JSON.parse(absent.body)).toMatchObject({ code: "order_not_found" });
      const orders = await annsOrders();
      for (const id of Object.values(orders)) expect(await answer(id)).toEqual(absent);
      // And nothing has happened to them.
      for (const [place, id] of Object.entries(orders)) {
        const seen = await api.app.inject({ url: `/orders/${id}`, headers: { authorization: ann } });
        expect(seen.json()).toMatchObject({ id, status: place === "in line" ? "queued" : "reserved" });
      }
    },
  );

  test("who knows another's Idempotency-Key gets an order of their own, and nothing of the other's", async () => {
    const headers = { "idempotency-key": "a-key-of-ann" };
    const first = (await buy(ann, card, headers)).json<OrderBody>();
    const second = (await buy(eve, { paymentMethod: "pm_card_amex" }, headers)).json<OrderBody>();
    expect(second.id).not.toBe(first.id);
    const listed = await api.app.inject({ url: "/orders", headers: { authorization: eve } });
    expect(listed.json<{ orders: OrderBody[] }>().orders.map((order) => order.id)).toEqual([second.id]);
  });

  test.each(
    Object.entries({
      status: "confirmed",
      amount: 1,
      amountMinor: 1,
      price: 1,
      priceMinor: 1,
      currency: "vnd",
      id: randomUUID(),
      orderId: randomUUID(),
      shopperId: "ann",
      itemId: "item_2",
      reason: null,
      payment: { status: "succeeded" },
      paymentStatus: "succeeded",
      holdExpiresAt: "2099-01-01T00:00:00Z",
      position: 1,
      place: 1,
      fingerprint: null,
      version: 99,
    }),
  )("cannot set an order's %s: the body is refused as a whole", async (name, value) => {
    for (const [url, method] of [
      ["/purchase/item_1", "POST"],
      [`/orders/${randomUUID()}/payment`, "POST"],
    ] as const) {
      const response = await api.app.inject({
        method,
        url,
        headers: { authorization: eve },
        payload: { ...card, [name]: value },
      });
      expect(response.json()).toMatchObject({
        status: 400,
        code: "invalid_request",
        errors: [{ field: `body/${name}` }],
      });
    }
  });

  test("cannot set anything in the query or in headers either: the order costs what the item costs", async () => {
    const response = await api.app.inject({
      method: "POST",
      url: "/purchase/item_1?price=1&amount=1&shopperId=ann&status=confirmed",
      headers: { authorization: eve, "x-shopper-id": "ann", "x-price": "1", "x-http-method-override": "DELETE" },
      payload: { ...card, quantity: 2 },
    });
    const order = response.json<OrderBody>();
    expect(order).toMatchObject({ status: "queued", amount: 3_998, currency: "eur" });
    const lanes = openLanes(world, 4);
    const jobs = (await Promise.all(lanes.map((lane) => lane.getWaiting()))).flat();
    await Promise.all(lanes.map((lane) => lane.close()));
    const inLine = jobs.flatMap((job) => unpackPurchaseJob(job.data).requests).filter((r) => r.orderId === order.id);
    expect(inLine).toMatchObject([{ shopperId: "eve", amountMinor: 3_998, quantity: 2 }]);
  });

  test("is told of an item what is on its label, and nothing that operations know", async () => {
    const label = ["available", "closesAt", "currency", "id", "name", "opensAt", "price", "status"];
    const item = (await api.app.inject("/items/item_1")).json<object>();
    expect(Object.keys(item).sort()).toEqual(label);
  });

  test("is answered by a page of another origin not at all: no route allows cross-origin reading", async () => {
    for (const method of ["OPTIONS", "GET", "POST"] as const) {
      for (const url of ["/items", "/sessions", "/orders", "/purchase/item_1", "/ops/api/items/item_1"]) {
        const headers = { origin: "https://evil.example", "access-control-request-method": "POST" };
        const response = await api.app.inject({ method, url, headers });
        const allowed = Object.keys(response.headers).filter((name) => name.startsWith("access-control-"));
        expect(allowed).toEqual([]);
        expect(response.headers["cross-origin-resource-policy"]).toBe("same-origin");
      }
    }
  });

  test("finds no route that is not described: the router knows those of /docs, the pages and the dashboard", async () => {
    const { paths } = (await api.app.inject("/docs/json")).json<{ paths: Record<string, object> }>();
    const described = Object.entries(paths).flatMap(([url, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${url.replaceAll(/\{(\w+)\}/g, ":$1")}`),
    );
    const known = routesOf(api.app)
      .filter(({ method }) => method !== "HEAD" && method !== "OPTIONS")
      .filter(({ url }) => !/^\/ops(\/?\*?$|\/queues|\/assets)/.test(url))
      .map(({ method, url }) => `${String(method)} ${url}`);
    const files = ["../web", "../../shared/client"].flatMap((folder) => readdirSync(new URL(folder, import.meta.url)));
    const scripts = files.filter((file) => /\.(js|css|svg)$/.test(file)).map((file) => `GET /${file}`);
    const storefront = ["GET /", ...scripts, "GET /shop.css", "GET /shop/:file", "GET /storefront.json"];
    const pages = [...storefront, "GET /problems", "GET /problems/:code"];
    const undescribed = known.filter((route) => !described.includes(route) && !route.startsWith("GET /docs"));
    expect(undescribed.sort()).toEqual(pages.sort());
    expect(described.filter((route) => !known.includes(route))).toEqual([]);
  });

  test("is told nothing of what we are made of", async () => {
    for (const url of ["/", "/items", "/nothing", "/ops", "/docs/", "/%c0"]) {
      const { headers, body } = await api.app.inject(url);
      expect(headers.server).toBeUndefined();
      expect(headers["x-powered-by"]).toBeUndefined();
      expect(body).not.toMatch(/node_modules|\bat .*\.(ts|js):\d+|\/src\//);
    }
  });

  test("who makes something go wrong inside gets a request id, and not what went wrong", async () => {
    await world.redis.set(world.keys.shopperOrders("mallory"), "not a hash"); // every command on it fails
    const authorization = await shopperAuthorization("mallory");
    const answers = [
      await buy(authorization, card),
      await api.app.inject({ url: "/orders", headers: { authorization } }),
      await api.app.inject({ url: `/orders/${randomUUID()}`, headers: { authorization } }),
    ];
    for (const answer of answers) {
      expect(answer.statusCode).toBe(500);
      expect(answer.headers["content-type"]).toBe("application/problem+json; charset=utf-8");
      const { requestId, ...problem } = answer.json<Record<string, unknown>>();
      expect(requestId).toEqual(expect.any(String));
      expect(problem).toEqual({
        type: "/problems/internal",
        title: "Something went wrong on our side",
        status: 500,
        detail: "The error was noted; the request id helps us find it.",
        code: "internal",
      });
    }
  });
});
