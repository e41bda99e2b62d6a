import type { Order } from "@holdfast/shared/order.ts";
import { readView, readViewTexts } from "@holdfast/shared/order-view.ts";
import { decodeView } from "@holdfast/shared/order-view-text.ts";
import type { Store } from "@holdfast/shared/redis.ts";
import { coalesce } from "../coalesce.ts";

/** The live view of one of a shopper's orders; null where Redis has none. */
export type ReadView = (shopperId: string, orderId: string) => Promise<Order | null>;

const batched = { maxBatch: 500, maxWaiting: 50_000, maxUnderWay: 4 };

/**
 * Reads the views that are asked for at about the same time with one command: a crowd's would cost
 * one each. On a Cluster each is asked for alone, so that a master that is down fails its own
 * shoppers only.
 */
export function viewReader({ redis, keys }: Store): ReadView {
  if (redis.isCluster) return (shopperId, orderId) => readView({ redis, keys }, shopperId, orderId);
  const read = coalesce<{ shopperId: string; orderId: string }, string | null>(batched, (_key, orders) =>
    readViewTexts({ redis, keys }, orders),
  );
  return async (shopperId, orderId) => {
    const text = await read("", { shopperId, orderId });
    return text === null ? null : decodeView(shopperId, orderId, text); // one that cannot be read fails alone
  };
}
