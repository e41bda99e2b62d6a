import type { World } from "./world.ts";

/** All of a world's corner of Redis at a moment, as a backup would hold it. */
export type RedisState = ReadonlyMap<string, Buffer>;

/** Takes a backup. */
export async function saveRedis(world: World): Promise<RedisState> {
  const state = new Map<string, Buffer>();
  for (const key of await keysOf(world)) {
    const value = await world.redis.dumpBuffer(key);
    if (value !== null) state.set(key, value);
  }
  return state;
}

/** What is left of a Redis without its data: nothing. */
export async function emptyRedis(world: World): Promise<void> {
  const keys = await keysOf(world);
  if (keys.length > 0) await world.redis.del(...keys);
}

/** Puts a backup in the place of what is there, in one step. */
export async function restoreRedis(world: World, state: RedisState): Promise<void> {
  const keys = await keysOf(world);
  const step = world.redis.multi();
  if (keys.length > 0) step.del(...keys);
  for (const [key, value] of state) step.restore(key, 0, value);
  await step.exec();
}

async function keysOf({ redis, redisPrefix }: World): Promise<string[]> {
  const found: string[] = [];
  let cursor = "0";
  do {
    const [next, keys] = await redis.scan(cursor, "MATCH", `${redisPrefix}*`, "COUNT", 1_000);
    found.push(...keys);
    cursor = next;
  } while (cursor !== "0");
  return found;
}
