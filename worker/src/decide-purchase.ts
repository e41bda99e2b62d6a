import { chargeQueueEntry } from "@holdfast/shared/charge-job.ts";
import type { Database } from "@holdfast/shared/database.ts";
import type { OrderRecord } from "@holdfast/shared/order.ts";
import type { PurchaseJob } from "@holdfast/shared/purchase-job.ts";
import type { ChargeQueue } from "@holdfast/shared/queues.ts";
import type { RedisClient, RedisKeys } from "@holdfast/shared/redis.ts";
import { takeItemLock } from "./item-lock.ts";
import { publishDecisions } from "./publish-decisions.ts";
import { type KnownItems, reserveOrders } from "./reserve-orders.ts";

export interface DecideParts {
  readonly db: Database;
  readonly redis: RedisClient;
  readonly keys: RedisKeys;
  readonly charges: ChargeQueue;
  readonly known: KnownItems;
}

/**
 * The reserve step, from top to bottom: lock the item, decide all orders of the job in one transaction, tell the shoppers, send
 * the reserved ones to be charged, give the lock back. It may stop anywhere and run again: the transaction decides nothing
 * twice, and everything after it is told again.
 * @param gathering the job with others of its item, if they are decided with it
 * @returns whether it was decided, or has to wait because someone else holds the item's lock
 */
export async function decidePurchase(
  parts: DecideParts,
  laneName: string,
  job: PurchaseJob,
  gathering: Promise<PurchaseJob> = Promise.resolve(job),
): Promise<"decided" | "item_locked"> {
  const { db, redis, keys } = parts;
  gathering.catch(() => {}); // where the lock is not ours, nobody looks at it
  const lock = await takeItemLock(redis, keys.itemLock(job.itemId));
  if (lock === null) return "item_locked";
  try {
    const batch = await gathering;
    const { orders, item } = await reserveOrders(db, batch, lock.signal, parts.known);
    await Promise.all([
      publishDecisions(parts, laneName, batch, orders, item),
      enqueueCharges(parts.charges, orders),
      lock.release(), // behind the others on the same connection, and nobody has to wait for its answer
    ]);
    return "decided";
  } finally {
    await lock.release();
  }
}

/** A job for every order that waits for its first charge. One that is known already is not added again. */
async function enqueueCharges(charges: ChargeQueue, orders: readonly OrderRecord[]): Promise<void> {
  const unpaid = orders.filter((order) => order.status === "reserved" && order.paymentStatus === "pending");
  if (unpaid.length === 0) return;
  await charges.addBulk(unpaid.map(({ id }) => chargeQueueEntry("charge", id, 1)));
}
