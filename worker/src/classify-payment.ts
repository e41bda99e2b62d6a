import Stripe from "stripe";

/**
 * What a payment came to, named by its consequence.
 * - `paid`: the money is taken: the order is confirmed.
 * - `declined`: the provider's definite no, nothing was or will be taken: the units go back.
 * - `needs_shopper`: the shopper has to do something (3-D Secure): the hold goes on.
 * - `processing`: the provider has not decided yet.
 * - `canceled`: the payment was called off and can never be paid.
 * - `never_made`: the provider has no such payment, and the key it was asked for under makes none any more.
 * - `unknown`: nobody can tell whether money was taken. Nothing may be released on it; ask again with the same key.
 */
export type PaymentOutcome =
  | { readonly kind: "paid"; readonly paymentIntentId: string; readonly amountMinor: number }
  | { readonly kind: "declined"; readonly paymentIntentId: string | null; readonly declineCode: string }
  | { readonly kind: "needs_shopper"; readonly paymentIntentId: string; readonly clientSecret: string | null }
  | { readonly kind: "processing"; readonly paymentIntentId: string }
  | { readonly kind: "canceled"; readonly paymentIntentId: string }
  | { readonly kind: "never_made" }
  | {
      readonly kind: "unknown";
      readonly why: string;
      /** Whether the provider only repeats an answer it saved: asking under this key again is no use. */
      readonly keySpent: boolean;
      /** The payment it is about, where one is known. */
      readonly paymentIntentId: string | null;
    };

/** Reads a PaymentIntent: https://docs.stripe.com/payments/paymentintents/lifecycle */
export function classifyIntent(intent: Stripe.PaymentIntent): PaymentOutcome {
  const paymentIntentId = intent.id;
  switch (intent.status) {
    case "succeeded":
      return { kind: "paid", paymentIntentId, amountMinor: intent.amount_received };
    case "requires_payment_method":
      // Without an error nothing was tried yet: the request that made it may still be under way.
      if (!intent.last_payment_error) return unknown("not tried yet", { paymentIntentId });
      return { kind: "declined", paymentIntentId, declineCode: declineCodeOf(intent.last_payment_error) };
    case "requires_action":
      return { kind: "needs_shopper", paymentIntentId, clientSecret: intent.client_secret };
    case "processing":
      return { kind: "processing", paymentIntentId };
    case "canceled":
      return { kind: "canceled", paymentIntentId };
    case "requires_confirmation":
    case "requires_capture":
      // We create and confirm in one call and capture at once: neither should come, and neither says what will be.
      return unknown(`unexpected status ${intent.status}`, { paymentIntentId });
    default:
      return unknown(`status ${String(intent.status)}, which this version does not know`, { paymentIntentId });
  }
}

/**
 * Reads what the SDK threw: https://docs.stripe.com/error-handling. Whatever is not a definite no is unknown.
 * @param asked whether a charge was sent, which an invalid request refuses for good, or something was asked about one that was
 */
export function classifyError(error: unknown, asked: "charge" | "question"): PaymentOutcome {
  if (error instanceof Stripe.errors.StripeCardError) {
    // 402: the bank or Stripe refused this card. https://docs.stripe.com/declines/codes
    return { kind: "declined", paymentIntentId: error.payment_intent?.id ?? null, declineCode: declineCodeOf(error) };
  }
  if (error instanceof Stripe.errors.StripeIdempotencyError) {
    // The key was used with other parameters: what the first request did is not known here.
    return unknown("the idempotency key was used with other parameters");
  }
  if (error instanceof Stripe.errors.StripeInvalidRequestError) {
    // "You cannot cancel (or confirm) this PaymentIntent because it has a status of …": the status is the answer.
    if (error.payment_intent) return classifyIntent(error.payment_intent);
    // 400 or 404, such as a payment method that does not exist: refused before anything was tried.
    if (asked === "charge")
      return { kind: "declined", paymentIntentId: null, declineCode: error.code ?? "invalid_request" };
  }
  // Timeouts, lost connections, 5xx, 409, 429, a wrong key, and whatever else: nobody knows, or it can be mended.
  const replayed = (error as { headers?: Record<string, string> }).headers?.["idempotent-replayed"] === "true";
  return unknown(error instanceof Error ? error.message : String(error), { keySpent: replayed });
}

function unknown(why: string, more: { keySpent?: boolean; paymentIntentId?: string } = {}): PaymentOutcome {
  return { kind: "unknown", why, keySpent: more.keySpent ?? false, paymentIntentId: more.paymentIntentId ?? null };
}

function declineCodeOf(error: { decline_code?: string; code?: string }): string {
  return error.decline_code || error.code || "card_declined";
}
