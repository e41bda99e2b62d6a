import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { LocalServer } from "@holdfast/infra/local/local-server.ts";
import { startRedis } from "@holdfast/infra/local/redis.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createLog } from "../src/log.ts";
import { connectRedis, requireRedis } from "../src/redis.ts";
import { checkRedisDurability, RedisNotDurable } from "../src/redis-durability.ts";

describe("a process that starts on a real Redis", () => {
  let directory: string;
  const servers: LocalServer[] = [];
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "holdfast-durability-"));
  });
  afterAll(async () => {
    await Promise.all(servers.map((server) => server.stop()));
    await rm(directory, { recursive: true, force: true });
  });

  /** What the check says of a Redis with these settings, and what it would refuse with. */
  const check = async (name: string, settings: Record<string, string>, restricted = false) => {
    const server = await startRedis(join(directory, name), () => {}, { settings });
    servers.push(server);
    const redis = connectRedis(server.url, "failing", () => {});
    const lines: string[] = [];
    const log = createLog("test", "warn", { write: (line) => void lines.push(line) });
    try {
      await requireRedis(redis);
      // As a managed Redis does it: everything but CONFIG.
      if (restricted) await redis.call("ACL", "SETUSER", "default", "-config");
      await checkRedisDurability(redis, false, log);
      const refusal = await checkRedisDurability(redis, true, log).catch((error: unknown) => error);
      return { warnings: lines.map((line) => (JSON.parse(line) as { msg: string }).msg), refusal };
    } finally {
      redis.disconnect();
    }
  };

  test("that is durable says nothing", async () => {
    expect(await check("durable", {})).toEqual({ warnings: [], refusal: undefined });
  });

  test("that keeps nothing and evicts is warned once, and refuses where durability is required", async () => {
    const settings = { appendonly: "no", "maxmemory-policy": "allkeys-lru" };
    const { warnings, refusal } = await check("forgetful", settings);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(/set appendonly yes.*set maxmemory-policy noeviction/);
    expect(refusal).toBeInstanceOf(RedisNotDurable);
    expect((refusal as RedisNotDurable).problems).toHaveLength(2);
  });

  test("that syncs once a second is told to sync always", async () => {
    const { warnings } = await check("lazy", { appendfsync: "everysec" });
    expect(warnings.join()).toContain("has appendfsync everysec: set appendfsync always");
  });

  test("that does not allow CONFIG goes by INFO and says what that could not tell", async () => {
    const restricted = await check("restricted", {}, true);
    expect(restricted.warnings).toEqual([
      "Accepted orders can get lost: Redis does not tell its appendfsync: make sure that it is always",
    ]);
    const wrong = await check("wrong", { appendonly: "no", "maxmemory-policy": "allkeys-lru" }, true);
    expect((wrong.refusal as RedisNotDurable).problems).toEqual([
      expect.stringContaining("has appendonly no"),
      expect.stringContaining("has maxmemory-policy allkeys-lru"),
    ]);
  });
});
