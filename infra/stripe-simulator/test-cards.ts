/** What happens when a payment with this method is confirmed. */
export type CardBehaviour =
  | { readonly kind: "succeeds" }
  | { readonly kind: "declines"; readonly code: string; readonly declineCode: string }
  | { readonly kind: "authenticates" }
  | { readonly kind: "processes" };

const succeeds: CardBehaviour = { kind: "succeeds" };
const authenticates: CardBehaviour = { kind: "authenticates" };
const declines = (code: string, declineCode = code): CardBehaviour => ({ kind: "declines", code, declineCode });

const cards: Readonly<Record<string, CardBehaviour>> = {
  pm_card_visa: succeeds,
  pm_card_visa_debit: succeeds,
  pm_card_mastercard: succeeds,
  pm_card_amex: succeeds,
  pm_card_chargeDeclined: declines("card_declined", "generic_decline"),
  pm_card_chargeDeclinedInsufficientFunds: declines("card_declined", "insufficient_funds"),
  pm_card_chargeDeclinedLostCard: declines("card_declined", "lost_card"),
  pm_card_chargeDeclinedStolenCard: declines("card_declined", "stolen_card"),
  pm_card_chargeDeclinedExpiredCard: declines("expired_card"),
  pm_card_chargeDeclinedIncorrectCvc: declines("incorrect_cvc"),
  pm_card_chargeDeclinedProcessingError: declines("processing_error"),
  // 3-D Secure: the shopper has to say yes (or no) through /_simulator/authenticate.
  pm_card_authenticationRequired: authenticates,
  pm_card_threeDSecure2Required: authenticates,
  // Ours, in Stripe's place of a slow bank debit: decided only through /_simulator/decide.
  pm_simulator_processing: { kind: "processes" },
};

/**
 * The documented test payment methods, with and without their `visa_`; null for one that does not
 * exist. https://docs.stripe.com/testing#declined-payments
 */
export function behaviourOf(paymentMethod: string): CardBehaviour | null {
  return cards[paymentMethod] ?? cards[paymentMethod.replace("pm_card_visa_", "pm_card_")] ?? null;
}
