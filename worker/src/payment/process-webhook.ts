import { chargeQueueEntry } from "@holdfast/shared/charge-job.ts";
import type { Database } from "@holdfast/shared/database.ts";
import type { OrderStatus, PaymentStatus } from "@holdfast/shared/order.ts";
import type { ChargeQueue } from "@holdfast/shared/queues.ts";
import type { Tables } from "@holdfast/shared/tables.ts";
import type { WebhookJob } from "@holdfast/shared/webhook-job.ts";
import { sql, type Transaction } from "kysely";
import { noteUnmatched } from "./unmatched-payments.ts";

export type WebhookOutcome = "asked" | "nothing_new" | "seen_before" | "not_ours";

/**
 * Processes an event of the provider, once however often it comes. It is a hint, not a fact: it may
 * be days old or out of order, so all it does is have the provider asked what the payment is now.
 * That it is to be asked is in Postgres before the event counts as processed; should the job get
 * lost, the sweeper goes on.
 * @param traceparent what asking goes on from, where there is tracing
 */
export async function processWebhook(
  db: Database,
  charges: ChargeQueue,
  event: WebhookJob,
  traceparent: string | null = null,
): Promise<WebhookOutcome> {
  const { eventId, type, paymentIntentId } = event;
  const noted = await db.transaction().execute(async (trx) => {
    if (!(await isNew(trx, event))) return { outcome: "seen_before" as const };
    const order = await lockOrderOf(trx, event);
    const dueInMs = order && paymentIntentId !== null ? await noteHint(trx, order, type, paymentIntentId) : null;
    await trx.updateTable("webhook_events").set({ processed_at: sql<Date>`now()` }).where("id", "=", eventId).execute();
    if (!order) return { outcome: "not_ours" as const };
    return dueInMs === null
      ? { outcome: "nothing_new" as const }
      : { outcome: "asked" as const, orderId: order.id, dueInMs };
  });
  if (noted.outcome === "asked") {
    const { name, data, opts } = chargeQueueEntry("webhook", noted.orderId, eventId, traceparent);
    // At the head of the queue: late money is refunded within seconds, however many charges wait.
    await charges.add(name, data, { ...opts, ...(noted.dueInMs > 0 ? { delay: noted.dueInMs } : { lifo: true }) });
  }
  return noted.outcome;
}

/**
 * Whether the event was not processed yet. Of two that come at the same moment the second one waits
 * for the first.
 */
async function isNew(trx: Transaction<Tables>, { eventId, type, paymentIntentId }: WebhookJob): Promise<boolean> {
  await trx
    .insertInto("webhook_events")
    .values({ id: eventId, type, payment_intent_id: paymentIntentId, processed_at: null })
    .onConflict((c) => c.column("id").doNothing())
    .execute();
  const row = await trx
    .selectFrom("webhook_events")
    .select("processed_at")
    .where("id", "=", eventId)
    .forUpdate()
    .executeTakeFirstOrThrow();
  return row.processed_at === null;
}

interface OrderAtHand {
  readonly id: string;
  readonly status: OrderStatus;
  readonly payment_status: PaymentStatus | null;
  readonly payment_intent_id: string | null;
  readonly just_sent: boolean;
}

const answerUnderWayMs = 5_000; // within this, the answer to a charge is most likely on its way

/**
 * The order that an event is about: by the order's id in the payment's metadata, or by the
 * payment's, which refunds and disputes have.
 */
async function lockOrderOf(
  trx: Transaction<Tables>,
  { orderId, paymentIntentId }: WebhookJob,
): Promise<OrderAtHand | undefined> {
  const id = orderId ?? (paymentIntentId === null ? null : await findOrderOf(trx, paymentIntentId));
  if (id === null) return undefined;
  return trx
    .selectFrom("orders")
    .select(["id", "status", "payment_status", "payment_intent_id"])
    .select(
      sql<boolean>`payment_status = 'pending' and payment_started_at > now() - ${answerUnderWayMs} * interval '1 millisecond'`.as(
        "just_sent",
      ),
    )
    .where("id", "=", id)
    .forUpdate()
    .executeTakeFirst();
}

async function findOrderOf(trx: Transaction<Tables>, paymentIntentId: string): Promise<string | null> {
  const own = await trx
    .selectFrom("orders")
    .select("id")
    .where("payment_intent_id", "=", paymentIntentId)
    .executeTakeFirst();
  if (own) return own.id;
  const unmatched = await trx
    .selectFrom("unmatched_payments")
    .select("order_id")
    .where("payment_intent_id", "=", paymentIntentId)
    .executeTakeFirst();
  return unmatched?.order_id ?? null;
}

/**
 * Writes down that the payment is to be asked about.
 * @returns in how many ms; null where the event says nothing that is not known
 */
async function noteHint(
  trx: Transaction<Tables>,
  order: OrderAtHand,
  type: string,
  paymentIntentId: string,
): Promise<number | null> {
  const own = order.payment_intent_id === paymentIntentId;
  if (own && order.status !== "cancelled") {
    if (order.status !== "reserved" && !movesMoneyBack(type)) return null;
    // A failure of the earlier card, where another is being tried: its own answer says what came of
    // it.
    if ((order.payment_status === "declined" || order.just_sent) && type.endsWith("failed")) return null;
    const due = {
      payment_due_at: sql<Date>`now()`,
      payment_looks: 0,
      payment_hints: sql<number>`payment_hints + 1`,
    };
    await trx.updateTable("orders").set(due).where("id", "=", order.id).execute();
    return 0;
  }
  if (!isAboutMoney(type) && (own || (await isKnown(trx, paymentIntentId)))) return null;
  const dueInMs = order.status === "reserved" && order.just_sent ? answerUnderWayMs : 0;
  await noteUnmatched(trx, order.id, paymentIntentId, "ask", { dueInMs });
  return dueInMs;
}

/**
 * Whether an event may be about money taken, or come back to us: then the provider is asked, also
 * about a payment that is settled for us.
 */
function isAboutMoney(type: string): boolean {
  return /^(payment_intent|charge)\.succeeded$|^(charge\.)?refund\.(failed|updated)$|^charge\.dispute\.closed$/.test(
    type,
  );
}

/** Whether an event may be about money of a paid order that goes back. */
function movesMoneyBack(type: string): boolean {
  return /^(refund\.|charge\.refund|charge\.dispute)/.test(type);
}

async function isKnown(trx: Transaction<Tables>, paymentIntentId: string): Promise<boolean> {
  const known = await trx
    .selectFrom("unmatched_payments")
    .select("id")
    .where("payment_intent_id", "=", paymentIntentId)
    .executeTakeFirst();
  return known !== undefined;
}
