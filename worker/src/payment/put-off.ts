import type { Database } from "@holdfast/shared/database.ts";
import { sql } from "kysely";
import { lookAgainMs } from "./look-again.ts";
import type { Payment } from "./read-payment.ts";

export const idleMs = 60_000; // until a payment is looked at again of which nothing is to be done

/**
 * Puts off what is due and has nothing to be done: to the end of its hold, or a minute. Otherwise
 * it would be looked at over and over. Not where somebody said meanwhile that there is something.
 */
export async function putOff(db: Database, { orderId, hints, status }: Payment): Promise<void> {
  const later = sql<Date>`greatest(coalesce(hold_expires_at, now()), now() + ${idleMs} * interval '1 millisecond')`;
  await db
    .updateTable("orders")
    .set({ payment_due_at: status === "reserved" ? later : null })
    .where("id", "=", orderId)
    .where("status", "=", status)
    .where("payment_hints", "=", hints)
    .where("payment_due_at", "<=", sql<Date>`now()`)
    .execute();
}

/**
 * Puts off everything about an order whose settling failed: later each time, since it may fail
 * again.
 */
export async function putOffFailed(db: Database, orderId: string): Promise<void> {
  await db.transaction().execute(async (trx) => {
    const order = await trx
      .selectFrom("orders")
      .select("payment_looks")
      .where("id", "=", orderId)
      .forUpdate()
      .executeTakeFirst();
    if (!order) return;
    const later = sql<Date>`now() + ${lookAgainMs("refund", order.payment_looks)} * interval '1 millisecond'`;
    await trx
      .updateTable("orders")
      .set({ payment_due_at: later, payment_looks: sql<number>`payment_looks + 1` })
      .where("id", "=", orderId)
      .where("payment_due_at", "is not", null)
      .execute();
    await trx
      .updateTable("unmatched_payments")
      .set({ due_at: later })
      .where("order_id", "=", orderId)
      .where("outcome", "is", null)
      .execute();
  });
}
