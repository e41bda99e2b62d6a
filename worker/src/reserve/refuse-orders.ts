import type { Database } from "@holdfast/shared/database.ts";
import { advanceLine } from "@holdfast/shared/line.ts";
import type { Order } from "@holdfast/shared/order.ts";
import { publishOrders } from "@holdfast/shared/order-view.ts";
import { isPermanent } from "@holdfast/shared/outage.ts";
import {
  type PackedPurchaseJob,
  type PurchaseJob,
  type PurchaseRequest,
  queuedOrder,
} from "@holdfast/shared/purchase-job.ts";
import type { Store } from "@holdfast/shared/redis.ts";
import { appendEvent, orderColumns, orderFromRow } from "@holdfast/shared/rows.ts";
import type { WorkerMetrics } from "../metrics/worker-metrics.ts";
import type { Undecidable } from "./bisect-orders.ts";

/**
 * Orders that can never be decided are refused, and stay so. The reason closest to the truth is
 * `limit_exceeded`: what Postgres refuses is beyond one of its limits. It says nothing of the
 * card, the item or its stock, and no unit is taken.
 */

export interface RefuseParts extends Store {
  readonly db: Database;
  readonly metrics?: Pick<WorkerMetrics, "decided"> | undefined;
}

/**
 * A purchase job in the failed set, with the orders whose shoppers were told that they are refused.
 */
export type DeadPurchaseJob = PackedPurchaseJob & { readonly refused?: readonly string[] };

/**
 * The orders of a job that were refused in an earlier run: whatever could be decided now, that is
 * what was said.
 */
export function refusedBefore(data: unknown): ReadonlySet<string> {
  const { refused } = data as { refused?: unknown };
  return new Set(Array.isArray(refused) ? refused.filter((id) => typeof id === "string") : []);
}

/**
 * Gives each of these orders its end: in Postgres where that takes it, in the live view in any
 * case. What Postgres knows of an order already comes first. Moves the line on, since nobody of
 * this job waits any more.
 * @returns those that are not in Postgres
 */
export async function refuseOrders(
  { db, redis, keys, metrics }: RefuseParts,
  laneName: string,
  job: PurchaseJob,
  undecidable: readonly Undecidable[],
): Promise<Undecidable[]> {
  const withoutRow: Undecidable[] = [];
  for (const one of undecidable) {
    const recorded = await writeRefusal(db, job.itemId, one);
    if (recorded === null) withoutRow.push(one);
    else if (recorded.isNew) metrics?.decided([recorded.order]);
    await publishOrders({ redis, keys }, [recorded?.order ?? refusedOrder(job.itemId, one.request)]);
  }
  await advanceLine({ redis, keys }, laneName, job.itemId, job.lastPlace);
  return withoutRow;
}

/**
 * The row with as little in it as an order needs; what is there already stays. Null where the
 * record refuses even that.
 */
async function writeRefusal(
  db: Database,
  itemId: string,
  { request, why }: Undecidable,
): Promise<{ readonly order: Order; readonly isNew: boolean } | null> {
  try {
    return await db.transaction().execute(async (trx) => {
      const now = new Date();
      const inserted = await trx
        .insertInto("orders")
        .values({
          id: request.orderId,
          shopper_id: request.shopperId,
          item_id: itemId,
          quantity: request.quantity,
          amount_minor: request.amountMinor,
          currency: request.currency,
          status: "rejected",
          reason: "limit_exceeded",
          placed_at: new Date(request.placedAtMs),
          settled_at: now,
        })
        .onConflict((conflict) => conflict.column("id").doNothing())
        .returning("id")
        .executeTakeFirst();
      const change = { from: "queued", to: "rejected" } as const;
      if (inserted) await appendEvent(trx, request.orderId, "rejected", change, { reason: "limit_exceeded", why });
      const row = await trx
        .selectFrom("orders")
        .select(orderColumns)
        .where("id", "=", request.orderId)
        .executeTakeFirst();
      return row ? { order: orderFromRow(row), isNew: inserted !== undefined } : null;
    });
  } catch (error) {
    if (isPermanent(error)) return null;
    throw error;
  }
}

/**
 * What the shopper is shown of an order that has no row. Its version is that of a first row, which
 * would say the same.
 */
function refusedOrder(itemId: string, request: PurchaseRequest): Order {
  return {
    ...queuedOrder(itemId, request),
    status: "rejected",
    reason: "limit_exceeded",
    settledAtMs: Date.now(),
    version: 1,
  };
}
