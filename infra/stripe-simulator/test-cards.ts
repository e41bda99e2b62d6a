/** What happens when a payment with this method is confirmed. */
export type CardBehaviour =
  | { readonly kind: "succeeds" }
  | { readonly kind: "declines"; readonly code: string; readonly declineCode: string }
  | { readonly kind: "authenticates" }
  | { readonly kind: "processes" };

export interface TestCard {
  /** The payment method a server names it by. */
  readonly method: string;
  /** What a shopper types; null for one that cannot be typed. */
  readonly number: string | null;
  readonly behaviour: CardBehaviour;
}

const succeeds: CardBehaviour = { kind: "succeeds" };
const authenticates: CardBehaviour = { kind: "authenticates" };
const declines = (code: string, declineCode = code): CardBehaviour => ({ kind: "declines", code, declineCode });

/** https://docs.stripe.com/testing#cards and below */
const table: readonly [method: string, number: string | null, behaviour: CardBehaviour][] = [
  ["pm_card_visa", "4242424242424242", succeeds],
  ["pm_card_visa_debit", "4000056655665556", succeeds],
  ["pm_card_mastercard", "5555555555554444", succeeds],
  ["pm_card_amex", "378282246310005", succeeds],
  ["pm_card_chargeDeclined", "4000000000000002", declines("card_declined", "generic_decline")],
  ["pm_card_chargeDeclinedInsufficientFunds", "4000000000009995", declines("card_declined", "insufficient_funds")],
  ["pm_card_chargeDeclinedLostCard", "4000000000009987", declines("card_declined", "lost_card")],
  ["pm_card_chargeDeclinedStolenCard", "4000000000009979", declines("card_declined", "stolen_card")],
  ["pm_card_chargeDeclinedExpiredCard", "4000000000000069", declines("expired_card")],
  ["pm_card_chargeDeclinedIncorrectCvc", "4000000000000127", declines("incorrect_cvc")],
  ["pm_card_chargeDeclinedProcessingError", "4000000000000119", declines("processing_error")],
  // 3-D Secure: the shopper has to say yes (or no) through /_simulator/authenticate.
  ["pm_card_authenticationRequired", "4000002760003184", authenticates],
  ["pm_card_authenticationRequiredOnSetup", "4000002500003155", authenticates],
  ["pm_card_threeDSecure2Required", "4000000000003220", authenticates],
  // Ours, in Stripe's place of a slow bank debit: decided only through /_simulator/decide.
  ["pm_simulator_processing", null, { kind: "processes" }],
];
const cards: readonly TestCard[] = table.map(([method, number, behaviour]) => ({ method, number, behaviour }));
const byMethod = new Map(cards.map((card) => [card.method, card]));
const byNumber = new Map(cards.map((card) => [card.number, card]));

/**
 * The documented test payment methods, with and without their `visa_`; null for one that does not
 * exist. https://docs.stripe.com/testing#declined-payments
 */
export function cardOf(paymentMethod: string): TestCard | null {
  return byMethod.get(paymentMethod) ?? byMethod.get(paymentMethod.replace("pm_card_visa_", "pm_card_")) ?? null;
}

/** The test card with this number, digits only; null where it is none. */
export function cardWithNumber(number: string): TestCard | null {
  return byNumber.get(number) ?? null;
}
