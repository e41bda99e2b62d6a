import { laneOf, laneQueueName } from "@holdfast/shared/lanes.ts";
import { type ItemLine, readItemLine } from "@holdfast/shared/line.ts";
import type { Order } from "@holdfast/shared/order.ts";
import type { Store } from "@holdfast/shared/redis.ts";

/** What an item's line looks like to those in it. */
export interface LineStatus extends ItemLine {
  /** Whether the item's lock is held for those further ahead. */
  readonly itemLocked: boolean;
}

/** What a queued order sees of its line. */
export type ReadLine = (order: Pick<Order, "itemId">) => Promise<LineStatus>;

const cachedMs = 50; // a position on a screen may be as old as this; asking for each of thousands would cost more than it tells
const maxCached = 10_000; // items; past that all are forgotten

/** Reads the lines on behalf of everyone who asks at about the same time. */
export function lineReader({ redis, keys, laneCount }: Store & { readonly laneCount: number }): ReadLine {
  const cache = new Map<string, { cachedAtMs: number; status: Promise<LineStatus> }>(); // by item
  const read = async (itemId: string): Promise<LineStatus> => {
    const [line, locked] = await Promise.all([
      readItemLine({ redis, keys }, laneQueueName(laneOf(itemId, laneCount)), itemId),
      redis.exists(keys.itemLock(itemId)),
    ]);
    return { ...line, itemLocked: locked === 1 };
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
