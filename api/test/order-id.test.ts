import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isOrderId, newOrderId, orderIdForKey, requestFingerprint } from "../src/orders/order-id.ts";

describe("an order's id", () => {
  test("without a key is a UUIDv7: it tells its time and cannot be guessed", () => {
    const id = newOrderId(Date.UTC(2026, 10, 22));
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(Number.parseInt(id.replace("-", "").slice(0, 12), 16)).toBe(Date.UTC(2026, 10, 22));
    expect(new Set(Array.from({ length: 1_000 }, () => newOrderId(0))).size).toBe(1_000);
  });

  test("without a key has 74 bits that are as often 0 as 1, those of the same millisecond too", () => {
    const ids = Array.from({ length: 4_000 }, () => BigInt(`0x${newOrderId(1_800_000_000_000).replaceAll("-", "")}`));
    const ones = Array.from({ length: 128 }, (_, bit) => ids.filter((id) => (id >> BigInt(bit)) & 1n).length);
    // Of 4,000 fair coins fewer than 1,800 or more than 2,200 heads come up once in a billion
    // times.
    expect(ones.filter((count) => count > 1_800 && count < 2_200)).toHaveLength(74);
    expect(new Set(ids).size).toBe(4_000);
  });

  test("with a key is the same every time, and another for another shopper or key", () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.string(), fc.string(), (shopper, key, shopper2, key2) => {
        const id = orderIdForKey(shopper, key);
        expect(isOrderId(id)).toBe(true);
        expect(orderIdForKey(shopper, key)).toBe(id);
        fc.pre(shopper !== shopper2 || key !== key2);
        expect(orderIdForKey(shopper2, key2)).not.toBe(id);
      }),
    );
  });

  test("moving a letter from the shopper to the key makes another order", () => {
    expect(orderIdForKey("a", "bc")).not.toBe(orderIdForKey("ab", "c"));
  });

  test.each(["", "1", "'; drop table orders; --", "018F0000-0000-7000-8000-000000000000", "a\0b", "💥"])(
    "%j is none",
    (text) => expect(isOrderId(text)).toBe(false),
  );
});

test("a fingerprint differs with item, quantity and card", () => {
  const prints = [
    requestFingerprint("item_1", 1, "pm_card_visa", null),
    requestFingerprint("item_2", 1, "pm_card_visa", null),
    requestFingerprint("item_1", 2, "pm_card_visa", null),
    requestFingerprint("item_1", 1, "pm_card_amex", null),
  ];
  expect(new Set(prints).size).toBe(4);
});
