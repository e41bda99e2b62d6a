import { laneOf, laneQueueName } from "@holdfast/shared/lanes.ts";
import type { Order } from "@holdfast/shared/order.ts";
import type { RedisClient, RedisKeys } from "@holdfast/shared/redis.ts";

/** What an item's line looks like to those in it. */
export interface LineStatus {
  /** The last place of the item that is decided. */
  readonly decidedPlace: number;
  /** Whether the item's lock is held for those further ahead. */
  readonly itemLocked: boolean;
}

/** What a queued order sees of its line. */
export type ReadLine = (order: Pick<Order, "itemId">) => Promise<LineStatus>;

const cachedMs = 50; // a position on a screen may be as old as this; asking for each of thousands would cost more than it tells
const maxCached = 10_000; // items; past that all are forgotten

/** Reads the lines on behalf of everyone who asks at about the same time. */
export function lineReader({
  redis,
  keys,
  laneCount,
}: {
  readonly redis: RedisClient;
  readonly keys: RedisKeys;
  readonly laneCount: number;
}): ReadLine {
  const cache = new Map<string, { cachedAtMs: number; status: Promise<LineStatus> }>(); // by item
  const read = async (itemId: string): Promise<LineStatus> => {
    const [decided, locked] = await Promise.all([
      redis.hget(keys.line(laneQueueName(laneOf(itemId, laneCount))), `decided:${itemId}`),
      redis.exists(keys.itemLock(itemId)),
    ]);
    return { decidedPlace: Number(decided ?? 0), itemLocked: locked === 1 };
  };
  return ({ itemId }) => {
    const nowMs = performance.now();
    const cached = cache.get(itemId);
    if (cached && nowMs - cached.cachedAtMs < cachedMs) return cached.status;
    if (cache.size >= maxCached) cache.clear();
    const status = read(itemId);
    cache.set(itemId, { cachedAtMs: nowMs, status });
    return status;
  };
}
