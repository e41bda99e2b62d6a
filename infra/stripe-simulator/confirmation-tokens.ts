import type { Clock } from "./clock.ts";
import { newId } from "./payment-intents.ts";
import { invalidRequest, type StripeApiError } from "./stripe-error.ts";
import type { TestCard } from "./test-cards.ts";

/** https://docs.stripe.com/api/confirmation_tokens/object */
export interface ConfirmationToken {
  readonly id: string;
  readonly object: "confirmation_token";
  readonly created: number;
  readonly expires_at: number;
  /** The payment it was used for; null until then. */
  payment_intent: string | null;
  readonly [field: string]: unknown;
}

/** What a browser or a test says of a card beside which one it is. */
export interface TokenDetails {
  readonly expMonth?: number;
  readonly expYear?: number;
  readonly returnUrl?: string;
}

interface Entry {
  readonly token: ConfirmationToken;
  /** The card it stands for, by its payment method. */
  readonly method: string;
}

const maxTokens = 20_000; // four for each shopper of a rush, some 15 MB; one dropped is refused as one that never was

/**
 * Confirmation tokens: a card from a shopper's browser, good for one confirmation within its
 * lifetime. One that confirmed a payment is used, whatever became of the payment.
 *
 * Stripe documents that a token is used once and expires
 * (https://docs.stripe.com/api/confirmation_tokens/object), but not with which code it refuses such
 * a one: here it is an invalid request without a code. In all cases `param` is
 * `confirmation_token`.
 */
export class ConfirmationTokens {
  readonly #entries = new Map<string, Entry>();
  readonly #clock: Clock;
  readonly #rules: { readonly confirmationTokenLifeMs: number };
  constructor(clock: Clock, rules: { readonly confirmationTokenLifeMs: number }) {
    this.#clock = clock;
    this.#rules = rules;
  }

  create(card: TestCard, details: TokenDetails = {}): ConfirmationToken {
    const nowMs = this.#clock.nowMs();
    const token: ConfirmationToken = {
      id: newId("ctoken"),
      object: "confirmation_token",
      created: Math.floor(nowMs / 1000),
      expires_at: Math.floor((nowMs + this.#rules.confirmationTokenLifeMs) / 1000),
      livemode: false,
      mandate_data: null,
      metadata: null,
      payment_intent: null,
      payment_method_options: null,
      payment_method_preview: previewOf(card, details),
      return_url: details.returnUrl ?? null,
      setup_future_usage: null,
      setup_intent: null,
      shipping: null,
      use_stripe_sdk: true,
    };
    this.#entries.set(token.id, { token, method: card.method });
    const [oldest] = this.#entries.keys();
    if (this.#entries.size > maxTokens && oldest !== undefined) this.#entries.delete(oldest);
    return token;
  }

  /** @throws 404 where there is none */
  find(id: string): ConfirmationToken {
    const entry = this.#entries.get(id);
    if (entry) return entry.token;
    throw noSuch(id, 404);
  }

  /** @throws 400 for a token that confirms nothing (any more) */
  requireUsable(id: string): void {
    this.#usable(id);
  }

  /**
   * Uses a token for a payment.
   * @returns the payment method that it stands for
   * @throws 400 for a token that confirms nothing (any more)
   */
  use(id: string, intentId: string): string {
    const { token, method } = this.#usable(id);
    token.payment_intent = intentId;
    return method;
  }

  snapshot(): object {
    return [...this.#entries];
  }

  restore(snapshot: object): void {
    for (const [id, entry] of snapshot as [string, Entry][]) this.#entries.set(id, entry);
  }

  #usable(id: string): Entry {
    const entry = this.#entries.get(id);
    if (!entry) throw noSuch(id, 400);
    if (entry.token.payment_intent !== null) throw refused(`The ConfirmationToken ${id} has already been used.`);
    if (this.#clock.nowMs() >= entry.token.expires_at * 1000) throw refused(`The ConfirmationToken ${id} has expired.`);
    return entry;
  }
}

const param = "confirmation_token";

function refused(message: string): StripeApiError {
  return invalidRequest(message, { param });
}

function noSuch(id: string, status: 400 | 404): StripeApiError {
  return invalidRequest(`No such confirmation_token: '${id}'`, { code: "resource_missing", param }, status);
}

const noAddress = { city: null, country: null, line1: null, line2: null, postal_code: null, state: null };

/** The card as its token shows it: never its number. */
function previewOf({ number }: TestCard, { expMonth = 12, expYear = 2040 }: TokenDetails): object {
  const brand = brandOf(number ?? "");
  return {
    type: "card",
    allow_redisplay: "unspecified",
    billing_details: { address: noAddress, email: null, name: null, phone: null, tax_id: null },
    card: {
      brand,
      checks: { address_line1_check: null, address_postal_code_check: null, cvc_check: null },
      country: "US",
      display_brand: brand,
      exp_month: expMonth,
      exp_year: expYear,
      funding: "credit",
      generated_from: null,
      last4: number?.slice(-4) ?? null,
      networks: { available: [brand], preferred: null },
      regulated_status: "unregulated",
      three_d_secure_usage: { supported: true },
      wallet: null,
    },
    customer: null,
    customer_account: null,
  };
}

function brandOf(number: string): string {
  if (number.startsWith("4")) return "visa";
  if (number.startsWith("5")) return "mastercard";
  return number.startsWith("3") ? "amex" : "unknown";
}
