import { appendEvent, type Database, findOrder } from "@holdfast/shared/database.ts";
import { invariant } from "@holdfast/shared/invariant.ts";
import type { Item } from "@holdfast/shared/item.ts";
import type { OrderRecord, OrderStatus } from "@holdfast/shared/order.ts";
import { sql } from "kysely";
import type Stripe from "stripe";
import type { PaymentOutcome } from "./classify-payment.ts";
import {
  askOutcome,
  callOff,
  callOffIntent,
  type PayableOrder,
  refundPayment,
  sendCharge,
} from "./payment-provider.ts";
import { type Ending, recordRefund, recordStrayRefund, releaseUnpaid, settleOrder } from "./settle-order.ts";

/**
 * The three things that are done about an order's payment: charge it, ask what became of it, give up its hold. Each may stop anywhere and
 * run again. No transaction is open while the provider is called, and all that was decided is decided in `settleOrder`.
 */

export interface PaymentParts {
  readonly db: Database;
  readonly stripe: Stripe;
}

/** What came of it. */
export interface Settled {
  /** The order as it is now, with the client secret where the shopper has to do something. */
  readonly order: OrderRecord;
  /** The item where units went back to it. */
  readonly item: Item | null;
  /** What is to be tried again: the same, later; or a charge under a new key. */
  readonly again: "later" | { readonly attempt: number } | null;
}

/** Sends an attempt and settles the order by its outcome. An attempt that is not the order's current one sends nothing. */
export async function chargeOrder(parts: PaymentParts, orderId: string, attempt: number): Promise<Settled> {
  const order = await startAttempt(parts.db, orderId, attempt);
  if (order === null) return unchanged(parts.db, orderId);
  return settle(parts, order, await sendCharge(parts.stripe, order), null);
}

/**
 * Asks the provider what became of an order's payment. What is still open under a cancelled order is called off.
 * @param heardOf the payment the provider told of, where it did
 */
export async function checkPayment(
  parts: PaymentParts,
  orderId: string,
  heardOf: string | null = null,
): Promise<Settled> {
  if (heardOf !== null && (await isStray(parts.db, orderId, heardOf))) return checkStray(parts, orderId, heardOf);
  const order = await findPayable(parts.db, orderId);
  const unsent = order?.status === "reserved" && order.paymentStatus === "pending" && order.startedAtMs === null;
  if (order === null || unsent) return unchanged(parts.db, orderId);
  const outcome = await (order.status === "cancelled" ? callOff : askOutcome)(parts.stripe, order);
  return settle(parts, order, outcome, null);
}

/** Whether a payment is not the one its order goes by: the order is over without it, or has another. */
async function isStray(db: Database, orderId: string, paymentIntentId: string): Promise<boolean> {
  const row = await db
    .selectFrom("orders")
    .select(["status", "payment_intent_id"])
    .where("id", "=", orderId)
    .executeTakeFirstOrThrow();
  const undecided = row.status === "reserved" && row.payment_intent_id === null;
  return row.payment_intent_id !== paymentIntentId && !undecided;
}

/**
 * A payment that its order does not go by is called off, or given back where it was paid: nobody pays for nothing, or twice. A cancelled
 * order without a payment takes it for its own, so that the sweeper goes on where this stops.
 */
async function checkStray(parts: PaymentParts, orderId: string, paymentIntentId: string): Promise<Settled> {
  const outcome = await callOffIntent(parts.stripe, orderId, paymentIntentId);
  if (outcome.kind === "canceled") return unchanged(parts.db, orderId);
  if (outcome.kind !== "paid") return { ...(await unchanged(parts.db, orderId)), again: "later" };
  const { order } = await unchanged(parts.db, orderId);
  if (order.status === "cancelled") {
    const { step } = await settleOrder(parts.db, orderId, { attempt: 0, outcome }, null);
    if (step.do === "refund") return refundLatePayment(parts, orderId, paymentIntentId);
  }
  const refunded = await refundPayment(parts.stripe, orderId, paymentIntentId);
  if (refunded === "unknown") return { order, item: null, again: "later" };
  return { order: await recordStrayRefund(parts.db, orderId, paymentIntentId), item: null, again: null };
}

/** Gives up a hold: the payment is called off first, and only when the provider says so do the units go back. */
export async function releaseHold(parts: PaymentParts, orderId: string, reason: Ending): Promise<Settled> {
  const released = await releaseUnpaid(parts.db, orderId, reason);
  if (released !== null) return { ...released, again: null };
  const order = await findPayable(parts.db, orderId);
  if (order === null || order.status !== "reserved") return unchanged(parts.db, orderId);
  return settle(parts, order, await callOff(parts.stripe, order), reason);
}

type HeldOrder = PayableOrder & { readonly status: OrderStatus };

/** Settles, and does at the provider what follows from it. */
async function settle(
  parts: PaymentParts,
  held: HeldOrder,
  outcome: PaymentOutcome,
  ending: Ending | null,
): Promise<Settled> {
  if (outcome.kind === "paid") {
    invariant(outcome.amountMinor === held.amountMinor, `order ${held.id} was paid with another amount`);
  }
  const { order, item, step } = await settleOrder(parts.db, held.id, { attempt: held.attempt, outcome }, ending);
  switch (step.do) {
    case "charge_again":
      return { order, item, again: { attempt: held.attempt + 1 } };
    case "refund":
      return refundLatePayment(parts, held.id, step.paymentIntentId);
    case "cancel": {
      if (step.closed) return { order, item, again: null };
      // A declined intent waits for another card: it is called off, so that nobody can pay for units that are gone.
      const closed = await checkPayment(parts, held.id);
      return { ...closed, item };
    }
    case "confirm":
    case "note":
    case "close":
    case "nothing": {
      const clientSecret =
        outcome.kind === "needs_shopper" && order.status === "reserved" ? outcome.clientSecret : null;
      return { order: { ...order, clientSecret }, item, again: outcome.kind === "unknown" ? "later" : null };
    }
  }
}

async function refundLatePayment(parts: PaymentParts, orderId: string, paymentIntentId: string): Promise<Settled> {
  const refunded = await refundPayment(parts.stripe, orderId, paymentIntentId);
  if (refunded === "unknown") return { ...(await unchanged(parts.db, orderId)), again: "later" };
  return { order: await recordRefund(parts.db, orderId, paymentIntentId), item: null, again: null };
}

async function unchanged(db: Database, orderId: string): Promise<Settled> {
  return { order: await findOrder(db, orderId), item: null, again: null };
}

/**
 * Notes that an attempt is sent, before it is: from here on the hold is given up only on the provider's word. Null where there is
 * nothing to send: another attempt, a settled order, or a hold that is over.
 */
async function startAttempt(db: Database, orderId: string, attempt: number): Promise<HeldOrder | null> {
  return db.transaction().execute(async (trx) => {
    const started = await trx
      .updateTable("orders")
      .set({ payment_started_at: sql<Date>`now()`, payment_checked_at: sql<Date>`now()` })
      .where("id", "=", orderId)
      .where("status", "=", "reserved")
      .where("payment_attempt", "=", attempt)
      .where("payment_status", "=", "pending")
      .where("payment_started_at", "is", null)
      .where("hold_expires_at", ">", sql<Date>`now()`)
      .returning(["amount_minor", "currency", "payment_method"])
      .executeTakeFirst();
    if (started) {
      const { amount_minor: amount, currency, payment_method: paymentMethod } = started;
      const detail = { attempt, amount, currency, paymentMethod };
      await appendEvent(trx, orderId, "charge_started", { from: "reserved", to: "reserved" }, detail);
    }
    const order = await findPayable(trx, orderId);
    const unanswered = order?.paymentStatus === "pending" || order?.paymentStatus === "unknown";
    const current = order?.status === "reserved" && order.attempt === attempt && order.startedAtMs !== null;
    return order && current && unanswered ? order : null;
  });
}

/** An order whose payment can be asked about. Null where there is nothing to ask: no payment, or one that is over. */
async function findPayable(db: Database, orderId: string): Promise<HeldOrder | null> {
  const row = await db
    .selectFrom("orders")
    .select([
      "id",
      "item_id",
      "amount_minor",
      "currency",
      "status",
      "payment_method",
      "payment_attempt",
      "payment_status",
    ])
    .select(["payment_intent_id", "payment_started_at", "payment_closed_at"])
    .where("id", "=", orderId)
    .executeTakeFirst();
  if (!row || row.payment_method === null) return null;
  const held = row.status === "reserved";
  const openAfterCancel =
    row.status === "cancelled" && row.payment_intent_id !== null && row.payment_closed_at === null;
  if (!held && !openAfterCancel) return null;
  return {
    id: row.id,
    itemId: row.item_id,
    amountMinor: row.amount_minor,
    currency: row.currency,
    status: row.status,
    paymentMethod: row.payment_method,
    attempt: row.payment_attempt,
    paymentStatus: row.payment_status,
    paymentIntentId: row.payment_intent_id,
    startedAtMs: row.payment_started_at?.getTime() ?? null,
  };
}
