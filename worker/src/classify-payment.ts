import Stripe from "stripe";

/**
 * What a payment came to, named by its consequence.
 * - `paid`: the money is taken: the order is confirmed.
 * - `declined`: the provider's definite no, nothing was or will be taken: the units go back.
 * - `needs_shopper`: the shopper has to do something (3-D Secure): the hold goes on.
 * - `processing`: the provider has not decided yet.
 * - `canceled`: the payment was called off and can never be paid.
 * - `unknown`: nobody can tell whether money was taken. Nothing may be released on it; ask again with the same key.
 */
export type PaymentOutcome =
  | { readonly kind: "paid"; readonly paymentIntentId: string; readonly amountMinor: number }
  | { readonly kind: "declined"; readonly paymentIntentId: string | null; readonly declineCode: string }
  | { readonly kind: "needs_shopper"; readonly paymentIntentId: string; readonly clientSecret: string | null }
  | { readonly kind: "processing"; readonly paymentIntentId: string }
  | { readonly kind: "canceled"; readonly paymentIntentId: string }
  | { readonly kind: "unknown"; readonly why: string };

/** Reads a PaymentIntent: https://docs.stripe.com/payments/paymentintents/lifecycle */
export function classifyIntent(intent: Stripe.PaymentIntent): PaymentOutcome {
  const paymentIntentId = intent.id;
  switch (intent.status) {
    case "succeeded":
      return { kind: "paid", paymentIntentId, amountMinor: intent.amount_received };
    case "requires_payment_method":
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
      return { kind: "unknown", why: `unexpected status ${intent.status}` };
    default:
      return { kind: "unknown", why: `status ${String(intent.status)}, which this version does not know` };
  }
}

/** Reads what the SDK threw: https://docs.stripe.com/error-handling. Whatever is not a definite no is unknown. */
export function classifyError(error: unknown): PaymentOutcome {
  if (error instanceof Stripe.errors.StripeCardError) {
    // 402: the bank or Stripe refused this card. https://docs.stripe.com/declines/codes
    const intent = error.payment_intent;
    return { kind: "declined", paymentIntentId: intent?.id ?? null, declineCode: declineCodeOf(error) };
  }
  if (error instanceof Stripe.errors.StripeIdempotencyError) {
    // The key was used with other parameters: what the first request did is not known here.
    return { kind: "unknown", why: "the idempotency key was used with other parameters" };
  }
  if (error instanceof Stripe.errors.StripeInvalidRequestError) {
    // 400 or 404, such as a payment method that does not exist: refused before anything was tried.
    return { kind: "declined", paymentIntentId: null, declineCode: error.code ?? "invalid_request" };
  }
  // Timeouts, lost connections, 5xx, 409, 429, a wrong key, and whatever else: nobody knows, or it can be mended.
  return { kind: "unknown", why: error instanceof Error ? error.message : String(error) };
}

function declineCodeOf(error: { decline_code?: string; code?: string } | null): string {
  return error?.decline_code || error?.code || "card_declined";
}
