import type { Database } from "@holdfast/shared/database.ts";
import { appendEvent } from "@holdfast/shared/rows.ts";
import { sql } from "kysely";

/**
 * Takes back that a refund was asked for, since the provider never makes it: the order stays
 * confirmed, and is looked at once more for what the provider knows of it.
 */
export async function refuseRefund(db: Database, orderId: string, why: string): Promise<void> {
  await db.transaction().execute(async (trx) => {
    const row = await trx
      .updateTable("orders")
      .set({
        refund_requested_at: null,
        refund_returns_units: null,
        refund_reason: null,
        payment_due_at: sql<Date>`now()`,
        payment_looks: 0,
      })
      .where("id", "=", orderId)
      .where("status", "=", "confirmed")
      .where("refund_requested_at", "is not", null)
      .returning("status")
      .executeTakeFirst();
    if (!row) return;
    await appendEvent(trx, orderId, "refund_refused", { from: row.status, to: row.status }, { why });
  });
}
