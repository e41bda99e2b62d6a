import { createTestApi, opsAuthorization, type TestApi } from "@holdfast/testing/api.ts";
import { createWorld, eventually, type World } from "@holdfast/testing/world.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const jacket = { name: "Jacket", price: 4_900, currency: "eur", units: 10 };

describe("operations", () => {
  let world: World;
  let api: TestApi;
  let other: TestApi;
  beforeAll(async () => {
    world = await createWorld();
    const limits = { maxFailures: 1_000 }; // many wrong passwords are given here
    [api, other] = await Promise.all([createTestApi(world, {}, { limits }), createTestApi(world)]);
  });
  afterAll(async () => {
    await Promise.all([api.close(), other.close()]);
    await world.close();
  });
  const ask = (method: "GET" | "PUT" | "POST", url: string, payload?: object, authorization = opsAuthorization) =>
    api.app.inject({ method, url, headers: { authorization }, ...(payload && { payload }) });

  test("put an item on sale: 201, and every API server sells it at once", async () => {
    const response = await ask("PUT", "/ops/api/items/jacket", jacket);
    expect(response.statusCode).toBe(201);
    expect(response.json()).toEqual({
      id: "jacket",
      name: "Jacket",
      price: 4_900,
      currency: "eur",
      available: 10,
      status: "available",
      opensAt: null,
      closesAt: null,
      stocked: 10,
      holdSeconds: 600,
      paymentRetries: 0,
      maxPerShopper: null,
      paused: false,
    });
    await eventually(
      "the other server knows it",
      async () => {
        const items = (await other.app.inject("/items")).json<{ id: string }[]>();
        return items.some((item) => item.id === "jacket");
      },
      1_000,
    );
  });

  test.each([
    [{ price: 10 }, "body/price", "at least 50"],
    [{ currency: "xyz" }, "body/currency", "xyz is none"],
  ])("an item that no payment could ever be made for is refused: %o", async (more, field, message) => {
    const response = await ask("PUT", "/ops/api/items/unpayable", { ...jacket, ...more });
    expect(response.statusCode).toBe(400);
    expect(response.json()).toMatchObject({ code: "invalid_request", errors: [{ field }] });
    expect(response.json<{ detail: string }>().detail).toContain(message);
    expect((await api.app.inject("/items/unpayable")).statusCode).toBe(404);
  });

  test("more units than can be charged in a quarter of an hour are taken, with a warning that says what to do", async () => {
    const response = await ask("PUT", "/ops/api/items/huge", { ...jacket, units: 1_000_000 });
    expect(response.statusCode).toBe(201);
    expect(response.json()).toMatchObject({
      stocked: 1_000_000,
      warnings: [{ code: "slow_charging", detail: expect.stringContaining("CHARGE_RATE_PER_SECOND") }],
    });
  });

  test("restock adds units and withdraws unsold ones, never more than there are", async () => {
    await ask("PUT", "/ops/api/items/restocked", jacket);
    const restock = (units: number) => ask("POST", "/ops/api/items/restocked/restock", { units });
    expect((await restock(5)).json()).toMatchObject({ available: 15, stocked: 15 });
    expect((await restock(-15)).json()).toMatchObject({ available: 0, stocked: 0, status: "out_of_stock" });
    const refused = await restock(-1);
    expect(refused.statusCode).toBe(409);
    expect(refused.json()).toMatchObject({ code: "insufficient_inventory" });
    expect((await ask("POST", "/ops/api/items/nothing/restock", { units: 1 })).statusCode).toBe(404);
    for (let i = 0; i < 9; i++) expect((await restock(10_000_000)).statusCode).toBe(200);
    for (const units of [10_000_000, 10_000_000, 0]) expect([200, 400]).toContain((await restock(units)).statusCode);
    expect((await restock(10_000_000)).json()).toMatchObject({
      code: "invalid_request",
      errors: [{ field: "body/units" }],
    });
  });

  test("what is announced on the items' channel and is no item is ignored", async () => {
    await ask("PUT", "/ops/api/items/steady", jacket);
    for (const message of ["hello", "1 hello", "1 99 {}", '2 99 {"id":"steady","version":99}'])
      await world.redis.publish(world.keys.itemMessages.channel, message);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect((await api.app.inject("/items/steady")).json()).toMatchObject({ name: "Jacket", available: 10 });
  });

  test("read the books", async () => {
    await ask("PUT", "/ops/api/items/booked", jacket);
    expect((await ask("GET", "/ops/api/items/booked/books")).json()).toEqual({
      itemId: "booked",
      stocked: 10,
      inventory: 10,
      reserved: 0,
      confirmed: 0,
      balanced: true,
    });
    expect((await ask("GET", "/ops/api/items/nothing/books")).json()).toMatchObject({ code: "item_not_found" });
  });

  test.each([
    [{ ...jacket, price: 0 }, "body/price"],
    [{ ...jacket, price: "4900" }, "body/price"],
    [{ ...jacket, currency: "EURO" }, "body/currency"],
    [{ ...jacket, units: -1 }, "body/units"],
    [{ ...jacket, name: "" }, "body/name"],
    [{ ...jacket, name: "a\u0000b" }, "body/name"],
    [{ ...jacket, opensAt: "tomorrow" }, "body/opensAt"],
    [{ ...jacket, closesAt: "9999-12-31T23:59:59-23:59" }, "body/closesAt"],
    [{ ...jacket, opensAt: "2026-12-31T23:59:60Z" }, "body/opensAt"],
    [{ ...jacket, opensAt: "2030-01-02T00:00:00Z", closesAt: "2030-01-01T00:00:00Z" }, "body/closesAt"],
    [{ ...jacket, holdSeconds: 0 }, "body/holdSeconds"],
    [{ ...jacket, inventory: 5 }, "body/inventory"],
    [{}, "body/name"],
  ])("%j is refused, naming %s", async (body, field) => {
    const response = await ask("PUT", "/ops/api/items/bad", body);
    expect(response.statusCode).toBe(400);
    const problem = response.json<{ code: string; errors: { field: string }[] }>();
    expect(problem.code).toBe("invalid_request");
    expect(problem.errors.map((e) => e.field)).toContain(field);
  });

  test.each(["a%20b", "%27", "a%00b", "%F0%9F%92%A5", "a%2Fb", "-", "a".repeat(65)])(
    "the item id %s is refused",
    async (id) => {
      expect((await ask("PUT", `/ops/api/items/${id}`, jacket)).json()).toMatchObject({ code: "invalid_request" });
    },
  );

  test.each(["/ops", "/ops/nothing", "/ops/queues", "/ops/queues/api/queues", "/ops/api/items/jacket/books"])(
    "%s is 401 without the password and with a wrong one",
    async (url) => {
      for (const user of ["ops:wrong", "root:ops-password-for-tests", ""]) {
        const authorization = `Basic ${Buffer.from(user).toString("base64")}`;
        const response = await ask("GET", url, undefined, authorization);
        expect(response.statusCode).toBe(401);
        expect(response.json()).toMatchObject({ code: "unauthenticated" });
        expect(response.headers["www-authenticate"]).toMatch(/^Basic/);
      }
    },
  );

  test("the queue dashboard shows every lane and the charges", async () => {
    expect((await ask("GET", "/ops/queues")).body).toContain("<!DOCTYPE html>");
    const { queues } = (await ask("GET", "/ops/queues/api/queues")).json<{ queues: { name: string }[] }>();
    expect(queues.map((queue) => queue.name).sort()).toEqual([
      "{charge}",
      "{lane-0}",
      "{lane-1}",
      "{lane-2}",
      "{lane-3}",
      "{webhook}",
    ]);
  });

  test("without OPS_PASSWORD nothing under /ops is served", async () => {
    const closed = await createTestApi(world, { OPS_PASSWORD: "" });
    for (const url of ["/ops", "/ops/queues", "/ops/api/items/jacket/books"]) {
      expect((await closed.app.inject({ url, headers: { authorization: opsAuthorization } })).statusCode).toBe(404);
    }
    await closed.close();
  });
});
