import { createTestApi, opsAuthorization, shopperAuthorization, type TestApi } from "@holdfast/testing/api.ts";
import { cuttableProxy } from "@holdfast/testing/cuttable-proxy.ts";
import { addDeadJob } from "@holdfast/testing/dead-job.ts";
import { type Route, routesOf } from "@holdfast/testing/routes.ts";
import { createWorld, eventually, type World } from "@holdfast/testing/world.ts";
import { Queue } from "bullmq";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hashPassword } from "../src/ops/ops-users.ts";

const limits = { maxFailures: 3, lockMs: 60_000 };
const jacket = { name: "Jacket", price: 4_900, currency: "eur", units: 10 };
const password = "a password for tests";
const looking = `Basic ${Buffer.from(`bob:${password}`).toString("base64")}`;
const wrong = `Basic ${Buffer.from("ops:guess").toString("base64")}`;

describe("what is under /ops", () => {
  let world: World;
  let api: TestApi;
  beforeAll(async () => {
    world = await createWorld();
    const env = { TRUST_PROXY: "127.0.0.1", OPS_USERS: `bob:look:${await hashPassword(password)}` };
    api = await createTestApi(world, env, { limits: { ...limits, maxFailures: 100_000 } });
  });
  afterAll(async () => {
    await api.close();
    await world.close();
  });
  const routes = () => routesOf(api.app).filter(({ url }) => url.startsWith("/ops"));
  const ask = ({ method, url }: Route, headers: Record<string, string>) =>
    api.app.inject({ method: method as "GET", url, headers });

  test("is 401 for a shopper, for a wrong password and without one: every route the router knows, the dashboard's too", async () => {
    expect(routes().map(({ method, url }) => `${method} ${url}`)).toEqual(
      expect.arrayContaining([
        "PUT /ops/api/items/:itemId",
        "GET /ops/queues/",
        "PUT /ops/queues/api/queues/:queueName/obliterate",
        "POST /ops/queues/api/queues/:queueName/add",
      ]),
    );
    const shopper = await shopperAuthorization("ann");
    for (const route of routes()) {
      for (const authorization of [undefined, shopper, wrong, "Basic", "Basic !"]) {
        const headers = authorization === undefined ? {} : { authorization };
        expect({ ...route, status: (await ask(route, headers)).statusCode }).toEqual({ ...route, status: 401 });
      }
    }
  });

  describe("that changes something", () => {
    const changing = () => routes().filter(({ method }) => !["GET", "HEAD", "OPTIONS"].includes(String(method)));

    test.each<[string, Record<string, string>]>([
      ["says the browser", { "sec-fetch-site": "cross-site" }],
      ["says Origin", { origin: "https://evil.example" }],
    ])(
      "is 403 where a foreign page asks for it with the browser's password, %s: every route",
      async (_name, headers) => {
        expect(changing().length).toBeGreaterThan(20);
        for (const route of changing()) {
          const response = await ask(route, { authorization: opsAuthorization, ...headers });
          expect({ ...route, status: response.statusCode }).toEqual({ ...route, status: 403 });
          expect(response.json()).toMatchObject({ code: "foreign_page" });
        }
      },
    );

    test("is 403 for whoever may only look: every route, the dashboard's too; and the rest is shown", async () => {
      for (const route of changing()) {
        const response = await ask(route, { authorization: looking });
        expect({ ...route, status: response.statusCode }).toEqual({ ...route, status: 403 });
        expect(response.json()).toMatchObject({ code: "forbidden" });
      }
      expect(await world.db.selectFrom("operations_audit").selectAll().execute()).toEqual([]);
      for (const url of ["/ops", "/ops/api/me", "/ops/api/items", "/ops/api/audit", "/ops/queues/api/queues"])
        expect((await ask({ method: "GET", url }, { authorization: looking })).statusCode).toBe(200);
    });

    test("is not done for a foreign page, and is for our own, the dashboard's button too", async () => {
      const lane = new Queue("{lane-0}", { connection: world.redis, prefix: world.keys.queues });
      const job = await addDeadJob(lane, world);
      const retry = (headers: Record<string, string>) =>
        api.app.inject({
          method: "PUT",
          url: `/ops/queues/api/queues/%7Blane-0%7D/${job.id}/retry`,
          headers: { host: "shop.example", authorization: opsAuthorization, ...headers },
        });
      for (const headers of [{ origin: "https://evil.example" }, { "sec-fetch-site": "cross-site" }])
        expect((await retry(headers)).statusCode).toBe(403);
      expect(await job.getState()).toBe("failed");
      expect((await retry({ origin: "https://shop.example", "sec-fetch-site": "same-origin" })).statusCode).toBe(204);
      expect(await job.getState()).toBe("waiting");
      await lane.close();
    });

    test("is done for a program, which sends no Origin", async () => {
      const put = (headers: Record<string, string>) =>
        api.app.inject({ method: "PUT", url: "/ops/api/items/jacket", headers, payload: jacket });
      expect((await put({ authorization: opsAuthorization, origin: "null" })).statusCode).toBe(403);
      expect((await put({ authorization: opsAuthorization })).statusCode).toBe(201);
    });

    test("is refused with a form's content type: no page can send JSON unasked", async () => {
      for (const type of ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x"]) {
        const response = await api.app.inject({
          method: "PUT",
          url: "/ops/api/items/coat",
          headers: { authorization: opsAuthorization, "content-type": type },
          payload: JSON.stringify(jacket),
        });
        expect(response.statusCode).toBe(415);
      }
    });
  });

  test("answers an error of the dashboard without its message or stack, in development too", async () => {
    const before = process.env.NODE_ENV;
    process.env.NODE_ENV = "development";
    try {
      const lane = new Queue("{lane-1}", { connection: world.redis, prefix: world.keys.queues });
      await world.redis.set(lane.toKey("wait"), "not a list"); // every command on it fails
      const response = await api.app.inject({
        url: "/ops/queues/api/queues",
        headers: { authorization: opsAuthorization },
      });
      await world.redis.del(lane.toKey("wait"));
      await lane.close();
      expect(response.statusCode).toBe(500);
      expect(response.headers["content-type"]).toBe("application/problem+json; charset=utf-8");
      expect(response.json()).toMatchObject({ code: "internal", requestId: expect.any(String) });
      expect(response.body).not.toMatch(/WRONGTYPE|\bat .*:\d+:\d+|node_modules|ReplyError/);
    } finally {
      process.env.NODE_ENV = before;
    }
  });
});

describe("whoever guesses at the operations password", () => {
  let world: World;
  let apis: TestApi[];
  beforeAll(async () => {
    world = await createWorld();
    apis = await Promise.all([1, 2].map(() => createTestApi(world, { TRUST_PROXY: "1" }, { limits })));
  });
  afterAll(async () => {
    await Promise.all(apis.map((api) => api.close()));
    await world.close();
  });
  const ask = (address: string, authorization: string, server = 0) =>
    (apis[server] as TestApi).app.inject({
      url: "/ops/queues/api/queues",
      headers: { authorization, "x-forwarded-for": address },
    });

  test("is locked out after a few tries at any server, the right password included; other addresses are not", async () => {
    const statuses = [];
    for (let i = 0; i < 3; i++) statuses.push((await ask("192.0.2.1", wrong, i % 2)).statusCode);
    expect(statuses).toEqual([401, 401, 401]);
    for (const authorization of [wrong, opsAuthorization]) {
      for (const server of [0, 1]) {
        const refused = await ask("192.0.2.1", authorization, server);
        expect(refused.json()).toMatchObject({ status: 429, code: "rate_limited" });
        expect(Number(refused.headers["retry-after"])).toBeGreaterThan(0);
        expect(Number(refused.headers["retry-after"])).toBeLessThanOrEqual(60);
        expect(refused.headers["www-authenticate"]).toBeUndefined();
      }
    }
    expect((await ask("192.0.2.2", opsAuthorization)).statusCode).toBe(200);
  });

  test("is locked out as one /64, from whichever of its addresses", async () => {
    for (let i = 1; i <= 3; i++) expect((await ask(`2001:db8:1:2::${i}`, wrong)).statusCode).toBe(401);
    expect((await ask("2001:db8:1:2:ffff::9", opsAuthorization)).statusCode).toBe(429);
    expect((await ask("2001:db8:1:3::1", opsAuthorization)).statusCode).toBe(200);
  });

  test("gets no more tries by asking all at once, and not by a right password in between", async () => {
    const attempts = Array.from({ length: 40 }, (_, i) => ask("192.0.2.3", i === 20 ? opsAuthorization : wrong, i % 2));
    const statuses = (await Promise.all(attempts)).map((answer) => answer.statusCode);
    expect(statuses.filter((status) => status === 401)).toHaveLength(3);
    expect(statuses.filter((status) => status === 429).length).toBeGreaterThanOrEqual(36);

    expect((await ask("192.0.2.4", wrong)).statusCode).toBe(401);
    expect((await ask("192.0.2.4", wrong)).statusCode).toBe(401);
    expect((await ask("192.0.2.4", opsAuthorization)).statusCode).toBe(200);
    expect((await ask("192.0.2.4", wrong)).statusCode).toBe(401);
    expect((await ask("192.0.2.4", opsAuthorization)).statusCode).toBe(429);
  });

  test("is let in again when the time is over, and never locked out longer by trying on", async () => {
    const lockMs = 60_000;
    const short = await createTestApi(world, {}, { limits: { maxFailures: 1, lockMs } });
    const status = async (authorization: string) =>
      (await short.app.inject({ url: "/ops/queues/api/queues", headers: { authorization } })).statusCode;
    const key = world.keys.opsFailures("127.0.0.1");
    expect(await status(wrong)).toBe(401);
    expect(await world.redis.pttl(key)).toBeGreaterThan(lockMs / 2);
    await world.redis.pexpire(key, lockMs / 2); // half the time is over
    expect(await status(wrong)).toBe(429);
    expect(await world.redis.pttl(key)).toBeLessThanOrEqual(lockMs / 2);
    await world.redis.pexpire(key, 1);
    await eventually("the lock ends", async () => (await status(opsAuthorization)) === 200, 10_000);
    await short.close();
  });

  test("leaves nothing behind in Redis for longer than the lock", async () => {
    await ask("192.0.2.5", wrong);
    const keys = await world.redis.keys(world.keys.opsFailures("*"));
    expect(keys).toContain(world.keys.opsFailures("192.0.2.5"));
    for (const key of keys) expect(await world.redis.pttl(key)).toBeGreaterThan(0);
  });

  test("is locked out while Redis is unavailable, too, by each server for itself; operations are not", async () => {
    const url = new URL(world.redisUrl);
    const redis = await cuttableProxy(url.hostname, Number(url.port || 6379));
    url.host = redis.address;
    const api = await createTestApi(world, { REDIS_URL: url.href, TRUST_PROXY: "1" }, { limits });
    const status = async (address: string, authorization: string) => {
      const headers = { authorization, "x-forwarded-for": address };
      return (await api.app.inject({ url: "/ops/api/items/nothing/books", headers })).statusCode;
    };
    await redis.cut();
    for (let i = 0; i < 3; i++) expect(await status("192.0.2.6", wrong)).toBe(401);
    expect(await status("192.0.2.6", opsAuthorization)).toBe(429);
    expect(await status("192.0.2.7", opsAuthorization)).toBe(404);
    await redis.mend();
    await api.close();
    await redis.close();
  });
});
