import type { Database } from "@holdfast/shared/database.ts";
import { invariant } from "@holdfast/shared/invariant.ts";
import type { OrderStatus } from "@holdfast/shared/order.ts";
import type { Tables } from "@holdfast/shared/tables.ts";
import type { Transaction } from "kysely";
import type { UnmatchedAnswer } from "./ask-unmatched.ts";
import type { UnmatchedPayment } from "./read-payment.ts";
import type { RefundOutcome } from "./refund-payment.ts";
import { closeUnmatched, endSearch, heedHints, noteUnmatched, waitForUnmatched } from "./unmatched-payments.ts";

/** Writes down what became of the refund of a payment that its order does not go by. */
export async function settleRefund(
  db: Database,
  orderId: string,
  { id, hints, paymentIntentId }: UnmatchedPayment,
  outcome: RefundOutcome,
): Promise<void> {
  invariant(paymentIntentId !== null, "only a known payment is refunded");
  await db.transaction().execute(async (trx) => {
    const order: { id: string; status: OrderStatus } = await trx
      .selectFrom("orders")
      .select(["id", "status"])
      .where("id", "=", orderId)
      .forUpdate()
      .executeTakeFirstOrThrow();
    await noteRefundOutcome(trx, order, id, paymentIntentId, outcome);
    await heedHints(trx, { id, hints });
  });
}

async function noteRefundOutcome(
  trx: Transaction<Tables>,
  order: { readonly id: string; readonly status: OrderStatus },
  id: number,
  paymentIntentId: string,
  outcome: RefundOutcome,
): Promise<void> {
  switch (outcome.kind) {
    case "refunded":
    case "disputed":
      return closeUnmatched(trx, order, paymentIntentId, outcome.kind);
    case "pending": // how it ends is asked for, not refunded anew
      return waitForUnmatched(trx, id, "provider", "ask");
    case "failed":
      return waitForUnmatched(trx, id, "refund", "ask");
    case "unknown":
      return waitForUnmatched(trx, id, outcome.cause === "no_answer" ? "no_answer" : "refund");
  }
}

/**
 * Writes down what a search for an attempt's payment found: each one that the order does not go by
 * is asked about.
 */
export async function settleSearch(
  db: Database,
  orderId: string,
  { id }: UnmatchedPayment,
  { found, over }: Extract<UnmatchedAnswer, { step: "search" }>,
): Promise<void> {
  await noteFound(db, orderId, found);
  if (over) await endSearch(db, id);
  else await db.transaction().execute((trx) => waitForUnmatched(trx, id, "search"));
}

/**
 * Writes down payments that were found under an order's metadata, where neither the order nor a row
 * of their own knows them.
 */
export async function noteFound(db: Database, orderId: string, found: readonly string[]): Promise<void> {
  if (found.length === 0) return;
  await db.transaction().execute(async (trx) => {
    const order = await trx
      .selectFrom("orders")
      .select("payment_intent_id")
      .where("id", "=", orderId)
      .forUpdate()
      .executeTakeFirstOrThrow();
    const known = await trx
      .selectFrom("unmatched_payments")
      .select("payment_intent_id")
      .where("order_id", "=", orderId)
      .execute();
    const ids = new Set([order.payment_intent_id, ...known.map((row) => row.payment_intent_id)]);
    for (const paymentIntentId of found) {
      if (!ids.has(paymentIntentId)) await noteUnmatched(trx, orderId, paymentIntentId, "ask");
    }
  });
}
