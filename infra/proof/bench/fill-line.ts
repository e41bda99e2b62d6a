import { randomUUID } from "node:crypto";
import { newOrderId } from "@holdfast/api/orders/order-id.ts";
import type { LaneQueue } from "@holdfast/shared/queues.ts";
import type { Store } from "@holdfast/shared/redis.ts";
import { acceptor } from "@holdfast/testing/accept.ts";
import { purchaseRequest } from "@holdfast/testing/purchases.ts";

const atATime = 5_000; // a crowd's worth of promises

/**
 * Puts orders in line by the API's own code, without HTTP: by shoppers with the 42-letter ids of
 * guest sessions.
 */
export async function fillLine(
  { redis, keys }: Store,
  lanes: readonly LaneQueue[],
  itemId: string,
  orders: number,
): Promise<void> {
  const accept = acceptor({ redis, keys }, lanes, { maxLine: 100_000_000 });
  for (let done = 0; done < orders; done += atATime) {
    const count = Math.min(atATime, orders - done);
    await Promise.all(
      Array.from({ length: count }, () => {
        const shopperId = `guest-${randomUUID()}`;
        return accept(itemId, purchaseRequest({ orderId: newOrderId(Date.now()), shopperId }));
      }),
    );
  }
}
