import { describe, expect, test } from "vitest";
import { chargingWarnings, unpayable } from "../src/orders/charge-limits.ts";

describe("an item that no payment could ever be made for", () => {
  test.each([
    [49, "eur", "price"],
    [50, "eur", null],
    [29, "gbp", "price"],
    [30, "gbp", null],
    [49, "jpy", "price"],
    [17_499, "huf", "price"],
    [1, "xaf", null], // its minimum depends on the account
    [4_900, "xyz", "currency"],
    [4_900, "btc", "currency"],
    [150, "isk", "price"],
    [200, "isk", null],
  ])("%i %s: %s", (price, currency, field) => {
    expect(unpayable(price, currency)?.field ?? null).toBe(field);
  });

  test("is told what would do", () => {
    expect(unpayable(10, "eur")?.message).toContain("at least 50");
    expect(unpayable(10, "xyz")?.message).toContain("xyz is none");
  });
});

test("whoever puts more units on sale than can be charged in fifteen minutes is warned, and nobody else", () => {
  expect(chargingWarnings(25 * 900, 25)).toEqual([]);
  expect(chargingWarnings(25 * 900 + 1, 25)).toEqual([
    { code: "slow_charging", detail: expect.stringContaining("CHARGE_RATE_PER_SECOND") },
  ]);
});
