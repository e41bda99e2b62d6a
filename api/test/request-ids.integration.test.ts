import { Writable } from "node:stream";
import { createLog } from "@holdfast/shared/log.ts";
import { createTestApi, shopperAuthorization, type TestApi } from "@holdfast/testing/api.ts";
import { createWorld, type World } from "@holdfast/testing/world.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

describe("a request's id", () => {
  let world: World;
  const apis: TestApi[] = [];
  const written: string[] = [];
  const sink = new Writable({
    write(chunk, _encoding, done) {
      written.push(String(chunk));
      done();
    },
  });
  beforeAll(async () => {
    world = await createWorld();
    await world.redis.set(world.keys.shopperOrders("mallory"), "not a hash"); // every command on it fails
  });
  afterAll(async () => {
    await Promise.all(apis.map((api) => api.close()));
    await world.close();
  });
  const start = async (env: Record<string, string> = {}, level = "info") => {
    const api = await createTestApi(world, env, { log: createLog("api", level, sink) });
    apis.push(api);
    return api;
  };
  const fail = async (api: TestApi, headers: Record<string, string> = {}) => {
    const authorization = await shopperAuthorization("mallory");
    const answer = await api.app.inject({ url: "/orders", headers: { authorization, ...headers } });
    return answer.json<{ requestId: string }>().requestId;
  };

  test("is unlike that of any other request, on any server", async () => {
    const [one, other] = await Promise.all([start(), start()]);
    const ids = [await fail(one), await fail(one), await fail(other), await fail(other)];
    expect(new Set(ids).size).toBe(4);
    for (const id of ids) expect(written.join("")).toContain(`"requestId":"${id}"`);
  });

  test("is a trusted proxy's where that gave one, and nobody else's", async () => {
    const trusting = await start({ TRUST_PROXY: "1" });
    const byProxy = { "x-forwarded-for": "192.0.2.7", "x-request-id": "from-the-proxy-1" };
    expect(await fail(trusting, byProxy)).toBe("from-the-proxy-1");
    expect(await fail(trusting, { ...byProxy, "x-request-id": 'bad"\n{}' })).not.toContain("bad");
    expect(await fail(await start(), byProxy)).not.toBe("from-the-proxy-1");
  });

  test("stands in a line for each answer at debug, without the token, and in none at info", async () => {
    written.length = 0;
    const quiet = await start();
    await quiet.app.inject("/items");
    expect(written.join("")).not.toContain("request answered");
    const talkative = await start({}, "debug");
    const authorization = await shopperAuthorization("ann");
    await talkative.app.inject({ url: "/orders?limit=1", headers: { authorization } });
    const line = written.find((one) => one.includes("request answered")) ?? "{}";
    expect(JSON.parse(line)).toMatchObject({
      method: "GET",
      route: "/orders",
      status: 200,
      requestId: expect.any(String),
    });
    expect(line).not.toContain(authorization.slice(10));
  });
});
