import { createLog } from "@holdfast/shared/log.ts";
import { connectRedis, type RedisClient, requireRedis } from "@holdfast/shared/redis.ts";
import { testJwtSecret } from "@holdfast/testing/api.ts";
import { createWorld, type World } from "@holdfast/testing/world.ts";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { readApiConfig } from "../src/config.ts";
import { startServer } from "../src/server.ts";
import { warmUp } from "../src/warm-up.ts";

describe("warming up", () => {
  let world: World;
  let redis: RedisClient;
  let subscriber: RedisClient;
  beforeAll(async () => {
    world = await createWorld();
    redis = connectRedis(world.redisUrl, "failing", () => {});
    subscriber = connectRedis(world.redisUrl, "waiting", () => {});
    await Promise.all([requireRedis(redis), requireRedis(subscriber)]);
  });
  afterAll(async () => {
    for (const connection of [redis, subscriber]) connection.disconnect();
    await world.close();
  });
  const config = (env: Record<string, string> = {}) =>
    readApiConfig({ ...world.env, JWT_SECRET: testJwtSecret, PORT: "0", ADMIN_PORT: "0", ...env });
  const keysInRedis = async () => {
    const found: string[] = [];
    for (let cursor = "0"; ; ) {
      const [next, keys] = await world.redis.scan(cursor, "MATCH", `${world.keys.itemLock("").slice(0, -9)}*`);
      found.push(...keys);
      if (next === "0") return found.sort();
      cursor = next;
    }
  };
  const logInto = (lines: string[]) => createLog("api", "debug", { write: (line: string) => void lines.push(line) });

  test("sells to hundreds of made-up shoppers, and leaves nothing in Redis, in Postgres or in the log", async () => {
    const before = await keysInRedis();
    const lines: string[] = [];
    const query = vi.fn<(name: string | symbol) => void>();
    const db = new Proxy(world.db, {
      get: (target, name) => {
        query(name);
        return Reflect.get(target, name);
      },
    });
    const commands = async () => Number(/total_commands_processed:(\d+)/.exec(await world.redis.info("stats"))?.[1]);
    const asked = await commands();
    await warmUp({ config: config(), db, redis, subscriber, log: logInto(lines) });
    expect((await commands()) - asked).toBeGreaterThan(1_000);
    expect(await keysInRedis()).toEqual(before);
    expect(lines).toEqual([]);
    expect(query).not.toHaveBeenCalled();
  });

  test("ends in time whatever the limits, keys or lines of the real server are", async () => {
    const beganAtMs = performance.now();
    const env = { SHOPPER_RATE_PER_MINUTE: "1", ADDRESS_RATE_PER_MINUTE: "1", MAX_LINE: "1" };
    const lines: string[] = [];
    await warmUp({ config: config(env), db: world.db, redis, subscriber, log: logInto(lines) });
    expect(performance.now() - beganAtMs).toBeLessThan(4_000);
    expect(lines).toEqual([]);
  });

  test("that fails leaves a server that is colder, and says so", async () => {
    const lines: string[] = [];
    const gone = connectRedis(world.redisUrl, "failing", () => {});
    await requireRedis(gone);
    gone.disconnect();
    await warmUp({ config: config(), db: world.db, redis: gone, subscriber, log: logInto(lines) });
    expect(lines.join("")).toContain("could not warm up");
  });

  test("shows in no metric of the server", async () => {
    const server = await startServer(config(), createLog("api", "silent"));
    const metrics = await (await fetch(`${server.adminAddress}/metrics`)).text();
    expect(metrics).toContain("holdfast_orders_accepted_total 0");
    expect(metrics).not.toMatch(/^holdfast_http_requests_total\{/m);
    await server.close();
  });
});
