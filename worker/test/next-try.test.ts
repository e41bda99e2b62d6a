import { expect, test } from "vitest";
import { nextTryMs } from "../src/shop-webhooks/next-try.ts";

const failed = (tries: number, random = 0.5, expired = false, retryAfterMs: number | null = null) =>
  nextTryMs({ tries, expired, retryAfterMs }, random);

test("a failed event is tried again after 1, 2, 4 … seconds, and at most an hour apart", () => {
  expect([1, 2, 3, 4].map((tries) => failed(tries))).toEqual([1_000, 2_000, 4_000, 8_000]);
  expect(failed(12)).toBe(2_048_000);
  for (const tries of [13, 80, 2_000]) {
    expect(failed(tries, 1)).toBe(3_600_000);
    expect(failed(tries, 0)).toBe(2_400_000);
  }
});

test("a fifth more or less keeps the events of an outage apart", () => {
  expect([failed(1, 0), failed(1, 1)]).toEqual([800, 1_200]);
});

test("the shop can ask for more time with Retry-After, up to an hour, and never for less", () => {
  expect(failed(1, 0.5, false, 60_000)).toBe(60_000);
  expect(failed(8, 0.5, false, 60_000)).toBe(128_000);
  expect(failed(1, 0.5, false, 86_400_000)).toBe(3_600_000);
});

test("once its time is over a failed try is the last, but never before the eighth", () => {
  expect(failed(8, 0.5, true)).toBeNull();
  expect(failed(80, 0.5, true)).toBeNull();
  expect(failed(7, 0.5, true)).toBe(64_000);
});
