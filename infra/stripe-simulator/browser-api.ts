import type { TokenDetails } from "./confirmation-tokens.ts";
import type { PaymentIntent } from "./payment-intents.ts";
import { invalidRequest, StripeApiError } from "./stripe-error.ts";
import { cardWithNumber, type TestCard } from "./test-cards.ts";

/** What the card form sends for a token. */
export interface TokenFromBrowser {
  return_url?: string;
  payment_method_data?: {
    type?: string;
    card?: { number?: string; exp_month?: string; exp_year?: string; cvc?: string };
  };
}

/**
 * Reads the card that a browser makes a token of.
 * @throws 402 for a card that is none of the test cards, or past its date
 */
export function browserToken(body: TokenFromBrowser, nowMs: number): [card: TestCard, details: TokenDetails] {
  const { number = "", exp_month = "", exp_year = "", cvc = "" } = body.payment_method_data?.card ?? {};
  const card = cardWithNumber(number.replaceAll(" ", ""));
  if (!card) {
    const message = "Your card was declined. Your request was in test mode, but used a non test card.";
    throw cardError("card_declined", message, "number", "test_mode_live_card");
  }
  const [expMonth, expYear] = [Number(exp_month), Number(exp_year)];
  if (!(expMonth >= 1 && expMonth <= 12)) {
    throw cardError("invalid_expiry_month", "Your card's expiration month is invalid.", "exp_month");
  }
  // A card is good to the end of its month.
  if (!(Date.UTC(expYear, expMonth) > nowMs)) {
    throw cardError("invalid_expiry_year", "Your card's expiration year is invalid.", "exp_year");
  }
  if (!/^\d{3,4}$/.test(cvc)) throw cardError("invalid_cvc", "Your card's security code is invalid.", "cvc");
  return [card, { expMonth, expYear, ...(body.return_url && { returnUrl: body.return_url }) }];
}

function cardError(code: string, message: string, param: string, declineCode?: string): StripeApiError {
  return new StripeApiError(402, {
    type: "card_error",
    code,
    message,
    param,
    ...(declineCode && { decline_code: declineCode }),
  });
}

const shownToBrowsers = [
  "id",
  "object",
  "amount",
  "canceled_at",
  "cancellation_reason",
  "capture_method",
  "client_secret",
  "confirmation_method",
  "created",
  "currency",
  "description",
  "last_payment_error",
  "livemode",
  "next_action",
  "payment_method",
  "payment_method_types",
  "processing",
  "receipt_email",
  "setup_future_usage",
  "shipping",
  "status",
] as const;

/**
 * A payment as whoever has its client secret may see it: without the shop's metadata.
 * @throws 400 without that secret
 */
export function viewForBrowser(intent: PaymentIntent, clientSecret: string | undefined): object {
  if (clientSecret !== intent.client_secret) {
    throw invalidRequest("The client_secret does not match.", { param: "client_secret" });
  }
  return Object.fromEntries(shownToBrowsers.map((field) => [field, intent[field]]));
}
