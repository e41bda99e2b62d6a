import { expect, test } from "vitest";
import type { PaymentOutcome } from "../src/payment/classify-payment.ts";
import { watchUnknownCards } from "../src/payment/unknown-cards.ts";

const about = { paymentIntentId: null, madeByAttempt: null, amountMinor: null, currency: null };
const missing: PaymentOutcome = { kind: "declined", ...about, declineCode: "resource_missing" };
const declined: PaymentOutcome = { kind: "declined", ...about, declineCode: "insufficient_funds" };
const noAnswer: PaymentOutcome = {
  kind: "unknown",
  cause: "no_answer",
  why: "timeout",
  keyExhausted: false,
  paymentIntentId: null,
};

function alarmsAfter(outcomes: readonly PaymentOutcome[]): string[] {
  const alarms: string[] = [];
  const note = watchUnknownCards((name) => void alarms.push(name));
  for (const outcome of outcomes) note(outcome);
  return alarms;
}

test("ten cards in a row that the provider does not know are an alarm: the key is of another account", () => {
  expect(alarmsAfter(Array.from({ length: 9 }, () => missing))).toEqual([]);
  expect(alarmsAfter(Array.from({ length: 10 }, () => missing))).toEqual(["cards_unknown"]);
  const withSilence = Array.from({ length: 20 }, (_, i) => (i % 2 ? missing : noAnswer));
  expect(alarmsAfter(withSilence)).toEqual(["cards_unknown"]);
});

test("a stranger who makes cards up among real ones raises none", () => {
  const mixed = Array.from({ length: 100 }, (_, i) => (i % 9 === 0 ? declined : missing));
  expect(alarmsAfter(mixed)).toEqual([]);
});
