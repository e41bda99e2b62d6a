import { laneOf, laneQueueName } from "@holdfast/shared/lanes.ts";
import type { Order } from "@holdfast/shared/order.ts";
import type { RedisClient, RedisKeys } from "@holdfast/shared/redis.ts";
import { createPace, type Pace } from "./pace.ts";

/** What an item's line looks like to those in it. */
export interface LineStatus {
  /** The last place of the item that is decided. */
  readonly decidedPlace: number;
  /** Whether the item's lock is held for those further ahead. */
  readonly itemLocked: boolean;
  /** How many of its places are decided a second, as this server has seen it. */
  readonly perSecond: number;
}

/** What a queued order sees of its line. */
export type ReadLine = (order: Pick<Order, "itemId">) => Promise<LineStatus>;

const cachedMs = 50; // a position on a screen may be as old as this; asking for each of thousands would cost more than it tells
const maxCached = 10_000; // items; past that all are forgotten
const usualPerSecond = 1_000; // a hot item is decided at a multiple of this (docs/performance.md), a shared machine is slower

interface CachedLine {
  readonly pace: Pace;
  cachedAtMs: number;
  status: Promise<LineStatus>;
}

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
  const cache = new Map<string, CachedLine>(); // by item
  const read = async (itemId: string, pace: Pace): Promise<LineStatus> => {
    const line = keys.line(laneQueueName(laneOf(itemId, laneCount)));
    const [[decided, accepted], locked] = await Promise.all([
      redis.hmget(line, `decided:${itemId}`, `accepted:${itemId}`),
      redis.exists(keys.itemLock(itemId)),
    ]);
    const decidedPlace = Number(decided ?? 0);
    pace.note(decidedPlace, Number(accepted ?? 0), performance.now());
    return { decidedPlace, itemLocked: locked === 1, perSecond: pace.perSecond() };
  };
  return ({ itemId }) => {
    const nowMs = performance.now();
    const cached = cache.get(itemId);
    if (cached && nowMs - cached.cachedAtMs < cachedMs) return cached.status;
    if (!cached && cache.size >= maxCached) cache.clear();
    const pace = cached?.pace ?? createPace(usualPerSecond);
    const status = read(itemId, pace);
    cache.set(itemId, { pace, cachedAtMs: nowMs, status });
    return status;
  };
}
