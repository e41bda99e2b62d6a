import { isFirstCharge } from "@holdfast/shared/charge-job.ts";
import type { ChargeQueue } from "@holdfast/shared/queues.ts";
import type { RedisClient } from "@holdfast/shared/redis.ts";

/** The orders whose payments wait for their first try, as the charge queue has them. */
export interface ChargeBacklog {
  readonly waiting: number;
  /** When the job was added that is next, and the newest; null where nobody waits. */
  readonly nextAtMs: number | null;
  readonly newestAtMs: number | null;
}

export type ReadChargeBacklog = () => Promise<ChargeBacklog>;

const cachedMs = 250; // charges are made at tens a second

/** Reads the charge queue's two ends on behalf of everyone who asks at about the same time. */
export function chargeBacklogReader(redis: RedisClient, charges: ChargeQueue): ReadChargeBacklog {
  let cachedAtMs = Number.NEGATIVE_INFINITY;
  let cached: Promise<ChargeBacklog> | null = null;
  return () => {
    const nowMs = performance.now();
    if (cached === null || nowMs - cachedAtMs >= cachedMs) {
      cachedAtMs = nowMs;
      cached = readBacklog(redis, charges);
    }
    return cached;
  };
}

const headLookedAt = 20; // jobs: what is to be done first about other payments is put there

async function readBacklog(redis: RedisClient, charges: ChargeQueue): Promise<ChargeBacklog> {
  const list = charges.toKey("wait"); // jobs join it on the left and are taken from the right
  const [waiting, head, [newest]] = await Promise.all([
    redis.llen(list),
    redis.lrange(list, -headLookedAt, -1),
    redis.lrange(list, 0, 0),
  ]);
  const addedAtMs = async (id: string | undefined) => {
    const added = id === undefined ? null : await redis.hget(charges.toKey(id), "timestamp");
    return added === null ? null : Number(added);
  };
  const [nextAtMs, newestAtMs] = await Promise.all([addedAtMs(head.findLast(isFirstCharge)), addedAtMs(newest)]);
  return { waiting, nextAtMs, newestAtMs };
}

/**
 * How many of those who wait are about to be charged before an order, by when it was reserved: the
 * queue is served in that order, and its ends tell how far along it is.
 */
export function chargesAhead({ waiting, nextAtMs, newestAtMs }: ChargeBacklog, reservedAtMs: number): number {
  if (nextAtMs === null || newestAtMs === null || reservedAtMs > newestAtMs) return waiting;
  // Those of one batch were all added at the same time, a moment after they were reserved.
  if (newestAtMs <= nextAtMs) return waiting;
  const share = (reservedAtMs - nextAtMs) / (newestAtMs - nextAtMs);
  return Math.round(waiting * Math.max(0, share));
}
