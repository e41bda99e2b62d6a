import { createLog } from "@holdfast/shared/log.ts";
import { createTestApi, shopperAuthorization, type TestApi } from "@holdfast/testing/api.ts";
import { addItem } from "@holdfast/testing/items.ts";
import { createWorld, type World } from "@holdfast/testing/world.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

describe("limits per client address", () => {
  let world: World;
  beforeAll(async () => {
    world = await createWorld();
    await addItem(world.db, "item_1", 100);
  });
  afterAll(() => world.close());

  const openSession = ({ app }: TestApi, headers: Record<string, string>, remoteAddress = "127.0.0.1") =>
    app.inject({ method: "POST", url: "/sessions", headers, remoteAddress });
  const sessionFor = async (api: TestApi, forwarded: string, remoteAddress?: string) =>
    (await openSession(api, { "x-forwarded-for": forwarded }, remoteAddress)).statusCode;
  /** A server that lets each address have one session a minute. */
  const oneEach = (env: Record<string, string>) => createTestApi(world, { ADDRESS_RATE_PER_MINUTE: "10", ...env });

  test("let an address have a tenth as many new sessions as purchases, and count the two apart", async () => {
    const api = await createTestApi(world, { ADDRESS_RATE_PER_MINUTE: "30" });
    const buy = async (i: number) =>
      api.app.inject({
        method: "POST",
        url: "/purchase/item_1",
        headers: { authorization: await shopperAuthorization(`shopper-${i}`) },
        remoteAddress: "192.0.2.1",
        payload: { paymentMethod: "pm_card_visa" },
      });
    const sessions = [];
    for (let i = 0; i < 4; i++) sessions.push(await openSession(api, {}, "192.0.2.1"));
    expect(sessions.map((answer) => answer.statusCode)).toEqual([201, 201, 201, 429]);
    expect(sessions[3]?.json()).toMatchObject({ status: 429, code: "rate_limited" });
    expect(Number(sessions[3]?.headers["retry-after"])).toBeGreaterThan(0);

    const purchases = [];
    for (let i = 0; i < 31; i++) purchases.push((await buy(i)).statusCode);
    expect(purchases).toEqual([...Array.from({ length: 30 }, () => 202), 429]);
    expect((await openSession(api, {}, "192.0.2.2")).statusCode).toBe(201);
    await api.close();
  });

  test("let ten times as many reads as purchases through, per address and per shopper, and count the two apart", async () => {
    const api = await createTestApi(world, { ADDRESS_RATE_PER_MINUTE: "4", SHOPPER_RATE_PER_MINUTE: "2" });
    const read = async (url: string, shopper: string, remoteAddress: string) =>
      api.app.inject({ url, headers: { authorization: await shopperAuthorization(shopper) }, remoteAddress });
    const statuses: number[] = [];
    for (const i of Array(21).keys()) {
      const answer = await read(i % 2 ? "/orders" : "/orders/none", "reader", "192.0.2.10");
      statuses.push(answer.statusCode);
    }
    expect(statuses.filter((status) => status === 429)).toHaveLength(1);
    expect(statuses[20]).toBe(429);
    for (const i of Array(19).keys()) {
      expect((await read(i % 2 ? "/items" : "/items/item_1", "other", "192.0.2.10")).statusCode).toBe(200);
    }
    for (const url of ["/items", "/items/item_1", "/orders", "/orders/none"]) {
      const refused = await read(url, "other", "192.0.2.10");
      expect(refused.json()).toMatchObject({ status: 429, code: "rate_limited" });
      expect(Number(refused.headers["retry-after"])).toBeGreaterThan(0);
    }
    expect((await read("/items", "reader", "192.0.2.11")).statusCode).toBe(200);
    const headers = { authorization: await shopperAuthorization("reader") };
    const payload = { paymentMethod: "pm_card_visa" };
    const purchase = {
      method: "POST",
      url: "/purchase/item_1",
      headers,
      payload,
      remoteAddress: "192.0.2.10",
    } as const;
    expect((await api.app.inject(purchase)).statusCode).toBe(202);
    await api.close();
  });

  test("are the same across servers, and none where the rate is 0", async () => {
    const [first, second, free] = await Promise.all([
      oneEach({}),
      oneEach({}),
      createTestApi(world, { ADDRESS_RATE_PER_MINUTE: "0" }),
    ]);
    expect((await openSession(first, {}, "192.0.2.3")).statusCode).toBe(201);
    expect((await openSession(second, {}, "192.0.2.3")).statusCode).toBe(429);
    for (let i = 0; i < 20; i++) expect((await openSession(free, {}, "192.0.2.3")).statusCode).toBe(201);
    await Promise.all([first.close(), second.close(), free.close()]);
  });

  test("name TRUST_PROXY once in the log where X-Forwarded-For comes untrusted, and not where it is trusted", async () => {
    for (const [env, lines] of [
      [{}, 1],
      [{ TRUST_PROXY: "1" }, 0],
    ] as const) {
      let written = "";
      const write = (line: string) => {
        written += line;
      };
      const api = await createTestApi(world, env, { log: createLog("api", "info", { write }) });
      await api.app.inject({ url: "/healthz" });
      expect(written).not.toContain("TRUST_PROXY");
      for (const headers of [{}, { "x-forwarded-for": "192.0.2.7" }, { "x-forwarded-for": "192.0.2.8" }]) {
        await api.app.inject({ url: "/items", headers });
      }
      expect(written.match(/TRUST_PROXY/g) ?? []).toHaveLength(lines);
      expect(written).not.toContain("192.0.2");
      await api.close();
    }
  });

  test("without TRUST_PROXY go by the connection, whatever its headers claim", async () => {
    const api = await oneEach({});
    const claims = ["x-forwarded-for", "forwarded", "x-real-ip", "x-client-ip", "cf-connecting-ip", "true-client-ip"];
    expect((await openSession(api, {}, "198.51.100.1")).statusCode).toBe(201);
    for (const [i, name] of claims.entries()) {
      const value = name === "forwarded" ? `for=198.51.100.${i + 10}` : `198.51.100.${i + 10}`;
      expect((await openSession(api, { [name]: value }, "198.51.100.1")).statusCode).toBe(429);
    }
    await api.close();
  });

  test("behind one proxy go by the address it added, not by what the client put before it", async () => {
    const api = await oneEach({ TRUST_PROXY: "1" });
    expect(await sessionFor(api, "198.51.100.20")).toBe(201);
    for (const forged of ["203.0.113.1", "203.0.113.2, 127.0.0.1", "127.0.0.1", "1, 2, 3", "' or 1=1", "::1"]) {
      expect(await sessionFor(api, `${forged}, 198.51.100.20`)).toBe(429);
    }
    expect(await sessionFor(api, "198.51.100.20, 198.51.100.21")).toBe(201);
    await api.close();
  });

  test("behind two proxies go by the address the outer one added", async () => {
    const api = await oneEach({ TRUST_PROXY: "2" });
    expect(await sessionFor(api, "198.51.100.30, 10.0.0.1")).toBe(201);
    expect(await sessionFor(api, "203.0.113.1, 198.51.100.30, 10.0.0.1")).toBe(429);
    expect(await sessionFor(api, "203.0.113.1, 203.0.113.2, 198.51.100.30, 10.0.0.2")).toBe(429);
    expect(await sessionFor(api, "198.51.100.30, 198.51.100.31, 10.0.0.1")).toBe(201);
    await api.close();
  });

  test("behind proxies named by address believe them alone: the first other address from the right counts", async () => {
    const api = await oneEach({ TRUST_PROXY: "127.0.0.1,10.0.0.0/8" });
    expect(await sessionFor(api, "198.51.100.40, 10.0.0.1")).toBe(201);
    expect(await sessionFor(api, "10.0.0.9, 198.51.100.40, 10.0.0.1, 10.0.0.2")).toBe(429);
    expect(await sessionFor(api, "203.0.113.1, 127.0.0.1, 198.51.100.40")).toBe(429);
    // Not from a proxy: what it forwards is its own claim.
    expect(await sessionFor(api, "203.0.113.2", "198.51.100.40")).toBe(429);
    await api.close();
  });

  test("count what is forwarded and is no address as the proxy's own, in a key of bounded length", async () => {
    const api = await oneEach({ TRUST_PROXY: "1" });
    expect(await sessionFor(api, "x".repeat(8_000))).toBe(201);
    expect(await sessionFor(api, "a\tb")).toBe(429);
    const keys = await world.redis.keys(`${world.keys.queues}:rate:*`);
    expect(Math.max(...keys.map((key) => key.length))).toBeLessThan(150);
    await api.close();
  });
});
