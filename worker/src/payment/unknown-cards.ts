import type { RaiseAlarm } from "@holdfast/shared/alarm.ts";
import type { PaymentOutcome } from "./classify-payment.ts";

const suspicious = 10; // charges in a row; shoppers' browsers send cards that exist

/**
 * Raises an alarm where one card after the other is unknown to the provider, or cannot be tried any
 * more: all together say that our key is of another account than the storefront's, or that the line
 * is longer than a confirmation token lives.
 * @returns what each outcome of a charge is given to
 */
export function watchUnknownCards(raiseAlarm: RaiseAlarm): (outcome: PaymentOutcome) => void {
  let inARow = 0;
  return (outcome) => {
    if (outcome.kind === "unknown" || outcome.kind === "never_made") return; // says nothing of a card
    const missing = outcome.kind === "declined" && outcome.declineCode === "resource_missing";
    inARow = missing || outcome.kind === "untried" ? inARow + 1 : 0;
    if (inARow < suspicious) return;
    raiseAlarm("cards_unknown", `The last ${inARow} cards; their shoppers are asked again, or their orders cancelled.`);
  };
}
