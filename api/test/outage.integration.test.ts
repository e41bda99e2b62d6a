import { openDatabase } from "@holdfast/shared/database.ts";
import { createTestApi, shopperAuthorization, type TestApi } from "@holdfast/testing/api.ts";
import { type CuttableProxy, cuttableProxy } from "@holdfast/testing/cuttable-proxy.ts";
import { addItem } from "@holdfast/testing/items.ts";
import { createWorld, eventually, type World } from "@holdfast/testing/world.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

describe("an API server", () => {
  let world: World;
  let api: TestApi;
  let postgres: CuttableProxy;
  let redis: CuttableProxy;
  let authorization: string;
  beforeAll(async () => {
    world = await createWorld();
    await addItem(world.db, "item_1", 5);
    const databaseUrl = new URL(world.databaseUrl);
    const redisUrl = new URL(world.redisUrl);
    postgres = await cuttableProxy(databaseUrl.hostname, Number(databaseUrl.port));
    redis = await cuttableProxy(redisUrl.hostname, Number(redisUrl.port || 6379));
    databaseUrl.host = postgres.address;
    redisUrl.host = redis.address;
    const db = openDatabase(databaseUrl.href, 5, () => {});
    api = await createTestApi({ ...world, db }, { REDIS_URL: redisUrl.href });
    authorization = await shopperAuthorization("ann");
  });
  afterAll(async () => {
    await api.close();
    await Promise.all([postgres.close(), redis.close()]);
    await world.close();
  });
  const buy = (itemId = "item_1") =>
    api.app.inject({
      method: "POST",
      url: `/purchase/${itemId}`,
      headers: { authorization },
      payload: { paymentMethod: "pm_card_visa" },
    });
  const get = (url: string) => api.app.inject({ url, headers: { authorization } });
  const isReady = async () => (await api.app.inject("/readyz")).statusCode === 200;

  test("without Redis answers 503 unavailable with Retry-After, never a 202, and recovers by itself", async () => {
    const before = (await buy()).json<{ id: string }>();
    await redis.cut();
    const refused = await buy();
    expect(refused.json()).toMatchObject({ status: 503, code: "unavailable" });
    expect(Number(refused.headers["retry-after"])).toBeGreaterThan(0);
    const notReady = await api.app.inject("/readyz");
    expect(notReady.statusCode).toBe(503);
    expect(notReady.json()).toEqual({ status: "unavailable", redis: "down", postgres: "up" });
    expect((await api.app.inject("/healthz")).statusCode).toBe(200);
    expect((await api.app.inject("/items")).statusCode).toBe(200);
    // The order may be in line, in Redis alone: nobody is told that it does not exist.
    expect((await get(`/orders/${before.id}`)).json()).toMatchObject({ code: "unavailable" });

    await redis.mend();
    await eventually("it is ready again", isReady, 5_000);
    expect((await buy()).statusCode).toBe(202);
    expect((await get(`/orders/${before.id}`)).json()).toMatchObject({ id: before.id, status: "queued" });
  });

  test("without Postgres still accepts purchases of an item it knows, and says so in /readyz", async () => {
    await postgres.cut();
    const accepted = await buy();
    expect(accepted.statusCode).toBe(202);
    expect((await get(accepted.headers.location as string)).json()).toMatchObject({ status: "queued" });
    // A look is kept for a second.
    const said = async () => (await api.app.inject("/readyz")).json<{ status: string; postgres: string }>();
    await eventually("/readyz says so", async () => (await said()).postgres === "down", 1_500);
    expect(await said()).toEqual({ status: "ready", redis: "up", postgres: "down" });
    for (const answer of [await buy("never-seen"), await get("/orders")]) {
      expect(answer.json()).toMatchObject({ status: 503, code: "unavailable" });
      expect(answer.headers["retry-after"]).toBeDefined();
    }
    await postgres.mend();
    expect((await get("/orders")).statusCode).toBe(200);
  });
});
