import Stripe from "stripe";

/**
 * What a payment came to, named by its consequence.
 * - `paid`: the money is taken: the order is confirmed.
 * - `declined`: the provider's definite no, nothing was or will be taken: the units go back.
 * - `untried`: the card could not be tried, and never can be: a confirmation token that was used,
 *   grew stale in line, or is `missing` at the provider. Nothing was taken.
 * - `needs_shopper`: the shopper has to do something (3-D Secure): the hold goes on.
 * - `processing`: the provider has not decided yet.
 * - `canceled`: the payment was canceled and can never be paid.
 * - `never_made`: the provider has no such payment, and the key it was asked for under makes none
 *   any more.
 * - `unknown`: nobody can tell whether money was taken. Nothing may be released on it.
 */
export type PaymentOutcome =
  | ({ readonly kind: "paid" } & Paid)
  | ({ readonly kind: "declined"; readonly declineCode: string } & AboutIntent<string | null>)
  | ({ readonly kind: "untried"; readonly missing: boolean } & AboutIntent<string | null>)
  | ({ readonly kind: "needs_shopper"; readonly clientSecret: string | null } & AboutIntent<string>)
  | ({ readonly kind: "processing" } & AboutIntent<string>)
  | ({ readonly kind: "canceled" } & AboutIntent<string>)
  | { readonly kind: "never_made" }
  | Unknown;

interface AboutIntent<Id extends string | null> {
  readonly paymentIntentId: Id;
  /** The charge attempt that made the payment, as its metadata say; null where they don't. */
  readonly madeByAttempt: number | null;
  /** What was asked for, and in what currency; null where the answer does not say. */
  readonly amountMinor: number | null;
  readonly currency: string | null;
}

export interface Paid extends AboutIntent<string> {
  /** What was received. */
  readonly amountMinor: number;
  readonly currency: string;
  /** Whether what follows was seen; an answer without the charge says nothing of it. */
  readonly refundsSeen: boolean;
  /** What was refunded for good; a refund under way is not in it. */
  readonly refundedMinor: number;
  readonly refundPending: boolean;
  /** Whether the shopper's bank has disputed the charge. */
  readonly disputed: boolean;
}

export interface Unknown extends Partial<Omit<AboutIntent<string>, "paymentIntentId">> {
  readonly kind: "unknown";
  /**
   * - `no_answer`: timeout, broken connection, 5xx, 409, 429: the same request may be answered in a
   *   moment.
   * - `refused`: the provider refuses us, not the card: a wrong key, a currency that is not
   *   activated. Somebody has to mend it.
   * - `not_found`: the payment was searched for and is not there (yet).
   * - `undecided`: there is a payment, and its state says nothing yet.
   */
  readonly cause: "no_answer" | "refused" | "not_found" | "undecided";
  readonly why: string;
  /**
   * Whether the provider only repeats an answer it saved: asking under this key again is no use.
   */
  readonly keyExhausted: boolean;
  /** The payment it is about, where one is known. */
  readonly paymentIntentId: string | null;
  /** When it is of use to ask again, where that is known. */
  readonly againInMs?: number;
}

/**
 * Reads a PaymentIntent: https://docs.stripe.com/payments/paymentintents/lifecycle
 * @param intent its refunds and dispute are only seen where `latest_charge` and
 *   `latest_charge.refunds` are expanded
 */
export function classifyIntent(intent: Stripe.PaymentIntent): PaymentOutcome {
  const about = aboutIntent(intent);
  switch (intent.status) {
    case "succeeded":
      return {
        kind: "paid",
        ...about,
        amountMinor: intent.amount_received,
        ...refundsOf(intent),
      };
    case "requires_payment_method":
      // Without an error nothing was tried yet: the request that made it may still be under way.
      if (!intent.last_payment_error) return undecided("not tried yet", about);
      return { kind: "declined", ...about, declineCode: declineCodeOf(intent.last_payment_error) };
    case "requires_action":
      return { kind: "needs_shopper", ...about, clientSecret: intent.client_secret };
    case "processing":
      return { kind: "processing", ...about };
    case "canceled":
      return { kind: "canceled", ...about };
    case "requires_confirmation":
    case "requires_capture":
      // We create and confirm in one call and capture at once: neither should come, and neither
      // says what will be.
      return undecided(`unexpected status ${intent.status}`, about);
    default:
      return undecided(`status ${String(intent.status)}, which this version does not know`, about);
  }
}

function aboutIntent(intent: Stripe.PaymentIntent) {
  const { id, amount, currency } = intent;
  return { paymentIntentId: id, madeByAttempt: attemptOf(intent), amountMinor: amount, currency };
}

function attemptOf({ metadata }: Stripe.PaymentIntent): number | null {
  const attempt = Number(metadata?.attempt);
  return Number.isInteger(attempt) && attempt > 0 ? attempt : null;
}

const noRefunds = { refundedMinor: 0, refundPending: false, disputed: false };

function refundsOf({ latest_charge: charge }: Stripe.PaymentIntent) {
  if (charge === null || typeof charge !== "object") return { refundsSeen: false, ...noRefunds };
  const pending = (charge.refunds?.data ?? []).filter(
    ({ status }) => status === "pending" || status === "requires_action",
  );
  // The charge counts a refund from its beginning, and takes it back where it fails.
  const pendingMinor = pending.reduce((sum, { amount }) => sum + amount, 0);
  return {
    refundsSeen: true,
    refundedMinor: Math.max(0, charge.amount_refunded - pendingMinor),
    refundPending: pending.length > 0,
    disputed: charge.disputed,
  };
}

/**
 * Reads what the SDK threw: https://docs.stripe.com/error-handling. Whatever is not a definite no
 * to the shopper's card is unknown.
 * @param asked whether a charge was sent, which a refusal of its card ends for good, or something
 *   was asked about one that was
 */
export function classifyError(error: unknown, asked: "charge" | "question"): PaymentOutcome {
  if (error instanceof Stripe.errors.StripeCardError) {
    // 402: the bank or Stripe refused this card. https://docs.stripe.com/declines/codes
    const intent = error.payment_intent;
    const about = intent ? aboutIntent(intent) : noIntent;
    return { kind: "declined", ...about, declineCode: declineCodeOf(error) };
  }
  if (error instanceof Stripe.errors.StripeInvalidRequestError) {
    const intent = error.payment_intent;
    // "You cannot cancel (or confirm) this PaymentIntent because it has a status of …": the status
    // is the answer. Where a charge was refused for another reason, it is that of an earlier card.
    if (intent && (asked === "question" || error.code === "payment_intent_unexpected_state")) {
      return classifyIntent(intent);
    }
    const about = intent ? aboutIntent(intent) : noIntent;
    // Everything else that Stripe refuses with 400 is ours to mend.
    if (asked === "charge" && error.param === "confirmation_token") {
      return { kind: "untried", ...about, missing: error.code === "resource_missing" };
    }
    if (asked === "charge" && error.param === "payment_method") {
      return { kind: "declined", ...about, declineCode: error.code ?? "invalid_request" };
    }
  }
  const why = error instanceof Error ? error.message : String(error);
  const replayed = (error as { headers?: Record<string, string> }).headers?.["idempotent-replayed"] === "true";
  return {
    kind: "unknown",
    cause: isRefusalOfUs(error) ? "refused" : "no_answer",
    why,
    // Under a key that was used with other parameters, by an earlier version say, nothing can be
    // asked any more.
    keyExhausted: replayed || error instanceof Stripe.errors.StripeIdempotencyError,
    paymentIntentId: null,
  };
}

const noIntent = { paymentIntentId: null, madeByAttempt: null, amountMinor: null, currency: null };

/**
 * Refused whoever pays: the key, its permissions, the account, the amount, the currency, our
 * parameters.
 */
export function isRefusalOfUs(error: unknown): boolean {
  return (
    error instanceof Stripe.errors.StripeAuthenticationError ||
    error instanceof Stripe.errors.StripePermissionError ||
    error instanceof Stripe.errors.StripeInvalidRequestError
  );
}

function undecided(why: string, about: AboutIntent<string>): Unknown {
  return { kind: "unknown", cause: "undecided", why, keyExhausted: false, ...about };
}

function declineCodeOf(error: { decline_code?: string; code?: string }): string {
  return error.decline_code || error.code || "card_declined";
}
