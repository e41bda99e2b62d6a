import { setTimeout as sleep } from "node:timers/promises";
import type { RedisClient } from "@holdfast/shared/redis.ts";
import { createWorld, eventually, type World } from "@holdfast/testing/world.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ItemLockLost, takeItemLock } from "../src/reserve/item-lock.ts";

describe("the item lock", () => {
  let world: World;
  beforeAll(async () => {
    world = await createWorld();
  });
  afterAll(() => world.close());
  const key = (name: string) => world.keys.itemLock(name);

  test("is purchase:<itemId>, holds a random token, and is gone in five seconds by itself", async () => {
    expect(key("item_123")).toBe(`${world.redisPrefix}purchase:item_123`);
    const lock = await takeItemLock(world.redis, key("item_123"));
    expect(await world.redis.get(key("item_123"))).toMatch(/^[0-9a-f-]{36}$/);
    const ttlMs = await world.redis.pttl(key("item_123"));
    expect(ttlMs).toBeGreaterThan(4_000);
    expect(ttlMs).toBeLessThanOrEqual(5_000);
    await lock?.release();
  });

  test("is held by one at a time, and free again after its release", async () => {
    const [first, second] = await Promise.all([1, 2].map(() => takeItemLock(world.redis, key("one"))));
    const held = first ?? second;
    expect([first, second].filter((lock) => lock !== null)).toHaveLength(1);
    await held?.release();
    const third = await takeItemLock(world.redis, key("one"));
    expect(third).not.toBeNull();
    await third?.release();
  });

  test("whose taking is sent again after its answer was lost is held by whoever took it, not by nobody", async () => {
    // As ioredis does it after a reconnect: the same command a second time, and only the second
    // answer is seen.
    const sendsTwice = new Proxy(world.redis, {
      get: (redis, name) =>
        name === "eval"
          ? async (...command: Parameters<typeof redis.eval>) => {
              await redis.eval(...command);
              return redis.eval(...command);
            }
          : Reflect.get(redis, name),
    });
    const lock = await takeItemLock(sendsTwice, key("resent"));
    expect(lock).not.toBeNull();
    expect(await takeItemLock(world.redis, key("resent"))).toBeNull();
    await lock?.release();
    expect(await world.redis.exists(key("resent"))).toBe(0);
  });

  test("is renewed as long as the work goes on", async () => {
    const ttlMs = 3_000; // long enough for a machine that stands still for a second
    const lock = await takeItemLock(world.redis, key("long"), ttlMs);
    await sleep(ttlMs + 500);
    expect(await world.redis.exists(key("long"))).toBe(1);
    expect(lock?.signal.aborted).toBe(false);
    await lock?.release();
  });

  test("somebody else's is never released: only its owner gives it back", async () => {
    const lock = await takeItemLock(world.redis, key("other"), 60_000);
    await world.redis.set(key("other"), "somebody else");
    await lock?.release();
    expect(await world.redis.get(key("other"))).toBe("somebody else");
  });

  test("a lost lock says so, so that the work is given up", async () => {
    const lock = await takeItemLock(world.redis, key("gone"), 300);
    await world.redis.set(key("gone"), "somebody else");
    await eventually("the loss is noticed", async () => lock?.signal.aborted === true);
    expect(await world.redis.get(key("gone"))).toBe("somebody else");
    await lock?.release();
  });

  test("says which lock was lost", async () => {
    const lock = await takeItemLock(world.redis, key("named"), 300);
    await world.redis.del(key("named"));
    await eventually("the loss is noticed", async () => lock?.signal.aborted === true);
    expect(lock?.signal.reason).toMatchObject({ name: "ItemLockLost", message: expect.stringContaining(key("named")) });
    await lock?.release();
  });

  test("counts as lost past its time while Redis is unavailable and cannot renew it, and not before", async () => {
    const ttlMs = 600;
    const away = cutOff(world.redis);
    const takenAtMs = performance.now();
    const lock = await takeItemLock(away, key("away"), ttlMs);
    await eventually("the lock counts as lost", async () => lock?.signal.aborted === true);
    expect(performance.now() - takenAtMs).toBeGreaterThanOrEqual(ttlMs);
    expect(lock?.signal.reason).toBeInstanceOf(ItemLockLost);
    await lock?.release().catch(() => {});
  });

  test("is not renewed any more once it was returned", async () => {
    const lock = await takeItemLock(world.redis, key("back"), 150);
    await lock?.release();
    await world.redis.set(key("back"), "somebody else");
    await sleep(200); // past the time of the next renewal, which would find somebody else
    expect(lock?.signal.aborted).toBe(false);
  });
});

/** A Redis that takes a lock and is unavailable from then on: no other script is answered. */
function cutOff(redis: RedisClient): RedisClient {
  let taken = false;
  return new Proxy(redis, {
    get: (target, name) => {
      if (name !== "eval") return Reflect.get(target, name).bind(target);
      return (...args: Parameters<RedisClient["eval"]>) => {
        if (taken) return Promise.reject(new Error("Connection is closed."));
        taken = true;
        return target.eval(...args);
      };
    },
  });
}
