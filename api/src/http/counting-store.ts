import type { RedisClient, RedisKeys } from "@holdfast/shared/redis.ts";
import { redisScript } from "@holdfast/shared/redis-script.ts";
import { coalesce } from "../coalesce.ts";

// Counts a request for each key, and says how many there were in its window and how much of that is
// left.
const countScript = redisScript<number[]>(
  "countRequests",
  `
local counted = {}
for i, key in ipairs(KEYS) do
  local count = redis.call("INCR", key)
  if count == 1 then redis.call("PEXPIRE", key, ARGV[i]) end
  counted[i * 2 - 1] = count
  counted[i * 2] = count == 1 and tonumber(ARGV[i]) or redis.call("PTTL", key)
end
return counted`,
);

const maxBatch = 500; // keys; a script of so many takes Redis well under a millisecond
const maxWaiting = 50_000; // requests; past that counting fails, and the limits let them pass to where the crowd is turned away

/**
 * How often a key was counted in its window by all servers, this time included, and what is left of
 * the window in ms.
 */
export interface Count {
  readonly current: number;
  readonly ttl: number;
}

/** Counts one more request of a key. */
export type CountRequest = (key: string, windowMs: number) => Promise<Count>;

/**
 * Counts in Redis, for all servers, all requests of a moment with one command: a crowd's requests
 * would cost one each.
 */
export function requestCounter(redis: RedisClient): CountRequest {
  const count = coalesce<{ key: string; windowMs: number }, Count>(
    { maxBatch, maxWaiting, maxUnderWay: 4 },
    async (_slot, calls) => {
      const keys = calls.map(({ key }) => key);
      const windows = calls.map(({ windowMs }) => windowMs);
      const counted = await countScript(redis, keys, windows);
      return calls.map((_, i) => ({ current: counted[i * 2] ?? 0, ttl: counted[i * 2 + 1] ?? 0 }));
    },
  );
  // One script may touch one slot of a Cluster, and every key has its own; a single Redis takes all
  // at once.
  return (key, windowMs) => count(redis.isCluster ? key : "", { key, windowMs });
}

type Callback = (error: Error | null, count?: Count) => void;

/** Where `@fastify/rate-limit` counts. */
export function countingStore(count: CountRequest, keys: RedisKeys) {
  return class CountingStore {
    incr(key: string, callback: Callback, windowMs: number): void {
      count(keys.rate(key), windowMs).then(
        (counted) => callback(null, counted),
        (error: Error) => callback(error),
      );
    }
    child(): CountingStore {
      return this;
    }
  };
}
