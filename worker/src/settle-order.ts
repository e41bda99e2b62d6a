import { type Database, findOrder, itemFromRow, orderColumns, orderFromRow } from "@holdfast/shared/database.ts";
import type { Item } from "@holdfast/shared/item.ts";
import type { CancelReason, OrderRecord } from "@holdfast/shared/order.ts";
import { sql } from "kysely";

/** What a settled order looks like now, and its item where units went back. */
export interface Settlement {
  readonly order: OrderRecord;
  readonly item: Item | null;
}

/**
 * Makes a reserved order confirmed. An order that is settled already stays as it is.
 * @returns the order as it is now
 */
export async function confirmOrder(db: Database, orderId: string, paymentIntentId: string): Promise<Settlement> {
  return db.transaction().execute(async (trx) => {
    const confirmed = await trx
      .updateTable("orders")
      .set({
        status: "confirmed",
        payment_status: "succeeded",
        payment_intent_id: paymentIntentId,
        settled_at: sql<Date>`now()`,
      })
      .where("id", "=", orderId)
      .where("status", "=", "reserved")
      .returning(orderColumns)
      .executeTakeFirst();
    if (!confirmed) return { order: await findOrder(trx, orderId), item: null };

    const detail = { paymentIntent: paymentIntentId, amount: confirmed.amount_minor, currency: confirmed.currency };
    await appendEvent(trx, orderId, "confirmed", detail);
    return { order: orderFromRow(confirmed), item: null };
  });
}

export interface Cancellation {
  readonly reason: CancelReason;
  readonly paymentIntentId: string | null;
  readonly declineCode: string | null;
}

/**
 * Makes a reserved order cancelled and gives its units back to the item, in one transaction: neither happens without the
 * other, and both at most once. An order that is settled already stays as it is.
 */
export async function cancelOrder(db: Database, orderId: string, cancellation: Cancellation): Promise<Settlement> {
  const { reason, paymentIntentId, declineCode } = cancellation;
  return db.transaction().execute(async (trx) => {
    const cancelled = await trx
      .updateTable("orders")
      .set({
        status: "cancelled",
        reason,
        payment_status: "declined",
        payment_intent_id: paymentIntentId,
        decline_code: declineCode,
        settled_at: sql<Date>`now()`,
      })
      .where("id", "=", orderId)
      .where("status", "=", "reserved")
      .returning(orderColumns)
      .executeTakeFirst();
    if (!cancelled) return { order: await findOrder(trx, orderId), item: null };

    await appendEvent(trx, orderId, "cancelled", { reason, paymentIntent: paymentIntentId, declineCode });
    const item = await trx
      .updateTable("items")
      .set({ inventory: sql<number>`inventory + ${cancelled.quantity}` })
      .where("id", "=", cancelled.item_id)
      .returningAll()
      .executeTakeFirstOrThrow();
    return { order: orderFromRow(cancelled), item: itemFromRow(item) };
  });
}

async function appendEvent(
  db: Database,
  orderId: string,
  status: "confirmed" | "cancelled",
  detail: Record<string, unknown>,
): Promise<void> {
  await db
    .insertInto("order_events")
    .values({ order_id: orderId, event: status, from_status: "reserved", to_status: status, detail })
    .execute();
}
