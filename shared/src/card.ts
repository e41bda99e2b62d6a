/**
 * A card as it goes through the system: the provider's name for a payment method, pm_…, or for a
 * confirmation token, ctoken_…. Never the card itself.
 */
const confirmationTokenPrefix = "ctoken_";

/** Whether it is a token: made in the shopper's browser, good for one try, and not for long. */
export function isConfirmationToken(card: string): boolean {
  return card.startsWith(confirmationTokenPrefix);
}
