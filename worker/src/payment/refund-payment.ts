import type Stripe from "stripe";
import { retrievePayment } from "./check-payment.ts";
import { classifyError, type PaymentOutcome, type Unknown } from "./classify-payment.ts";

/**
 * What became of a refund.
 * - `refunded`: the money is on its way back for good.
 * - `pending`: the provider has begun it, and tells how it ended.
 * - `disputed`: the shopper's bank takes the money back itself, so the provider refunds nothing.
 * - `failed`: it was tried, and the money came back to us.
 */
export type RefundOutcome = { readonly kind: "refunded" | "pending" | "disputed" | "failed" } | Unknown;

/**
 * Refunds all of a payment, once: the provider refuses a second refund in full, whatever key it is
 * asked for under. So each look has a key of its own, and neither a failure that was saved under
 * one nor a refund that has failed since stands in the way of the next.
 * @param key made of our own ids, the same when the same look runs again
 */
export async function refundPayment(
  stripe: Stripe,
  orderId: string,
  paymentIntentId: string,
  key: string,
): Promise<RefundOutcome> {
  try {
    const refund = await stripe.refunds.create(
      { payment_intent: paymentIntentId, metadata: { orderId } },
      { idempotencyKey: key },
    );
    if (refund.status === "failed" || refund.status === "canceled") return { kind: "failed" };
    // It may be a saved answer about a refund that has failed since, or the rest of a payment of
    // which somebody else's refund is under way: what counts is what has gone back by now.
    return refundedByNow(stripe, paymentIntentId);
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === "charge_disputed") return { kind: "disputed" };
    if (code === "charge_already_refunded") return refundedByNow(stripe, paymentIntentId);
    return asUnknown(classifyError(error, "question"));
  }
}

/** It may be pending still, or have been made by somebody else. */
async function refundedByNow(stripe: Stripe, paymentIntentId: string): Promise<RefundOutcome> {
  const outcome = await retrievePayment(stripe, paymentIntentId);
  if (outcome.kind !== "paid") return asUnknown(outcome);
  if (outcome.refundPending) return { kind: "pending" };
  return { kind: outcome.refundedMinor >= outcome.amountMinor ? "refunded" : "failed" };
}

function asUnknown(outcome: PaymentOutcome): Unknown {
  if (outcome.kind === "unknown") return outcome;
  const why = `the provider says ${outcome.kind}`;
  return { kind: "unknown", cause: "undecided", why, keyExhausted: false, paymentIntentId: null };
}
