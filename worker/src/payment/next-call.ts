import { invariant } from "@holdfast/shared/invariant.ts";
import type { Payment, UnmatchedPayment } from "./read-payment.ts";

/** What is to be asked of the provider next. */
export type Call =
  /** Sends the current attempt, the first time or again under the same key. */
  | { readonly do: "send"; readonly first: boolean }
  /** Asks about the order's own payment. */
  | { readonly do: "check"; readonly paymentIntentId: string }
  /** Searches for the order's own payment, whose id never came. */
  | { readonly do: "find" }
  /** Cancels the order's own payment, to release its hold. */
  | { readonly do: "release"; readonly paymentIntentId: string }
  /** Nothing was ever made at the provider: the hold is released without a call. */
  | { readonly do: "let_go" }
  /** Refunds a paid order, since operations asked for it. */
  | { readonly do: "refund"; readonly paymentIntentId: string }
  /** Does the next step about a payment that the order does not go by. */
  | { readonly do: "settle_unmatched"; readonly unmatched: UnmatchedPayment };

/**
 * Stripe remembers a key for at least 24 h, and a repeat after that would be a second payment: so
 * 20 h, to be safe.
 */
export const keyRememberedMs = 20 * 3_600_000;

/**
 * Decides what is asked of the provider next about an order; null where nothing is to be asked now.
 *
 * A payment that somebody told us of is asked about before anything is sent: it may be what the
 * order waits for. Where the provider has not answered that yet, sending waits too.
 */
export function nextCall(payment: Payment): Call | null {
  const due = payment.unmatched.filter(({ dueInMs }) => dueInMs <= 0);
  const toldOf = due.find(({ nextStep }) => nextStep === "ask");
  if (toldOf) return { do: "settle_unmatched", unmatched: toldOf };
  const own = callForOwn(payment);
  if (own !== null && !(own.do === "send" && awaitsAnswer(payment))) return own;
  return due[0] ? { do: "settle_unmatched", unmatched: due[0] } : null;
}

const soonMs = 2 * 60_000; // an ask that got no answer is repeated within this; one that waits for the bank or a refund, later
const asksBeforeSending = 40; // some twelve minutes: what is never answered must not keep an order from being charged for good

/**
 * Whether a held order's payment may be one that we were told of, and nobody could ask about yet.
 */
export function awaitsAnswer({ status, unmatched }: Payment): boolean {
  return (
    status === "reserved" &&
    unmatched.some(
      ({ nextStep, dueInMs, looks }) => nextStep === "ask" && dueInMs <= soonMs && looks < asksBeforeSending,
    )
  );
}

function callForOwn(payment: Payment): Call | null {
  const { status, paymentIntentId, firstSentMsAgo } = payment;
  const due = payment.dueInMs !== null && payment.dueInMs <= 0;
  if (status === "reserved") {
    const unsent = payment.paymentStatus === "pending" && firstSentMsAgo === null;
    if (payment.releasing !== null) {
      return due || (unsent && paymentIntentId === null) ? callToRelease(payment) : null;
    }
    // A card is tried as soon as its job runs; the same card under another key has its time.
    if (unsent) return due || payment.attempt <= payment.cards ? { do: "send", first: true } : null;
    return due ? callForHeld(payment) : null;
  }
  if (!due || paymentIntentId === null) return null;
  // Otherwise a refund or a dispute made at the provider.
  return { do: status === "confirmed" && payment.refundRequested ? "refund" : "check", paymentIntentId };
}

function callForHeld(payment: Payment): Call | null {
  const { paymentIntentId, paymentStatus } = payment;
  switch (paymentStatus) {
    case "pending":
    case "unknown":
      if (paymentIntentId !== null) return { do: "check", paymentIntentId };
      return isRepeatable(payment) ? { do: "send", first: false } : { do: "find" };
    case "requires_action":
    case "processing":
      invariant(paymentIntentId !== null, `order ${payment.orderId} waits for a payment without an id`);
      return { do: "check", paymentIntentId };
    case "declined":
      // It waits for another card or the end of its hold; due before, somebody said that it was
      // paid.
      return paymentIntentId === null ? null : { do: "check", paymentIntentId };
    case "succeeded":
    case "refunded":
    case null:
      return null;
  }
}

function callToRelease(payment: Payment): Call {
  const { paymentIntentId, paymentStatus, firstSentMsAgo } = payment;
  if (paymentIntentId !== null) return { do: "release", paymentIntentId };
  if (firstSentMsAgo === null || paymentStatus === "declined") return { do: "let_go" };
  // The answer is missing: the same request again says which payment is to be canceled, or that the
  // card was declined.
  return isRepeatable(payment) ? { do: "send", first: false } : { do: "find" };
}

/**
 * Whether the same request under the same key is answered with what it did, or does what never
 * arrived.
 */
function isRepeatable({ firstSentMsAgo, keyExhausted }: Payment): boolean {
  return firstSentMsAgo !== null && firstSentMsAgo < keyRememberedMs && !keyExhausted;
}
