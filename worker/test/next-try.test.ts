import { expect, test } from "vitest";
import { nextTryMs } from "../src/shop-webhooks/next-try.ts";

const failed = (tries: number, random = 0.5, expired = false) => nextTryMs({ tries, expired }, random);

test("a failed event is tried again after 1, 2, 4 … seconds, and every hour at last", () => {
  expect([1, 2, 3, 4].map((tries) => failed(tries))).toEqual([1_000, 2_000, 4_000, 8_000]);
  expect(failed(12)).toBe(2_048_000);
  for (const tries of [13, 80, 2_000]) expect(failed(tries)).toBe(3_600_000);
});

test("a fifth more or less keeps the events of an outage apart", () => {
  expect([failed(1, 0), failed(1, 1)]).toEqual([800, 1_200]);
});

test("once its time is over a failed try is the last, but never before the eighth", () => {
  expect(failed(8, 0.5, true)).toBeNull();
  expect(failed(80, 0.5, true)).toBeNull();
  expect(failed(7, 0.5, true)).toBe(64_000);
});
