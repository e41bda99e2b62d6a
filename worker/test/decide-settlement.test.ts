import { describe, expect, test } from "vitest";
import type { PaymentOutcome } from "../src/classify-payment.ts";
import { decideSettlement, type OrderAtHand } from "../src/decide-settlement.ts";

const held: OrderAtHand = {
  status: "reserved",
  paymentStatus: "pending",
  paymentIntentId: null,
  attempt: 1,
  cards: 1,
  paymentRetries: 0,
  holdExpired: false,
};
const paid: PaymentOutcome = { kind: "paid", paymentIntentId: "pi_1", amountMinor: 1_999 };
const declined: PaymentOutcome = { kind: "declined", paymentIntentId: "pi_1", declineCode: "lost_card" };
const canceled: PaymentOutcome = { kind: "canceled", paymentIntentId: "pi_1" };
const needsShopper: PaymentOutcome = { kind: "needs_shopper", paymentIntentId: "pi_1", clientSecret: "s" };
const processing: PaymentOutcome = { kind: "processing", paymentIntentId: "pi_1" };
const neverMade: PaymentOutcome = { kind: "never_made" };
const unknown: PaymentOutcome = { kind: "unknown", why: "timeout", keySpent: false, paymentIntentId: null };
const everything = [paid, declined, canceled, needsShopper, processing, neverMade, unknown];
const decide = (
  order: Partial<OrderAtHand>,
  outcome: PaymentOutcome,
  ending: "hold_expired" | "by_shopper" | null = null,
) => decideSettlement({ ...held, ...order }, { attempt: 1, outcome }, ending);

describe("an order that is held", () => {
  test("is confirmed when it is paid, however late in its hold and whoever wants to give it up", () => {
    for (const ending of [null, "hold_expired", "by_shopper"] as const) {
      expect(decide({ holdExpired: true }, paid, ending)).toEqual({ do: "confirm", paymentIntentId: "pi_1" });
    }
  });

  test("is cancelled when its card is declined and no other is allowed", () => {
    expect(decide({}, declined)).toEqual({
      do: "cancel",
      reason: "payment_failed",
      paymentIntentId: "pi_1",
      declineCode: "lost_card",
      closed: false,
    });
  });

  test("is cancelled with nothing left to call off where the declined card made no payment", () => {
    const noPayment: PaymentOutcome = { ...declined, paymentIntentId: null };
    expect(decide({}, noPayment)).toMatchObject({ do: "cancel", paymentIntentId: null, closed: true });
    expect(decide({ paymentIntentId: "pi_1" }, noPayment)).toMatchObject({ paymentIntentId: "pi_1", closed: false });
  });

  test("has noted what the provider said of its payment", () => {
    const said = { do: "note", paymentIntentId: "pi_1", declineCode: null, why: null };
    expect(decide({}, needsShopper)).toEqual({ ...said, paymentStatus: "requires_action" });
    expect(decide({}, processing)).toEqual({ ...said, paymentStatus: "processing" });
    expect(decide({}, unknown)).toEqual({ ...said, paymentStatus: "unknown", paymentIntentId: null, why: "timeout" });
  });

  test("waits for another card where the item allows one, the hold lasts and nobody gives it up", () => {
    const retry = { paymentRetries: 1 };
    expect(decide(retry, declined)).toMatchObject({ do: "note", paymentStatus: "declined" });
    expect(decide({ ...retry, cards: 2 }, declined)).toMatchObject({ do: "cancel" });
    expect(decide({ ...retry, holdExpired: true }, declined)).toMatchObject({ do: "cancel" });
    expect(decide(retry, declined, "by_shopper")).toMatchObject({ do: "cancel" });
  });

  test.each([
    ["by_shopper" as const, false, "by_shopper"],
    ["hold_expired" as const, true, "hold_expired"],
    [null, true, "hold_expired"],
    [null, false, "payment_failed"],
  ])("whose payment was called off (%s, hold over: %s) is cancelled: %s", (ending, holdExpired, reason) => {
    expect(decide({ holdExpired }, canceled, ending)).toMatchObject({ do: "cancel", reason, closed: true });
  });

  test("is not given up on anything but the provider's definite word", () => {
    for (const outcome of [needsShopper, processing, unknown]) {
      for (const ending of [null, "hold_expired", "by_shopper"] as const) {
        expect(decide({ holdExpired: true }, outcome, ending).do).toBe("note");
      }
    }
  });

  test("whose payment was never made is charged under a new key, or let go if its hold is over", () => {
    expect(decide({}, neverMade)).toEqual({ do: "charge_again" });
    expect(decide({ holdExpired: true }, neverMade)).toMatchObject({ do: "cancel", reason: "hold_expired" });
    expect(decide({}, neverMade, "by_shopper")).toMatchObject({ do: "cancel", reason: "by_shopper" });
    // Nothing is left to call off, unless an earlier card made a payment that this one was to be tried on.
    expect(decide({ holdExpired: true }, neverMade)).toMatchObject({ paymentIntentId: null, closed: true });
    expect(decide({ holdExpired: true, paymentIntentId: "pi_0" }, neverMade)).toMatchObject({
      paymentIntentId: "pi_0",
      closed: false,
    });
  });

  test("silence changes nothing where the provider has spoken before", () => {
    for (const paymentStatus of ["pending", "unknown"] as const) {
      expect(decide({ paymentStatus }, unknown)).toMatchObject({ do: "note", paymentStatus: "unknown" });
    }
    for (const paymentStatus of ["requires_action", "processing", "declined"] as const) {
      expect(decide({ paymentStatus }, unknown)).toEqual({ do: "nothing" });
    }
  });

  test("old news of an earlier card says nothing of the one under way, unless the payment as a whole is over", () => {
    const second = { attempt: 2, cards: 2, paymentRetries: 2 };
    for (const outcome of [declined, needsShopper, processing, neverMade, unknown]) {
      expect(decide(second, outcome)).toEqual({ do: "nothing" });
    }
    expect(decide(second, paid).do).toBe("confirm");
    expect(decide(second, canceled).do).toBe("cancel");
  });
});

describe("an order that is cancelled", () => {
  test("stays cancelled: money that comes for it is refunded", () => {
    expect(decide({ status: "cancelled" }, paid)).toEqual({ do: "refund", paymentIntentId: "pi_1" });
  });

  test("has its payment closed when the provider says so, and waits otherwise", () => {
    for (const outcome of [canceled, neverMade])
      expect(decide({ status: "cancelled" }, outcome)).toEqual({ do: "close" });
    for (const outcome of [declined, needsShopper, processing, unknown]) {
      expect(decide({ status: "cancelled" }, outcome)).toEqual({ do: "nothing" });
    }
  });
});

test.each(["confirmed", "out_of_stock", "rejected", "queued", "waitlisted"] as const)(
  "nothing changes an order that is %s",
  (status) => {
    for (const outcome of everything) expect(decide({ status }, outcome)).toEqual({ do: "nothing" });
  },
);
