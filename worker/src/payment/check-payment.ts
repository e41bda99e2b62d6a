import { isConfirmationToken } from "@holdfast/shared/card.ts";
import Stripe from "stripe";
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
    return (await isUntried(stripe, intent, payment.method)) ? { kind: "never_made" } : classifyIntent(intent);
  } catch (error) {
    return classifyError(error, "question");
  }
}

/**
 * Whether the payment still says what it said of an earlier card: this one was never tried on it.
 */
async function isUntried(stripe: Stripe, intent: Stripe.PaymentIntent, card: string | null): Promise<boolean> {
  const { status, last_payment_error: error, payment_method: current } = intent;
  if (status !== "requires_payment_method" && status !== "requires_action") return false;
  if (card !== null && isConfirmationToken(card)) return (await paymentOfToken(stripe, card)) !== intent.id;
  const said = status === "requires_action" ? current : error?.payment_method;
  return (typeof said === "string" ? said : said?.id) !== card;
}

/**
 * The payment that a confirmation token was used on. Null where it was used on none, or is
 * forgotten: sent again it is refused then, and the shopper is asked for the card.
 */
async function paymentOfToken(stripe: Stripe, token: string): Promise<string | null> {
  try {
    return (await stripe.confirmationTokens.retrieve(token)).payment_intent;
  } catch (error) {
    if (error instanceof Stripe.errors.StripeInvalidRequestError && error.code === "resource_missing") return null;
    throw error;
  }
}
