import { randomUUID } from "node:crypto";
import type { RedisClient } from "@holdfast/shared/redis.ts";

/** A dead worker's lock is gone after this; a living one renews it three times in that span. */
export const itemLockTtlMs = 5_000;

/**
 * The lock on an item while its orders are decided. It saves work and tells the waiting shoppers
 * what is going on; it is not what keeps units from being sold twice: that is the item's row lock
 * in Postgres.
 */
export interface ItemLock {
  /**
   * Aborted when the lock is lost: someone else may hold it now, so the work in hand is to be given
   * up.
   */
  readonly signal: AbortSignal;
  /** Gives the lock back, if it is still ours. */
  release(): Promise<void>;
}

// Free, or ours: a command whose answer was lost with its connection is sent again, and must not
// find the lock held by itself.
const takeScript = `
local holder = redis.call("GET", KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call("SET", KEYS[1], ARGV[1], "PX", ARGV[2])
return 1`;
const renewScript = `
if redis.call("GET", KEYS[1]) == ARGV[1] then return redis.call("PEXPIRE", KEYS[1], ARGV[2]) else return 0 end`;
const releaseScript = `
if redis.call("GET", KEYS[1]) == ARGV[1] then return redis.call("DEL", KEYS[1]) else return 0 end`;

/** Takes the lock under a random token, or returns null where someone else holds it. */
export async function takeItemLock(redis: RedisClient, key: string, ttlMs = itemLockTtlMs): Promise<ItemLock | null> {
  const token = randomUUID();
  const takenAtMs = performance.now(); // before Redis is asked, so that the lock ends here before it ends in Redis
  if ((await redis.eval(takeScript, 1, key, token, ttlMs)) !== 1) return null;

  const lost = new AbortController();
  let heldUntilMs = takenAtMs + ttlMs;
  const renew = async () => {
    const askedAtMs = performance.now();
    const renewed = await redis.eval(renewScript, 1, key, token, ttlMs);
    if (renewed === 1) heldUntilMs = askedAtMs + ttlMs;
    else lost.abort(new ItemLockLost(key));
  };
  const timer = setInterval(() => {
    // While Redis is unavailable nothing can be renewed, and past its TTL the lock counts as lost.
    if (performance.now() > heldUntilMs) lost.abort(new ItemLockLost(key));
    renew().catch(() => {});
  }, ttlMs / 3);

  return {
    signal: lost.signal,
    async release() {
      clearInterval(timer);
      await redis.eval(releaseScript, 1, key, token);
    },
  };
}

export class ItemLockLost extends Error {
  constructor(key: string) {
    super(`The lock ${key} was lost before the work under it was done`);
    this.name = "ItemLockLost";
  }
}
