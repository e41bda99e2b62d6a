import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type CuttableProxy, cuttableProxy } from "@holdfast/testing/cuttable-proxy.ts";
import { addItem } from "@holdfast/testing/items.ts";
import { balancerTls, type LoadBalancer, startLoadBalancer, trustingAgent } from "@holdfast/testing/load-balancer.ts";
import { describeSale, saleUnderChange } from "@holdfast/testing/sale-under-change.ts";
import { createWorld, eventually, type World } from "@holdfast/testing/world.ts";
import Stripe from "stripe";
import { type Agent, request } from "undici";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type PrivateSystem, startPrivateSystem } from "../local/private-system.ts";
import { signedTokens } from "../proof/rush/shopper-tokens.ts";

const webhookSecret = "whsec_for_tests";

describe.each(["nginx", "haproxy"] as const)("three API servers behind %s", (name) => {
  let world: World;
  let links: { postgres: CuttableProxy; redis: CuttableProxy };
  let system: PrivateSystem;
  let balancer: LoadBalancer | null;
  let logDirectory: string;
  let agent: Agent;
  let tokenOf: (shopper: number) => string;
  beforeAll(async () => {
    logDirectory = await mkdtemp(join(tmpdir(), "holdfast-balancer-test-"));
    world = await createWorld();
    agent = await trustingAgent(256);
    const [postgres, redis] = [new URL(world.env.DATABASE_URL ?? ""), new URL(world.env.REDIS_URL ?? "")];
    links = {
      postgres: await cuttableProxy(postgres.hostname, Number(postgres.port)),
      redis: await cuttableProxy(redis.hostname, Number(redis.port)),
    };
    postgres.host = links.postgres.address;
    redis.host = links.redis.address;
    const env = {
      ...world.env,
      DATABASE_URL: postgres.href,
      REDIS_URL: redis.href,
      TRUST_PROXY: "127.0.0.1",
      CHARGE_RATE_PER_SECOND: "500",
      STRIPE_WEBHOOK_SECRET: webhookSecret,
    };
    system = await startPrivateSystem({ apis: 3, workers: 1, env, logDirectory });
    tokenOf = signedTokens(system.jwtSecret);
    balancer = await startLoadBalancer(name, system.apiUrls);
    if (balancer === null) process.stdout.write(`skipped: 6 tests behind ${name}, which is not to be had here\n`);
  });
  afterAll(async () => {
    await agent.destroy();
    await balancer?.stop();
    await system?.stop();
    await Promise.all([links?.postgres.close(), links?.redis.close()]);
    await world?.close();
    await rm(logDirectory, { recursive: true, force: true });
  });

  interface Said {
    id?: string;
    status?: string | number;
    code?: string;
  }
  const ask = async (
    path: string,
    shopper: number,
    options: { body?: object; headers?: Record<string, string> } = {},
  ) => {
    const { body, headers } = options;
    const answer = await request(`${balancer?.url}${path}`, {
      method: body ? "POST" : "GET",
      headers: {
        authorization: `Bearer ${tokenOf(shopper)}`,
        ...(body && { "content-type": "application/json" }),
        ...headers,
      },
      ...(body && { body: JSON.stringify(body) }),
      dispatcher: agent,
    });
    const text = await answer.body.text();
    const type = String(answer.headers["content-type"] ?? "");
    const said = (type.includes("json") && text !== "" ? JSON.parse(text) : {}) as Said;
    return { status: answer.statusCode, type, etag: String(answer.headers.etag), said };
  };
  const buy = async (itemId: string, shopper: number, paymentMethod = "pm_card_visa") => {
    const bought = await ask(`/purchase/${itemId}`, shopper, { body: { paymentMethod } });
    return [bought.status, bought.said.id ?? ""] as const;
  };
  /** An order in this state, and its tag. */
  const orderIn = async (itemId: string, shopper: number, status: string, paymentMethod?: string) => {
    await addItem(world.db, itemId, 10, { payment_retries: 1 });
    let id = "";
    await eventually("it is on sale", async () => {
      [, id] = await buy(itemId, shopper, paymentMethod);
      return id !== "";
    });
    let etag = "";
    await eventually(`it is ${status}`, async () => {
      const answer = await ask(`/orders/${id}`, shopper);
      etag = answer.etag;
      const { payment } = answer.said as { payment?: { status: string } };
      return `${answer.said.status} ${payment?.status}`.startsWith(status);
    });
    return { id, etag };
  };

  /** Asks often in one moment; how often each answer came. */
  const flood = async (options: { behindProxy?: boolean }, from: (i: number) => string) => {
    const limiting = (await startLoadBalancer(name, system.apiUrls, { limited: true, ...options })) as LoadBalancer;
    try {
      const answers = await Promise.all(
        Array.from({ length: 1_500 }, async (_, i) => {
          const headers = { "x-forwarded-for": from(i) };
          const answer = await request(`${limiting.url}/healthz`, { dispatcher: agent, headers });
          const { code } = (await answer.body.json()) as Said;
          return `${answer.statusCode} ${code ?? ""} ${answer.statusCode === 429 ? String(answer.headers["content-type"]) : ""}`.trim();
        }),
      );
      return new Map([...Map.groupBy(answers, (answer) => answer)].map(([answer, list]) => [answer, list.length]));
    } finally {
      await limiting.stop();
    }
  };

  test("a flood from one address is cut off before it reaches a server, whoever it says that it is", async ({
    skip,
  }) => {
    skip(balancer === null);
    const counts = await flood({}, (i) => `203.0.113.${i % 250}`);
    expect([...counts.keys()].toSorted()).toEqual(["200", "429 rate_limited application/problem+json"]);
    expect(counts.get("200")).toBeGreaterThanOrEqual(350);
    expect(counts.get("200")).toBeLessThan(1_000);
  });

  test("behind a proxy that is trusted, each client has a limit of its own", async ({ skip }) => {
    skip(balancer === null);
    expect(await flood({ behindProxy: true }, (i) => `10.9.9.9, 203.0.113.${i % 250}`)).toEqual(
      new Map([["200", 1_500]]),
    );
  });

  test("a long poll is held for its 30 s, and events for operations come all the while", async ({ skip }) => {
    skip(balancer === null);
    const { id, etag } = await orderIn("poll", 1, "reserved declined", "pm_card_chargeDeclined");
    const began = performance.now();
    const live = await request(`${balancer?.url}/ops/api/live`, {
      dispatcher: agent,
      headers: { authorization: `Basic ${Buffer.from(`ops:${system.opsPassword}`).toString("base64")}` },
    });
    const cameAtMs: number[] = [];
    const reading = (async () => {
      for await (const _ of live.body) cameAtMs.push(performance.now() - began);
    })().catch(() => {});
    const held = await ask(`/orders/${id}`, 1, { headers: { prefer: "wait=30", "if-none-match": etag } });
    const tookMs = performance.now() - began;
    live.body.destroy();
    await reading;
    expect(held.status).toBe(304);
    expect(tookMs).toBeGreaterThan(29_000);
    expect(live.statusCode).toBe(200);
    const pauses = cameAtMs.map((at, i) => at - (cameAtMs[i - 1] ?? 0));
    expect(cameAtMs.at(-1)).toBeGreaterThan(25_000);
    expect(Math.max(...pauses)).toBeLessThan(6_000); // nothing keeps them back
  }, 60_000);

  test("the provider's largest events come through, and other bodies are refused in the API's own words", async ({
    skip,
  }) => {
    skip(balancer === null);
    const payload = JSON.stringify({
      id: "evt_large",
      object: "event",
      type: "customer.updated",
      data: { object: { object: "customer", id: "cus_1", description: "x".repeat(100_000) } },
    });
    const signature = Stripe.webhooks.generateTestHeaderString({ payload, secret: webhookSecret });
    const taken = await request(`${balancer?.url}/webhooks/stripe`, {
      method: "POST",
      headers: { "content-type": "application/json", "stripe-signature": signature },
      body: payload,
      dispatcher: agent,
    });
    await taken.body.dump();
    expect(taken.statusCode).toBe(200);
    const refused = await ask("/purchase/poll", 1, { body: { paymentMethod: "x".repeat(100_000) } });
    expect(refused).toMatchObject({
      status: 413,
      type: expect.stringContaining("application/problem+json"),
      said: { code: "payload_too_large" },
    });
  });

  test("without Postgres purchases are taken, and without Redis decided orders are shown", async ({ skip }) => {
    skip(balancer === null);
    const { id } = await orderIn("outage", 2, "confirmed");
    await links.postgres.cut();
    const unknown = "018f0000-0000-7000-8000-000000000000";
    const reads = await Promise.all(Array.from({ length: 30 }, () => ask(`/orders/${unknown}`, 2)));
    expect(new Set(reads.map(({ status, said }) => `${status} ${said.code}`))).toEqual(new Set(["503 unavailable"]));
    expect((await buy("outage", 3))[0]).toBe(202);
    await links.postgres.mend();
    await links.redis.cut();
    await sleep(3_000); // several checks of a server's health
    await eventually(
      "it is shown from Postgres",
      async () => (await ask(`/orders/${id}`, 2)).said.status === "confirmed",
    );
    const refused = await ask("/purchase/outage", 4, { body: { paymentMethod: "pm_card_visa" } });
    expect([refused.status, refused.said.code]).toEqual([503, "unavailable"]);
    await links.redis.mend();
    await eventually("it sells again", async () => (await buy("outage", 4))[0] === 202);
  }, 60_000);

  test("2,000 shoppers while one server is killed and one drained", async ({ skip }) => {
    skip(balancer === null);
    const parts = { system, db: world.db, redis: world.redis, redisPrefix: world.redisPrefix };
    const sale = await saleUnderChange(
      { ...parts, urls: [balancer?.url ?? ""], tls: await balancerTls() },
      async () => {
        system.apis[0]?.process.kill("SIGKILL");
        await sleep(700);
        system.apis[1]?.process.kill("SIGTERM"); // answers what it has in hand
        return undefined;
      },
    );
    process.stdout.write(describeSale(`behind ${name}`, sale));
    expect(sale.findings.filter(({ ok }) => !ok)).toEqual([]);
    expect(sale).toMatchObject({ gone: 0, lost: 0, doubled: 0, oversold: 0 });
    expect(sale.statuses.get(0) ?? 0).toBe(0); // nobody's connection to the balancer breaks
  });
});
