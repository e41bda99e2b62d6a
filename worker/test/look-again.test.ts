import { describe, expect, test } from "vitest";
import { lookAgainMs, type WaitingFor } from "../src/payment/look-again.ts";

const second = 1_000;
const hour = 3_600 * second;
const longest: [WaitingFor, number][] = [
  ["no_answer", 8 * second],
  ["refused", 12 * second],
  ["undecided", 60 * second],
  ["not_found", hour],
  ["refund", hour],
  ["search", 6 * hour],
  ["shopper", 600 * second],
  ["provider", 24 * hour],
];

describe("how long until a payment is looked at again", () => {
  test.each(longest)("each wait for %s is longer than the one before, up to its bound", (waitingFor, bound) => {
    let before = 0;
    for (let looks = 0; looks < 200; looks++) {
      const wait = lookAgainMs(waitingFor, looks);
      expect(wait).toBeGreaterThanOrEqual(Math.min(before, bound));
      expect(wait).toBeLessThanOrEqual(bound * 1.25);
      before = wait / 1.25;
    }
    expect(lookAgainMs(waitingFor, 1_000_000)).toBeGreaterThanOrEqual(bound);
  });

  test("an outage is asked about again within 10 s, a refusal of us within 15 s, however long it lasts", () => {
    expect(lookAgainMs("no_answer", 1_000)).toBeLessThanOrEqual(10 * second);
    expect(lookAgainMs("refused", 1_000)).toBeLessThanOrEqual(15 * second);
  });
});
