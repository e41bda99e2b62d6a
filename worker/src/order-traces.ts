import type { Store } from "@holdfast/shared/redis.ts";

/**
 * Where there is tracing, which request brought an order: a charge that the sweeper gives out, or a
 * provider's event of a day later, has no job that knows it. Kept in Redis, and lost with it.
 */

const keptMs = 24 * 3_600_000; // most holds end within minutes; events about refunds come for days, and are traces of their own

/** @param traces traceparents by order */
export async function rememberTraces({ redis, keys }: Store, traces: ReadonlyMap<string, string>): Promise<void> {
  await Promise.all([...traces].map(([orderId, trace]) => redis.set(keys.trace(orderId), trace, "PX", keptMs))).catch(
    () => {}, // nothing of the sale depends on it
  );
}

/** The traceparent of the request that brought an order; null where it is not known (any more). */
export async function recallTrace({ redis, keys }: Store, orderId: string): Promise<string | null> {
  return redis.get(keys.trace(orderId)).catch(() => null);
}
