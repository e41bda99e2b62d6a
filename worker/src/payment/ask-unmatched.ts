import type Stripe from "stripe";
import { cancelPayment } from "./cancel-payment.ts";
import { retrievePayment } from "./check-payment.ts";
import { classifyError, type PaymentOutcome, type Unknown } from "./classify-payment.ts";
import { searchPayments } from "./find-payment.ts";
import type { UnmatchedPayment } from "./read-payment.ts";

/**
 * What became of a refund.
 * - `refunded`: the money is on its way back for good.
 * - `pending`: the provider has begun it, and tells how it ended.
 * - `disputed`: the shopper's bank takes the money back itself, so the provider refunds nothing.
 * - `failed`: it was tried, and the money came back to us.
 */
export type RefundOutcome = { readonly kind: "refunded" | "pending" | "disputed" | "failed" } | Unknown;

/** What is known of an unmatched payment after a step was done about it. */
export type UnmatchedAnswer =
  | { readonly step: "ask" | "cancel"; readonly outcome: PaymentOutcome }
  | { readonly step: "refund"; readonly outcome: RefundOutcome }
  | {
      readonly step: "search";
      readonly found: readonly string[];
      readonly over: boolean;
      readonly failure: PaymentOutcome | null;
    };

const searchedForMs = 25 * 3_600_000; // by then every key is forgotten and every list complete: what is not there was never made

/**
 * Does the next step about a payment that its order does not go by. It may be done any number of
 * times.
 */
export async function askAboutUnmatched(
  stripe: Stripe,
  orderId: string,
  { id, nextStep, paymentIntentId, sentMsAgo, looks }: UnmatchedPayment,
): Promise<UnmatchedAnswer> {
  if (nextStep === "search" || paymentIntentId === null) {
    const age = sentMsAgo ?? 0;
    const { payments, complete, failure } = await searchPayments(stripe, orderId);
    const found = payments.flatMap(({ paymentIntentId: id }) => (id === null ? [] : [id]));
    const cannotSearch = !complete && failure === null;
    return { step: "search", found, over: (complete || cannotSearch) && age >= searchedForMs, failure };
  }
  switch (nextStep) {
    case "ask":
      return { step: "ask", outcome: await retrievePayment(stripe, paymentIntentId) };
    case "cancel":
      return { step: "cancel", outcome: await cancelPayment(stripe, orderId, paymentIntentId) };
    case "refund":
      return {
        step: "refund",
        outcome: await refundPayment(stripe, orderId, paymentIntentId, `${paymentIntentId}-refund-${id}-${looks}`),
      };
  }
}

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
