import { createTestApi, opsAuthorization, shopperAuthorization, type TestApi } from "@holdfast/testing/api.ts";
import { addItem } from "@holdfast/testing/items.ts";
import { createWorld, type World } from "@holdfast/testing/world.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const shop = "https://shop.example";

describe("other clients than our own page", () => {
  let world: World;
  let api: TestApi;
  let authorization: string;
  beforeAll(async () => {
    world = await createWorld();
    await addItem(world.db, "item_1", 100);
    api = await createTestApi(world, { CORS_ORIGINS: `${shop}, http://localhost:5173` });
    authorization = await shopperAuthorization("ann");
  });
  afterAll(async () => {
    await api.close();
    await world.close();
  });
  const preflight = (url: string, origin: string, method = "POST") =>
    api.app.inject({
      method: "OPTIONS",
      url,
      headers: {
        origin,
        "access-control-request-method": method,
        "access-control-request-headers": "authorization,content-type,idempotency-key,prefer",
      },
    });

  test("a page of an origin that is named may buy, and reads what it needs of the answer", async () => {
    const asked = await preflight("/purchase/item_1", shop);
    expect(asked.statusCode).toBe(204);
    expect(asked.headers).toMatchObject({ "access-control-allow-origin": shop, "access-control-max-age": "7200" });
    for (const name of ["authorization", "content-type", "idempotency-key", "prefer", "if-none-match"]) {
      expect(String(asked.headers["access-control-allow-headers"]).toLowerCase()).toContain(name);
    }
    const bought = await api.app.inject({
      method: "POST",
      url: "/purchase/item_1",
      headers: { authorization, origin: "http://localhost:5173" },
      payload: { paymentMethod: "pm_card_visa" },
    });
    expect(bought.statusCode).toBe(202);
    expect(bought.headers["access-control-allow-origin"]).toBe("http://localhost:5173");
    expect(bought.headers.vary).toContain("Origin");
    const exposed = String(bought.headers["access-control-expose-headers"]);
    for (const name of ["ETag", "Location", "Retry-After", "Preference-Applied", "RateLimit-Reset"]) {
      expect(exposed).toContain(name);
    }
    expect(bought.headers["access-control-allow-credentials"]).toBeUndefined();
  });

  test("such a page reads refusals too", async () => {
    const refused = await api.app.inject({ url: "/orders", headers: { origin: shop } });
    expect(refused.statusCode).toBe(401);
    expect(refused.headers["access-control-allow-origin"]).toBe(shop);
  });

  test("a page of any other origin may not", async () => {
    for (const origin of ["https://shop.example.evil", "http://shop.example", "null", "https://evil.example"]) {
      const asked = await preflight("/purchase/item_1", origin);
      expect(asked.headers["access-control-allow-origin"]).not.toBe(origin);
      expect(asked.headers["access-control-allow-origin"]).not.toBe("*");
    }
  });

  test("nobody's page may act under /ops or in the provider's name, wherever it comes from", async () => {
    const urls = ["/ops/api/items/item_1/books", "/ops/queues", "/ops", "/webhooks/stripe"];
    for (const url of [...urls, "/%6fps/api/items/item_1/books", "/op%73/queues", "/webhook%73/stripe"]) {
      const asked = await preflight(url, shop, "PUT");
      expect(asked.headers["access-control-allow-origin"]).toBeUndefined();
      const seen = await api.app.inject({ url, headers: { origin: shop, authorization: opsAuthorization } });
      expect(seen.headers["access-control-allow-origin"]).toBeUndefined();
    }
  });

  test("OPTIONS by itself is answered, whoever asks and whatever about", async () => {
    for (const url of ["/items", "/nowhere"]) {
      const answer = await api.app.inject({ method: "OPTIONS", url });
      expect(answer.statusCode).toBe(204);
    }
  });

  test("without CORS_ORIGINS no other origin is let in", async () => {
    const closed = await createTestApi(world);
    const answer = await closed.app.inject({ url: "/items", headers: { origin: shop } });
    expect(answer.headers["access-control-allow-origin"]).toBeUndefined();
    await closed.close();
  });

  test("an empty body that says it is JSON, as fetch wrappers send it, is none", async () => {
    const headers = { "content-type": "application/json", authorization };
    expect((await api.app.inject({ method: "POST", url: "/sessions", headers, payload: "" })).statusCode).toBe(201);
    const bought = await api.app.inject({
      method: "POST",
      url: "/purchase/item_1",
      headers,
      payload: '{"paymentMethod":"pm_card_visa"}',
    });
    const url = `/orders/${bought.json<{ id: string }>().id}`;
    const cancelled = await api.app.inject({ method: "DELETE", url, headers, payload: "" });
    expect(cancelled.json()).toMatchObject({ status: "cancelled" });
    // Where a body is needed, it is missed.
    const empty = await api.app.inject({ method: "POST", url: "/purchase/item_1", headers, payload: "" });
    expect(empty.json()).toMatchObject({ status: 400, code: "invalid_request" });
  });

  test.each([
    ["PUT", "/items", "GET, HEAD"],
    ["POST", "/orders", "GET, HEAD"],
    ["PATCH", "/orders/1", "DELETE, GET, HEAD"],
    ["GET", "/purchase/item_1", "POST"],
    ["GET", "/purchase/item_1?a=b", "POST"],
    ["DELETE", "/sessions", "POST"],
    ["POST", "/healthz", "GET, HEAD"],
    ["PUT", "/%69tems", "GET, HEAD"],
    ["GET", "/ops/api/items/item_1/restock", "POST"],
    ["POST", "/ops/api/items/item_1", "DELETE, GET, HEAD, PATCH, PUT"],
  ] as const)("%s %s is 405, and Allow says %s", async (method, url, allow) => {
    const headers = url.startsWith("/ops") ? { authorization: opsAuthorization } : {};
    const answer = await api.app.inject({ method, url, headers });
    expect(answer.json()).toMatchObject({ status: 405, code: "method_not_allowed" });
    expect(answer.headers.allow).toBe(allow);
  });

  test("who has not signed in as operations is not told what there is under /ops", async () => {
    for (const url of ["/ops/api/items/item_1/restock", "/ops/nothing"]) {
      expect((await api.app.inject(url)).json()).toMatchObject({ code: "unauthenticated" });
    }
    const signedIn = { url: "/ops/nothing", headers: { authorization: opsAuthorization } };
    expect((await api.app.inject(signedIn)).json()).toMatchObject({ code: "route_not_found" });
  });

  test.each(["/nothing", "/orders/1/2", "/items.json"])("POST %s is 404: nothing is there", async (url) => {
    expect((await api.app.inject({ method: "POST", url })).json()).toMatchObject({ code: "route_not_found" });
  });

  test("every refusal's type is a page that explains it", async () => {
    const refused = (await api.app.inject("/orders")).json<{ type: string; title: string }>();
    const page = await api.app.inject(refused.type);
    expect(page.headers["content-type"]).toContain("text/html");
    expect(page.body).toContain(`<h1>${refused.title}</h1>`);
    const all = await api.app.inject("/problems");
    const links = [...all.body.matchAll(/href="(\/problems\/\w+)"/g)].map(([, link]) => link ?? "");
    expect(links).toContain(refused.type);
    for (const link of links) expect((await api.app.inject(link)).statusCode).toBe(200);
    expect((await api.app.inject("/problems/nothing")).json()).toMatchObject({ code: "route_not_found" });
  });
});
