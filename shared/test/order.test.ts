import { describe, expect, test } from "vitest";
import { isFinal, legalTransitions, type OrderRecord, orderStatuses, showOrder } from "../src/order.ts";

const queued: OrderRecord = {
  id: "018f0000-0000-7000-8000-000000000000",
  shopperId: "shopper-1",
  itemId: "item_1",
  quantity: 2,
  amountMinor: 3998,
  currency: "eur",
  status: "queued",
  reason: null,
  paymentStatus: null,
  declineCode: null,
  placedAtMs: Date.UTC(2026, 0, 1),
  reservedAtMs: null,
  settledAtMs: null,
  holdExpiresAtMs: null,
  version: 0,
  place: 12,
  fingerprint: null,
  clientSecret: null,
};

describe("the order's states", () => {
  test("confirmed, cancelled, out_of_stock and rejected are final, and only they", () => {
    expect(orderStatuses.filter(isFinal)).toEqual(["confirmed", "cancelled", "out_of_stock", "rejected"]);
  });

  test("every state can be reached from queued, and none leads back to it", () => {
    const reached = new Set<string>(["queued"]);
    for (const from of reached) {
      for (const to of legalTransitions[from as keyof typeof legalTransitions]) reached.add(to);
    }
    expect([...reached].sort()).toEqual([...orderStatuses].sort());
    expect(Object.values(legalTransitions).flat()).not.toContain("queued");
  });
});

describe("what a shopper is shown", () => {
  test("a queued order tells its place counted from what is decided", () => {
    expect(showOrder(queued, { decidedPlace: 9, itemLocked: false })).toMatchObject({
      status: "queued",
      position: 3,
      message: "Waiting in line",
      placedAt: "2026-01-01T00:00:00.000Z",
      payment: { status: null, clientSecret: null, declineCode: null },
      reservedAt: null,
      settledAt: null,
      holdExpiresAt: null,
    });
  });

  test("nobody in line is told a place before the first", () => {
    expect(showOrder(queued, { decidedPlace: 50, itemLocked: false }).position).toBe(1);
  });

  test('a queued order whose item is locked is "Currently being purchased"', () => {
    expect(showOrder(queued, { decidedPlace: 9, itemLocked: true }).message).toBe("Currently being purchased");
  });

  test.each([
    [{ status: "out_of_stock" }, "Out of stock"],
    [{ status: "cancelled", reason: "payment_failed" }, "Payment failed"],
    [{ status: "rejected", reason: "item_not_found" }, "Item not found"],
    [{ status: "confirmed" }, "Success"],
  ] as const)("%o reads “%s” and has no place in line", (change, message) => {
    const shown = showOrder({ ...queued, ...change }, null);
    expect(shown).toMatchObject({ message, position: null });
  });
});
