import { createTestApi, shopperAuthorization, type TestApi } from "@holdfast/testing/api.ts";
import { addItem } from "@holdfast/testing/items.ts";
import { createWorld, type World } from "@holdfast/testing/world.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { problems } from "../src/http/problems.ts";

describe("the API", () => {
  let world: World;
  let api: TestApi;
  beforeAll(async () => {
    world = await createWorld();
    await addItem(world.db, "item_1", 3);
    api = await createTestApi(world);
  });
  afterAll(async () => {
    await api.close();
    await world.close();
  });

  test("shows what is on sale", async () => {
    const item = {
      id: "item_1",
      name: "item_1",
      price: 1_999,
      currency: "eur",
      available: 3,
      status: "available",
      opensAt: null,
      closesAt: null,
    };
    expect((await api.app.inject("/items")).json()).toEqual([item]);
    expect((await api.app.inject("/items/item_1")).json()).toEqual(item);
    for (const id of ["nothing", "a%00b", "%27"]) {
      expect((await api.app.inject(`/items/${id}`)).json()).toMatchObject({ status: 404, code: "item_not_found" });
    }
  });

  test("sells an item that was put into Postgres behind its back", async () => {
    await addItem(world.db, "behind", 1);
    expect((await api.app.inject("/items/behind")).statusCode).toBe(200);
  });

  test("is alive and ready", async () => {
    expect((await api.app.inject("/healthz")).json()).toEqual({ status: "ok" });
    expect((await api.app.inject("/readyz")).json()).toEqual({ status: "ready", redis: "up", postgres: "up" });
  });

  test("counts its answers for Prometheus", async () => {
    const text = (await api.admin.inject("/metrics")).body;
    expect(text).toContain('holdfast_http_requests_total{method="GET",route="/items",status="200"}');
  });

  test("describes itself in OpenAPI 3.1, every route with its refusals", async () => {
    const spec = (await api.app.inject("/docs/json")).json<{
      openapi: string;
      paths: Record<string, Record<string, { responses: object }>>;
    }>();
    expect(spec.openapi).toBe("3.1.0");
    for (const path of [
      "/sessions",
      "/items",
      "/items/{itemId}",
      "/purchase/{itemId}",
      "/orders",
      "/orders/{id}",
      "/healthz",
      "/readyz",
    ]) {
      expect(Object.keys(spec.paths)).toContain(path);
    }
    const answers = Object.keys(spec.paths["/purchase/{itemId}"]?.post?.responses ?? {});
    expect(answers).toEqual(["202", "400", "401", "404", "409", "413", "415", "422", "429", "431", "500", "503"]);
    expect((await api.app.inject("/docs/")).statusCode).toBe(200);
  });

  test("serves the storefront with headers that let no foreign script in", async () => {
    const response = await api.app.inject("/");
    expect(response.statusCode).toBe(200);
    expect(response.headers["content-type"]).toContain("text/html");
    expect(response.headers["content-security-policy"]).toContain("default-src 'self'");
    expect(response.headers["x-content-type-options"]).toBe("nosniff");
    for (const file of ["/storefront.js", "/storefront.css", "/favicon.svg"]) {
      expect((await api.app.inject(file)).statusCode).toBe(200);
    }
  });

  test("says 404 in its own words for everything else", async () => {
    for (const url of ["/nothing", "/..%2fpackage.json", "/purchase", "/orders/a/b"]) {
      expect((await api.app.inject(url)).json()).toMatchObject({ status: 404, code: "route_not_found" });
    }
  });

  test("every problem has a status of its kind and a title", () => {
    for (const { status, title } of Object.values(problems)) {
      expect(status).toBeGreaterThanOrEqual(400);
      expect(title.length).toBeGreaterThan(3);
    }
  });

  test("limits purchases per shopper across API servers, with Retry-After", async () => {
    const apis = await Promise.all([1, 2].map(() => createTestApi(world, { SHOPPER_RATE_PER_MINUTE: "3" })));
    const buy = async (shopper: string, i: number) =>
      (apis[i % 2] as TestApi).app.inject({
        method: "POST",
        url: "/purchase/item_1",
        headers: { authorization: await shopperAuthorization(shopper) },
        payload: { paymentMethod: "pm_card_visa" },
      });
    const statuses: number[] = [];
    for (let i = 0; i < 3; i++) statuses.push((await buy("hasty", i)).statusCode);
    expect(statuses).toEqual([202, 202, 202]);
    const refused = await buy("hasty", 1);
    expect(refused.json()).toMatchObject({ status: 429, code: "rate_limited" });
    expect(Number(refused.headers["retry-after"])).toBeGreaterThan(0);
    expect((await buy("patient", 0)).statusCode).toBe(202);
    await Promise.all(apis.map((limited) => limited.close()));
  });

  test("limits per client address, and believes X-Forwarded-For only from a trusted proxy", async () => {
    const session = (limited: TestApi, address: string) =>
      limited.app.inject({ method: "POST", url: "/sessions", headers: { "x-forwarded-for": address } });
    const direct = await createTestApi(world, { ADDRESS_RATE_PER_MINUTE: "20" });
    const seen = [];
    for (const address of ["192.0.2.1", "192.0.2.2", "192.0.2.3"])
      seen.push((await session(direct, address)).statusCode);
    expect(seen).toEqual([201, 201, 429]);
    await direct.close();

    const behindProxy = await createTestApi(world, { ADDRESS_RATE_PER_MINUTE: "20", TRUST_PROXY: "127.0.0.1" });
    const trusted = [];
    for (const address of ["192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.9"]) {
      trusted.push((await session(behindProxy, address)).statusCode);
    }
    expect(trusted).toEqual([201, 201, 429, 201]);
    await behindProxy.close();
  });
});
