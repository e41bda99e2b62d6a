// The payment simulator's cards, for a shop without real ones.

const cards = {
  pm_card_visa: "Visa, works",
  pm_card_authenticationRequired: "Visa, asks your bank (3-D Secure)",
  pm_card_chargeDeclined: "Visa, declined",
  pm_card_chargeDeclinedInsufficientFunds: "Visa, insufficient funds",
  pm_card_chargeDeclinedExpiredCard: "Visa, expired",
};

/** @returns what a test card is chosen by */
export function testCardChoice() {
  const select = document.createElement("select");
  select.name = "paymentMethod";
  select.append(...Object.entries(cards).map(([method, text]) => new Option(text, method)));
  return select;
}
