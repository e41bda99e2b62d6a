import type { OrderRecord } from "@holdfast/shared/order.ts";
import { readViews } from "@holdfast/shared/order-view.ts";
import type { RedisClient, RedisKeys } from "@holdfast/shared/redis.ts";
import { coalesce } from "./coalesce.ts";

/** The live view of one of a shopper's orders; null where Redis has none. */
export type ReadView = (shopperId: string, orderId: string) => Promise<OrderRecord | null>;

const batched = { maxBatch: 500, maxWaiting: 50_000, maxUnderWay: 4 };

/** Reads the views that are asked for at about the same time with one command: a crowd's would cost one each. */
export function viewReader(redis: RedisClient, keys: RedisKeys): ReadView {
  const read = coalesce<{ shopperId: string; orderId: string }, OrderRecord | null>(batched, (_key, orders) =>
    readViews(redis, keys, orders),
  );
  return (shopperId, orderId) => read("", { shopperId, orderId });
}
