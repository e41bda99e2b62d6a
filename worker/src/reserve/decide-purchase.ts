import type { Database } from "@holdfast/shared/database.ts";
import type { PurchaseJob } from "@holdfast/shared/purchase-job.ts";
import type { ChargeQueue } from "@holdfast/shared/queues.ts";
import type { Store } from "@holdfast/shared/redis.ts";
import { inSpan, type Tracing } from "@holdfast/shared/tracing.ts";
import type { WorkerMetrics } from "../metrics/worker-metrics.ts";
import { rememberTraces } from "../order-traces.ts";
import { asPlaced } from "./as-placed.ts";
import { type ChargeQuota, enqueueCharges } from "./enqueue-charges.ts";
import { ItemLockLost, takeItemLock } from "./item-lock.ts";
import { publishDecisions } from "./publish-decisions.ts";
import { type KnownItems, reserveOrders } from "./reserve-orders.ts";

export interface DecideParts extends Store {
  readonly db: Database;
  readonly charges: ChargeQueue;
  /** Without it, every reserved order gets its charge job at once. */
  readonly quota?: ChargeQuota;
  readonly known: KnownItems;
  readonly metrics?: WorkerMetrics | undefined;
  readonly tracing?: Tracing | null;
}

/**
 * The reserve step, from top to bottom: lock the item, decide all orders of the job in one
 * transaction, publish the outcomes, enqueue the charges, release the lock. It may stop anywhere
 * and run again: the transaction decides nothing twice, and everything after it is done again.
 * @param gathering the job with others of its item, if they are decided with it
 * @returns whether it was decided, or has to wait because someone else holds the item's lock
 */
export async function decidePurchase(
  parts: DecideParts,
  laneName: string,
  job: PurchaseJob,
  gathering: Promise<PurchaseJob> = Promise.resolve(job),
): Promise<"decided" | "item_locked"> {
  const { db, redis, keys, metrics } = parts;
  gathering.catch(() => {}); // where the lock is not ours, nobody looks at it
  const lock = await takeItemLock(redis, keys.itemLock(job.itemId));
  if (lock === null) {
    metrics?.lockWaited();
    return "item_locked";
  }
  const takenAtMs = performance.now();
  try {
    const batch = await gathering;
    const traces = new Map(batch.requests.flatMap(({ orderId, trace }) => (trace ? [[orderId, trace]] : [])));
    const about = () => ({
      links: [...traces.values()],
      attributes: { itemId: job.itemId, orders: batch.requests.length },
    });
    const { orders, decided, item } = await inSpan(parts.tracing, "reserve orders", about, () =>
      reserveOrders(db, batch, lock.signal, parts.known),
    );
    metrics?.decided(decided); // here: a run after this one finds them decided
    // Of what was decided just now the shopper cannot be another one.
    const placed = () => batch.requests.map(({ orderId: id, shopperId }) => ({ id, shopperId }));
    const told = decided.length === orders.length ? orders : asPlaced(orders, placed());
    await Promise.all([
      publishDecisions(parts, laneName, batch, told, item),
      enqueueCharges(parts.charges, orders, parts.quota, (orderId) => traces.get(orderId) ?? null),
      parts.tracing && rememberTraces({ redis, keys }, traces),
      lock.release(), // behind the others on the same connection: it is not waited for by itself
    ]);
    metrics?.batchDone(orders.length, (performance.now() - takenAtMs) / 1000);
    return "decided";
  } catch (error) {
    if (error instanceof ItemLockLost) metrics?.lockLost();
    await lock.release();
    throw error;
  }
}
