import { Writable } from "node:stream";
import { createLog } from "@holdfast/shared/log.ts";
import { openLanes } from "@holdfast/shared/queues.ts";
import { connectRedis } from "@holdfast/shared/redis.ts";
import {
  createTestApi,
  opsAuthorization,
  shopperAuthorization,
  type TestApi,
  testJwtSecret,
  testOpsPassword,
} from "@holdfast/testing/api.ts";
import { cuttableProxy } from "@holdfast/testing/cuttable-proxy.ts";
import { addItem } from "@holdfast/testing/items.ts";
import { createWorld, eventually, type World } from "@holdfast/testing/world.ts";
import Stripe from "stripe";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const webhookSecret = "whsec_secret_of_the_webhook";

describe("what an API server writes to its log, told to write everything", () => {
  let world: World;
  let api: TestApi;
  let written = "";
  const sink = new Writable({
    write(chunk, _encoding, done) {
      written += String(chunk);
      done();
    },
  });
  beforeAll(async () => {
    world = await createWorld();
    await addItem(world.db, "item_1", 5);
    const env = { STRIPE_WEBHOOK_SECRET: webhookSecret };
    api = await createTestApi(world, env, { log: createLog("api", "trace", sink), limits: { maxFailures: 1 } });
  });
  afterAll(async () => {
    await api.close();
    await world.close();
  });

  test("has lines about what went wrong, and in none of them a token, a password, a secret or a card", async () => {
    const token = (await shopperAuthorization("mallory")).replace("Bearer ", "");
    const signature = Stripe.webhooks.generateTestHeaderString({ payload: "{}", secret: webhookSecret });
    const url = await api.app.listen({ host: "127.0.0.1", port: 0 });
    const shopper = {
      authorization: `Bearer ${token}`,
      cookie: "session=s3cret-cookie",
      "content-type": "application/json",
    };
    const ask = async (path: string, method: string, headers: Record<string, string>, body?: string) => {
      const response = await fetch(`${url}${path}`, { method, headers, ...(body !== undefined && { body }) });
      return response.status;
    };
    const card = JSON.stringify({ paymentMethod: "pm_s3cret_card" });

    await world.redis.set(world.keys.shopperOrders("mallory"), "not a hash"); // every command on it fails
    const key = { "idempotency-key": "s3cret-key" };
    expect(await ask("/purchase/item_1", "POST", { ...shopper, ...key }, card)).toBe(500);
    expect(await ask("/orders", "GET", shopper)).toBe(500);
    // The command that fails here carries the order, and with it the card; a driver's error carries
    // the command.
    const lanes = openLanes(world, 4);
    for (const lane of lanes) await world.redis.set(lane.toKey("wait"), "not a list");
    const ann = { ...shopper, authorization: await shopperAuthorization("ann") };
    expect(await ask("/purchase/item_1", "POST", ann, card)).toBe(500);
    for (const lane of lanes) await world.redis.del(lane.toKey("wait"));
    await Promise.all(lanes.map((lane) => lane.close()));
    expect(await ask("/orders", "GET", { ...shopper, authorization: `Bearer ${token}x` })).toBe(401);
    expect(await ask("/orders?token=s3cret-query", "GET", { "x-large": "s3cret".repeat(4_000) })).toBe(431);
    expect(await ask("/webhooks/stripe", "POST", { "stripe-signature": `${signature}0` }, "{}")).toBe(400);
    const wrong = `Basic ${Buffer.from("ops:s3cret-guess").toString("base64")}`;
    for (const authorization of [opsAuthorization, wrong, wrong, opsAuthorization]) {
      await ask("/ops/queues/api/queues", "GET", { authorization });
    }
    const session = await fetch(`${url}/sessions`, { method: "POST" });
    const guest = (await session.json()) as { token: string };

    expect(written).toContain("unforeseen error");
    expect(written).toContain("locked out");
    const secrets = [testJwtSecret, testOpsPassword, webhookSecret, token, token.split(".")[2], guest.token, "s3cret"];
    secrets.push(opsAuthorization.slice(6), wrong.slice(6), signature.split("v1=")[1]);
    for (const secret of secrets) {
      expect(secret).toBeTruthy();
      expect(written).not.toContain(secret);
    }
  });

  test("has no credentials of Redis when its connection is lost", async () => {
    const redisUrl = new URL(world.redisUrl);
    const proxy = await cuttableProxy(redisUrl.hostname, Number(redisUrl.port || 6379));
    redisUrl.host = proxy.address;
    const log = createLog("api", "trace", sink);
    redisUrl.password = "s3cret";
    const withPassword = redisUrl.href;
    const client = connectRedis(withPassword, "failing", (err) => log.warn({ err }, "Redis connection lost"));
    await proxy.cut();
    await eventually("the loss is logged", async () => written.includes("Redis connection lost"));
    client.disconnect();
    await proxy.close();
    expect(written).not.toContain("s3cret");
  });
});
