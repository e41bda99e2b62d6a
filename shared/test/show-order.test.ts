import { queuedOrder } from "@holdfast/shared/purchase-job.ts";
import { purchaseRequest } from "@holdfast/testing/purchases.ts";
import { describe, expect, test } from "vitest";
import { showOrder } from "../src/show-order.ts";

const queued = { ...queuedOrder("item_1", purchaseRequest({ placedAtMs: Date.UTC(2026, 0, 1) })), place: 12 };

describe("what a shopper is shown", () => {
  test("a queued order tells its place and how long it takes to be decided", () => {
    expect(showOrder(queued, { position: 3, estimatedSeconds: 2, itemLocked: false })).toMatchObject({
      status: "queued",
      position: 3,
      estimatedSeconds: 2,
      message: "Waiting in line",
      placedAt: "2026-01-01T00:00:00.000Z",
      payment: { status: null, clientSecret: null, declineCode: null },
      metadata: null,
      reservedAt: null,
      settledAt: null,
      holdExpiresAt: null,
    });
  });

  test('a queued order whose item is locked is "Currently being purchased"', () => {
    const standing = { position: 3, estimatedSeconds: 1, itemLocked: true };
    expect(showOrder(queued, standing).message).toBe("Currently being purchased");
  });

  test("without a look at the line no place is told", () => {
    const shown = showOrder(queued, null);
    expect(shown).toMatchObject({ position: null, estimatedSeconds: null, message: "Waiting in line" });
  });

  test("what the shop sent with the purchase is shown as it came", () => {
    const metadata = { "gift note": "To: you|me", address: "1 High St\nLeeds" };
    expect(showOrder({ ...queued, metadata }, null).metadata).toEqual(metadata);
  });

  test("times are ISO 8601, and what the bank needs is handed on", () => {
    const times = {
      reservedAtMs: Date.UTC(2026, 1, 1),
      settledAtMs: Date.UTC(2026, 2, 1),
      holdExpiresAtMs: Date.UTC(2026, 3, 1),
    };
    const payment = { paymentStatus: "declined", clientSecret: "pi_1_secret", declineCode: "lost_card" } as const;
    expect(showOrder({ ...queued, ...times, ...payment, status: "reserved" }, null)).toMatchObject({
      reservedAt: "2026-02-01T00:00:00.000Z",
      settledAt: "2026-03-01T00:00:00.000Z",
      holdExpiresAt: "2026-04-01T00:00:00.000Z",
      payment: { status: "declined", clientSecret: "pi_1_secret", declineCode: "lost_card" },
    });
  });

  test.each([
    [{ status: "out_of_stock" }, "Out of stock"],
    [{ status: "confirmed" }, "Success"],
    [{ status: "refunded" }, "Refunded"],
    [{ status: "rejected", reason: "item_not_found" }, "Item not found"],
    [{ status: "rejected", reason: "limit_exceeded" }, "Limit per shopper exceeded"],
    [{ status: "rejected", reason: "sale_not_open" }, "The sale is not open"],
    [{ status: "cancelled", reason: "payment_failed" }, "Payment failed"],
    [{ status: "cancelled", reason: "hold_expired", reservedAtMs: 1 }, "Not paid in time"],
    [{ status: "cancelled", reason: "hold_expired" }, "Lost in line, nothing was charged: please buy again"],
    [{ status: "cancelled", reason: "by_shopper" }, "Cancelled"],
    [{ status: "cancelled", reason: null }, "Cancelled"],
    [
      { status: "cancelled", reason: "hold_expired", reservedAtMs: 1, paymentStatus: "refunded" },
      "Not paid in time: the payment came too late and was refunded",
    ],
    [{ status: "reserved", paymentStatus: null }, "Reserved, payment under way"],
    [{ status: "reserved", paymentStatus: "pending" }, "Reserved, payment under way"],
    [{ status: "reserved", paymentStatus: "requires_action" }, "Reserved, confirm the payment with your bank"],
    [{ status: "reserved", paymentStatus: "processing" }, "Reserved, your bank is processing the payment"],
    [{ status: "reserved", paymentStatus: "succeeded" }, "Reserved, payment received"],
    [{ status: "reserved", paymentStatus: "declined" }, "Reserved, the card was declined, try another one"],
    [{ status: "reserved", paymentStatus: "unknown" }, "Reserved, checking the payment"],
    [{ status: "reserved", paymentStatus: "refunded" }, "Reserved, payment refunded"],
  ] as const)("%o reads “%s”", (change, message) => {
    expect(showOrder({ ...queued, ...change }, null)).toMatchObject({ message, position: null });
  });
});
