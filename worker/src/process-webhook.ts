import { chargeQueueEntry } from "@holdfast/shared/charge-job.ts";
import type { Database } from "@holdfast/shared/database.ts";
import type { ChargeQueue } from "@holdfast/shared/queues.ts";
import type { WebhookJob } from "@holdfast/shared/webhook-job.ts";
import { sql } from "kysely";

export type WebhookOutcome = "asked" | "seen_before" | "not_ours";

/**
 * An event of the provider, processed once however often it comes. It is taken as a hint, not as news: it may be days old or out of order,
 * so all it does is have the provider asked what the payment is now.
 */
export async function processWebhook(db: Database, charges: ChargeQueue, event: WebhookJob): Promise<WebhookOutcome> {
  const { eventId, type, paymentIntentId, orderId } = event;
  const received = { id: eventId, type, payment_intent_id: paymentIntentId };
  await db
    .insertInto("webhook_events")
    .values(received)
    .onConflict((c) => c.column("id").doNothing())
    .execute();
  const row = await db
    .selectFrom("webhook_events")
    .select("processed_at")
    .where("id", "=", eventId)
    .executeTakeFirstOrThrow();
  if (row.processed_at !== null) return "seen_before";

  const order = orderId === null ? undefined : await findOrderFor(db, orderId);
  if (order && paymentIntentId !== null && !isOver(order, paymentIntentId)) {
    const { name, data, opts } = chargeQueueEntry({ kind: "check", orderId: order.id, paymentIntentId });
    // At the head of the queue: late money is given back within seconds, however many charges wait.
    await charges.add(name, data, { ...opts, jobId: `check-${eventId}`, lifo: true });
  }
  // Only now: had the process died before, the event would be processed again.
  await db.updateTable("webhook_events").set({ processed_at: sql<Date>`now()` }).where("id", "=", eventId).execute();
  return order ? "asked" : "not_ours";
}

interface OrderAtHand {
  readonly id: string;
  readonly status: string;
  readonly payment_intent_id: string | null;
  readonly payment_closed_at: Date | null;
}

function findOrderFor(db: Database, orderId: string): Promise<OrderAtHand | undefined> {
  return db
    .selectFrom("orders")
    .select(["id", "status", "payment_intent_id", "payment_closed_at"])
    .where("id", "=", orderId)
    .executeTakeFirst();
}

/** Whether all that can come of this payment has come: asking would only use up the provider's rate. */
function isOver(order: OrderAtHand, paymentIntentId: string): boolean {
  if (order.payment_intent_id !== paymentIntentId) return false;
  return order.status === "confirmed" || (order.status === "cancelled" && order.payment_closed_at !== null);
}
