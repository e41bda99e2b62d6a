import { describe, expect, test } from "vitest";
import { awaitsAnswer, keyRememberedMs, nextCall } from "../src/payment/next-call.ts";
import type { Payment, UnmatchedPayment } from "../src/payment/read-payment.ts";

const held: Payment = {
  orderId: "018f0000-0000-7000-8000-000000000000",
  itemId: "item_1",
  amountMinor: 1_999,
  currency: "eur",
  status: "reserved",
  paymentStatus: "pending",
  method: "pm_card_visa",
  attempt: 1,
  cards: 1,
  paymentIntentId: null,
  firstSentMsAgo: null,
  lastSentMsAgo: null,
  keyExhausted: false,
  looks: 0,
  hints: 0,
  refundRequested: false,
  releasing: null,
  dueInMs: -1,
  unmatched: [],
};
const next = (more: Partial<Payment>) => nextCall({ ...held, ...more });
const unmatched = (more: Partial<UnmatchedPayment> = {}): UnmatchedPayment => ({
  id: 7,
  paymentIntentId: "pi_7",
  sentMsAgo: null,
  nextStep: "ask",
  dueInMs: -1,
  looks: 0,
  hints: 0,
  ...more,
});

describe("what is asked of the provider next", () => {
  test("an attempt that was not sent is sent, whenever the job runs", () => {
    expect(next({})).toEqual({ do: "send", first: true });
    expect(next({ dueInMs: 30_000 })).toEqual({ do: "send", first: true });
  });

  test("an attempt without an answer is sent again under its key while the provider remembers it, once it is due", () => {
    for (const paymentStatus of ["pending", "unknown"] as const) {
      expect(next({ paymentStatus, firstSentMsAgo: 1_000 })).toEqual({ do: "send", first: false });
      expect(next({ paymentStatus, firstSentMsAgo: keyRememberedMs - 1 })).toEqual({ do: "send", first: false });
      expect(next({ paymentStatus, firstSentMsAgo: 1_000, dueInMs: 1 })).toBeNull();
    }
  });

  test("it is never sent again under a key that may be forgotten, or only repeats a failure: it is searched for", () => {
    expect(next({ firstSentMsAgo: keyRememberedMs })).toEqual({ do: "find" });
    expect(next({ firstSentMsAgo: 1_000, keyExhausted: true })).toEqual({ do: "find" });
    expect(next({ paymentStatus: "unknown", firstSentMsAgo: null })).toEqual({ do: "find" });
  });

  test("it is not sent again where its payment is known: that is asked", () => {
    for (const firstSentMsAgo of [1_000, keyRememberedMs]) {
      expect(next({ firstSentMsAgo, paymentIntentId: "pi_1" })).toEqual({ do: "check", paymentIntentId: "pi_1" });
    }
  });

  test("the same card under another key waits for its time, another card does not", () => {
    expect(next({ attempt: 2, cards: 1, dueInMs: 9_000 })).toBeNull();
    expect(next({ attempt: 2, cards: 1, dueInMs: 0 })).toEqual({ do: "send", first: true });
    expect(next({ attempt: 2, cards: 2, dueInMs: 9_000 })).toEqual({ do: "send", first: true });
  });

  test("a payment that waits for the shopper or the bank is checked when it is due", () => {
    for (const paymentStatus of ["requires_action", "processing"] as const) {
      const waiting = { paymentStatus, firstSentMsAgo: 1_000, paymentIntentId: "pi_1" };
      expect(next(waiting)).toEqual({ do: "check", paymentIntentId: "pi_1" });
      expect(next({ ...waiting, dueInMs: 5 })).toBeNull();
    }
  });

  test("a declined payment waits for another card", () => {
    expect(next({ paymentStatus: "declined", dueInMs: 30_000 })).toBeNull();
    const declined = { paymentStatus: "declined", firstSentMsAgo: 1_000, paymentIntentId: "pi_1" } as const;
    expect(next({ ...declined, dueInMs: 1 })).toBeNull();
    expect(next({ ...declined, dueInMs: 0 })).toEqual({ do: "check", paymentIntentId: "pi_1" }); // it may be paid
    expect(next({ ...declined, dueInMs: 0, paymentIntentId: null })).toBeNull();
  });

  test("a hold that is released has its payment canceled", () => {
    for (const releasing of ["hold_expired", "by_shopper"] as const) {
      const call = { do: "release", paymentIntentId: "pi_1" };
      expect(next({ releasing, paymentStatus: "requires_action", firstSentMsAgo: 1, paymentIntentId: "pi_1" })).toEqual(
        call,
      );
      expect(next({ releasing, paymentIntentId: "pi_1" })).toEqual(call); // another card that was not sent yet
    }
  });

  test("a hold is released without a call only where no payment can have been made", () => {
    expect(next({ releasing: "by_shopper" })).toEqual({ do: "let_go" });
    expect(next({ releasing: "hold_expired", paymentStatus: "declined", firstSentMsAgo: 1 })).toEqual({ do: "let_go" });
    expect(next({ releasing: "hold_expired", firstSentMsAgo: 1 })).toEqual({ do: "send", first: false });
    expect(next({ releasing: "hold_expired", firstSentMsAgo: 1, keyExhausted: true })).toEqual({ do: "find" });
    expect(next({ releasing: "hold_expired", firstSentMsAgo: 1, dueInMs: 9 })).toBeNull();
  });

  test("a release that the provider does not answer is tried again when it is due, also of a card that was not sent", () => {
    const release = { releasing: "by_shopper", paymentIntentId: "pi_1" } as const;
    expect(next({ ...release, dueInMs: 0 })).toEqual({ do: "release", paymentIntentId: "pi_1" });
    expect(next({ ...release, dueInMs: 1 })).toBeNull();
  });

  test("what somebody told of is asked about before anything is sent", () => {
    const toldOf = unmatched();
    expect(next({ unmatched: [toldOf] })).toEqual({ do: "settle_unmatched", unmatched: toldOf });
  });

  test("and before the order's own payment is, and before other unmatched ones are settled", () => {
    const toldOf = unmatched({ dueInMs: 0 });
    const own = { paymentStatus: "processing", firstSentMsAgo: 1_000, paymentIntentId: "pi_1" } as const;
    const both = [unmatched({ id: 6, nextStep: "refund" }), toldOf];
    expect(next({ ...own, unmatched: both })).toEqual({ do: "settle_unmatched", unmatched: toldOf });
  });

  test("nothing is sent while that question has no answer; but it is not waited for for good, nor for the bank", () => {
    expect(next({ unmatched: [unmatched({ dueInMs: 1 })] })).toBeNull();
    expect(next({ unmatched: [unmatched({ dueInMs: 1, looks: 39 })], firstSentMsAgo: 1_000 })).toBeNull();
    expect(next({ unmatched: [unmatched({ dueInMs: 1, looks: 40 })] })).toEqual({ do: "send", first: true });
    expect(next({ unmatched: [unmatched({ dueInMs: 120_000 })] })).toBeNull();
    expect(next({ unmatched: [unmatched({ dueInMs: 120_001 })] })).toEqual({ do: "send", first: true });
    expect(awaitsAnswer({ ...held, status: "confirmed", unmatched: [unmatched({ dueInMs: 1 })] })).toBe(false);
    // What sends nothing goes on.
    const check = { do: "check", paymentIntentId: "pi_1" };
    const waiting = { paymentStatus: "processing", firstSentMsAgo: 1_000, paymentIntentId: "pi_1" } as const;
    expect(next({ ...waiting, unmatched: [unmatched({ dueInMs: 1 })] })).toEqual(check);
  });

  test("other unmatched payments come after the order's own, each when it is due", () => {
    const refund = unmatched({ nextStep: "refund" });
    expect(next({ unmatched: [refund] })).toEqual({ do: "send", first: true });
    for (const status of ["confirmed", "cancelled", "rejected"] as const) {
      const over = { status, paymentStatus: null, dueInMs: null };
      expect(next({ ...over, unmatched: [refund] })).toEqual({ do: "settle_unmatched", unmatched: refund });
      expect(next({ ...over, unmatched: [unmatched({ nextStep: "refund", dueInMs: 1 })] })).toBeNull();
    }
  });

  test("a paid order is checked where a refund or a dispute was told of, and is left alone otherwise", () => {
    const paid = {
      status: "confirmed",
      paymentStatus: "succeeded",
      paymentIntentId: "pi_1",
      firstSentMsAgo: 9,
    } as const;
    expect(next({ ...paid, dueInMs: 0 })).toEqual({ do: "check", paymentIntentId: "pi_1" });
    expect(next({ ...paid, dueInMs: 1 })).toBeNull();
    expect(next({ ...paid, dueInMs: null })).toBeNull();
    expect(next({ ...paid, paymentIntentId: null, dueInMs: 0 })).toBeNull();
  });

  test("a held order whose payment is over has nothing asked about it; one that waits for a payment has that payment's id", () => {
    for (const paymentStatus of ["succeeded", "refunded", null] as const) {
      expect(next({ paymentStatus, firstSentMsAgo: 1_000, paymentIntentId: "pi_1" })).toBeNull();
    }
    expect(() => next({ paymentStatus: "processing", firstSentMsAgo: 1_000 })).toThrow(
      "waits for a payment without an id",
    );
  });
});
