import { randomUUID } from "node:crypto";
import { openLanes } from "@holdfast/shared/queues.ts";
import { connectRedis, redisKeys } from "@holdfast/shared/redis.ts";
import { orderAcceptor } from "../../api/src/accept-orders.ts";
import { newOrderId } from "../../api/src/order-id.ts";
import { purchaseRequest } from "../testing/purchases.ts";

/**
 * What a queued order costs in Redis, live view and share of the job included: `used_memory` before and after a crowd was accepted through
 * the API's own code, by shoppers with the 42-letter ids of guest sessions.
 */
export async function redisBytesPerQueuedOrder(redisUrl: string, orders: number): Promise<number> {
  const redis = connectRedis(redisUrl, "waiting", () => {});
  const keys = redisKeys("");
  const lanes = openLanes(redis, keys, 4);
  const accept = orderAcceptor({ redis, keys, lanes, maxLine: 10_000_000 });
  const usedMemory = async () => Number(/used_memory:(\d+)/.exec(await redis.info("memory"))?.[1]);
  try {
    const before = await usedMemory();
    await Promise.all(
      Array.from({ length: orders }, () => {
        const shopperId = `guest-${randomUUID()}`;
        return accept("item_123", purchaseRequest({ orderId: newOrderId(Date.now()), shopperId }));
      }),
    );
    return ((await usedMemory()) - before) / orders;
  } finally {
    await Promise.all(lanes.map((lane) => lane.close()));
    redis.disconnect();
  }
}
