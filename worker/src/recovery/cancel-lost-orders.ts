import type { Database } from "@holdfast/shared/database.ts";
import type { Order } from "@holdfast/shared/order.ts";
import { publishOrders } from "@holdfast/shared/order-view.ts";
import { isPermanent } from "@holdfast/shared/outage.ts";
import type { Store } from "@holdfast/shared/redis.ts";
import { findOrders, placedColumns } from "@holdfast/shared/rows.ts";
import { sql } from "kysely";
import type { WorkerMetrics } from "../metrics/worker-metrics.ts";
import { asPlaced } from "../reserve/as-placed.ts";
import { batchSize } from "./find-lost-orders.ts";

export interface CancelLostParts extends Store {
  readonly db: Database;
  readonly signal: AbortSignal;
  readonly metrics?: Pick<WorkerMetrics, "settled"> | undefined;
}

/**
 * Gives orders that lost their purchase job their end. They cannot be put in line again: the
 * payment method was in the job alone. Each becomes a row like every accepted order, cancelled
 * without ever having been reserved, which is what tells its shopper that it was lost
 * (`showOrder`). An order that was decided meanwhile stays as it is, and its view is brought up to
 * date. May be done twice.
 * @returns how many were cancelled by this call
 */
export async function cancelLostOrders(
  { db, redis, keys, signal, metrics }: CancelLostParts,
  lost: readonly Order[],
): Promise<number> {
  let cancelled = 0;
  for (let i = 0; i < lost.length; i += batchSize) {
    signal.throwIfAborted();
    const batch = lost.slice(i, i + batchSize);
    const { known, inserted } = await cancelBatch(db, batch);
    for (let n = 0; n < inserted; n++) metrics?.settled("cancelled", reason);
    await publishOrders({ redis, keys }, asPlaced(known, batch));
    cancelled += inserted;
  }
  return cancelled;
}

interface CancelledBatch {
  /** What each order is now. */
  readonly known: readonly Order[];
  /** How many of them are new in Postgres. */
  readonly inserted: number;
}

/**
 * A batch that Postgres refuses for good is written one by one; whoever is to blame ends in its
 * view alone.
 */
async function cancelBatch(db: Database, orders: readonly Order[]): Promise<CancelledBatch> {
  try {
    return await writeCancellations(db, orders);
  } catch (error) {
    if (!isPermanent(error)) throw error;
    const [only] = orders;
    if (orders.length === 1 && only) return { known: [withoutRow(only)], inserted: 1 };
    const each: CancelledBatch[] = [];
    for (const order of orders) each.push(await cancelBatch(db, [order]));
    const inserted = each.reduce((sum, part) => sum + part.inserted, 0);
    return { known: each.flatMap(({ known }) => known), inserted };
  }
}

function withoutRow(order: Order): Order {
  return { ...order, status: "cancelled", reason, settledAtMs: Date.now(), version: 1, place: null };
}

const reason = "hold_expired"; // nothing that the shopper could mend; the event says why

function writeCancellations(db: Database, orders: readonly Order[]): Promise<CancelledBatch> {
  return db.transaction().execute(async (trx) => {
    const rows = await trx
      .insertInto("orders")
      .values(
        orders.map((order) => ({
          ...placedColumns(order),
          status: "cancelled" as const,
          reason,
          settled_at: sql<Date>`now()`,
        })),
      )
      .onConflict((conflict) => conflict.column("id").doNothing())
      .returning("id")
      .execute();
    const change = { event: "cancelled", from_status: "queued", to_status: "cancelled" } as const;
    const detail = { reason, why: "its purchase job was gone" };
    if (rows.length > 0) {
      await trx
        .insertInto("order_events")
        .values(rows.map(({ id }) => ({ order_id: id, ...change, detail })))
        .execute();
    }
    const known = await findOrders(
      trx,
      orders.map(({ id }) => id),
    );
    return { known: [...known.values()], inserted: rows.length };
  });
}
