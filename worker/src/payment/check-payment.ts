import type Stripe from "stripe";
import { askProvider, withRefunds } from "./ask-provider.ts";
import { classifyError, classifyIntent, type PaymentOutcome } from "./classify-payment.ts";
import type { Payment } from "./read-payment.ts";

/** Asks what a payment is now, with what was refunded or disputed of it. */
export function retrievePayment(stripe: Stripe, paymentIntentId: string): Promise<PaymentOutcome> {
  return askProvider("question", () => stripe.paymentIntents.retrieve(paymentIntentId, withRefunds));
}

/**
 * Asks what became of the order's own payment. Where the answer to its current attempt is missing,
 * only what it says of that counts.
 */
export async function checkPayment(stripe: Stripe, payment: Payment, paymentIntentId: string): Promise<PaymentOutcome> {
  const unanswered = payment.paymentStatus === "pending" || payment.paymentStatus === "unknown";
  if (payment.status !== "reserved" || !unanswered) return retrievePayment(stripe, paymentIntentId);
  try {
    const intent = await stripe.paymentIntents.retrieve(paymentIntentId, withRefunds);
    return isUntried(intent, payment.method) ? { kind: "never_made" } : classifyIntent(intent);
  } catch (error) {
    return classifyError(error, "question");
  }
}

/**
 * Whether the payment still says what it said of an earlier card: this one was never tried on it.
 */
function isUntried(intent: Stripe.PaymentIntent, method: string | null): boolean {
  const cardOf = (value: string | Stripe.PaymentMethod | null | undefined) =>
    typeof value === "string" ? value : (value?.id ?? null);
  if (intent.status === "requires_payment_method") return cardOf(intent.last_payment_error?.payment_method) !== method;
  return intent.status === "requires_action" && cardOf(intent.payment_method) !== method;
}
