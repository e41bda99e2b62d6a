import { describe, expect, test } from "vitest";
import type { Paid, PaymentOutcome, Unknown } from "../src/payment/classify-payment.ts";
import { decideSettlement, type OrderAtHand } from "../src/payment/decide-settlement.ts";

const held: OrderAtHand = {
  status: "reserved",
  paymentStatus: "pending",
  amountMinor: 1_999,
  currency: "eur",
  paymentIntentId: null,
  attempt: 1,
  sent: true,
  cards: 1,
  untried: 0,
  cardAgeMs: 900_000,
  paymentRetries: 0,
  releasing: null,
  refundedMinor: 0,
  disputed: false,
};
const about = { paymentIntentId: "pi_1", madeByAttempt: 1, amountMinor: 1_999, currency: "eur" };
const nothingBack = { refundsSeen: true, refundedMinor: 0, refundPending: false, disputed: false };
const paid: Paid & { kind: "paid" } = { kind: "paid", ...about, ...nothingBack };
const declined: PaymentOutcome = { kind: "declined", ...about, declineCode: "lost_card" };
const untried: PaymentOutcome = { kind: "untried", ...about, missing: false };
const canceled: PaymentOutcome = { kind: "canceled", ...about };
const needsShopper: PaymentOutcome = { kind: "needs_shopper", ...about, clientSecret: "s" };
const processing: PaymentOutcome = { kind: "processing", ...about };
const neverMade: PaymentOutcome = { kind: "never_made" };
const unknown: Unknown = {
  kind: "unknown",
  cause: "no_answer",
  why: "timeout",
  keyExhausted: false,
  paymentIntentId: null,
};
const everything = [paid, declined, untried, canceled, needsShopper, processing, neverMade, unknown];
const releases = [null, "hold_expired", "by_shopper"] as const;

const asked = { hints: 0, unmatched: null, withoutCall: false };
const decide = (order: Partial<OrderAtHand>, outcome: PaymentOutcome, attempt = 1) =>
  decideSettlement({ ...held, ...order }, { ...asked, attempt, outcome });
const decideUnmatched = (order: Partial<OrderAtHand>, outcome: PaymentOutcome) =>
  decideSettlement({ ...held, ...order }, { ...asked, attempt: 1, outcome, unmatched: { id: 1, hints: 0 } });
const confirm = { do: "confirm", paymentIntentId: "pi_1", other: null, checkRefunds: false, search: false };

describe("an order that is held", () => {
  test("is confirmed when it is paid, however late in its hold and whoever wants to release it", () => {
    for (const releasing of releases) expect(decide({ releasing }, paid)).toEqual(confirm);
  });

  test("is confirmed by any payment of its amount, whoever tells of it; one it had before is asked about", () => {
    expect(decideUnmatched({}, paid)).toEqual(confirm);
    expect(decide({ paymentIntentId: "pi_1" }, paid)).toEqual(confirm);
    expect(decideUnmatched({ paymentIntentId: "pi_0" }, paid)).toEqual({ ...confirm, other: "pi_0" });
  });

  test("that ends with a payment somebody told of has another that its attempt may have made searched for", () => {
    const cancelled = { do: "cancel", reason: "payment_failed", paymentIntentId: "pi_1", search: true };
    expect(decideUnmatched({}, declined)).toMatchObject({ ...cancelled, declineCode: "lost_card", open: true });
    expect(decideUnmatched({ paymentStatus: "unknown" }, canceled)).toMatchObject({ ...cancelled, open: false });
    expect(decideUnmatched({ paymentIntentId: "pi_1" }, declined)).toMatchObject({ ...cancelled, search: false });
    expect(decideUnmatched({ paymentRetries: 1 }, declined)).toMatchObject({ do: "note", paymentStatus: "declined" });
  });

  test("that is paid by an earlier attempt has what the one under way may have made searched for", () => {
    expect(decide({ attempt: 2 }, paid)).toEqual({ ...confirm, search: true });
    expect(decide({ attempt: 2 }, { ...paid, madeByAttempt: 2 })).toEqual(confirm);
    expect(decide({ attempt: 2, paymentIntentId: "pi_1" }, paid)).toEqual(confirm);
    expect(decide({ attempt: 2, paymentStatus: "declined" }, paid)).toEqual(confirm);
  });

  test("that is paid has refunds and disputes looked at next where they are there, or could not be seen", () => {
    const seen = [{ refundsSeen: false }, { refundedMinor: 1 }, { refundPending: true }, { disputed: true }];
    for (const more of seen) expect(decide({}, { ...paid, ...more })).toEqual({ ...confirm, checkRefunds: true });
  });

  test.each([{ amountMinor: 1_998 }, { currency: "usd" }])(
    "is not confirmed by a payment of %o: it is refunded",
    (more) => {
      expect(decideUnmatched({}, { ...paid, ...more })).toEqual({
        do: "unmatch",
        paymentIntentId: "pi_1",
        nextStep: "refund",
      });
      // Its own payment was changed at the provider: people decide.
      expect(decide({ paymentIntentId: "pi_1" }, { ...paid, ...more })).toMatchObject({
        do: "wait",
        unknown: {
          kind: "unknown",
          cause: "not_found",
          why: expect.stringContaining("another amount"),
          keyExhausted: false,
        },
      });
    },
  );

  test("is cancelled when its card is declined and no other is allowed; the payment is canceled then", () => {
    expect(decide({}, declined)).toEqual({
      do: "cancel",
      reason: "payment_failed",
      paymentIntentId: "pi_1",
      declineCode: "lost_card",
      open: true,
      search: false,
    });
  });

  test("is cancelled with nothing left to cancel where the declined card made no payment", () => {
    const noPayment: PaymentOutcome = { ...declined, paymentIntentId: null };
    expect(decide({}, noPayment)).toMatchObject({ do: "cancel", paymentIntentId: null, open: false });
    expect(decide({ paymentIntentId: "pi_1" }, noPayment)).toMatchObject({ paymentIntentId: "pi_1", open: true });
  });

  test("has noted what the provider said of its payment", () => {
    const said = { do: "note", paymentIntentId: "pi_1", declineCode: null, unknown: null, untried: false };
    expect(decide({}, needsShopper)).toEqual({ ...said, paymentStatus: "requires_action" });
    expect(decide({}, processing)).toEqual({ ...said, paymentStatus: "processing" });
    expect(decide({}, unknown)).toEqual({ ...said, paymentStatus: "unknown", paymentIntentId: null, unknown });
  });

  test("keeps its unit and asks for the card again where that could not be tried, whatever the item allows", () => {
    const asksAgain = { do: "note", paymentStatus: "declined", declineCode: "stale_token", untried: true };
    expect(decide({}, untried)).toMatchObject({ ...asksAgain, paymentIntentId: "pi_1" });
    expect(decide({ cards: 3, untried: 2 }, { ...untried, paymentIntentId: null })).toMatchObject(asksAgain);
    // In a long line the provider may have forgotten it meanwhile.
    expect(decide({}, { ...untried, missing: true })).toMatchObject(asksAgain);
    // Those do not count among the cards that an item allows.
    expect(decide({ cards: 2, untried: 1 }, declined)).toMatchObject({ do: "cancel" });
    expect(decide({ cards: 2, untried: 1, paymentRetries: 1 }, declined)).toMatchObject({ do: "note", untried: false });
  });

  test.each(["hold_expired", "by_shopper"] as const)(
    "that is released (%s) ends with a card that could not be tried",
    (releasing) => {
      const cancelled = { do: "cancel", reason: releasing, search: false };
      expect(decide({ releasing }, untried)).toMatchObject({ ...cancelled, paymentIntentId: "pi_1", open: true });
      const nothingMade = { ...untried, paymentIntentId: null };
      expect(decide({ releasing }, nothingMade)).toMatchObject({ ...cancelled, paymentIntentId: null, open: false });
    },
  );

  test("is declined where its token never was, or three could not be tried: nobody holds a unit without a card", () => {
    const declinedSo = { do: "cancel", reason: "payment_failed", declineCode: "resource_missing" };
    expect(decide({ cardAgeMs: 1_000 }, { ...untried, missing: true })).toMatchObject(declinedSo);
    expect(decide({ cards: 4, untried: 3 }, untried)).toMatchObject(declinedSo);
    const retries = { paymentRetries: 1, cardAgeMs: 1_000 };
    expect(decide(retries, { ...untried, missing: true })).toMatchObject({ do: "note", untried: false });
  });

  test("waits for another card where the item allows one and nobody releases the hold", () => {
    const retry = { paymentRetries: 1 };
    expect(decide(retry, declined)).toMatchObject({ do: "note", paymentStatus: "declined", declineCode: "lost_card" });
    expect(decide({ ...retry, cards: 2 }, declined)).toMatchObject({ do: "cancel" });
    expect(decide({ ...retry, releasing: "hold_expired" }, declined)).toMatchObject({ do: "cancel" });
    expect(decide({ ...retry, releasing: "by_shopper" }, declined)).toMatchObject({ do: "cancel" });
  });

  test.each([
    ["by_shopper" as const, "by_shopper"],
    ["hold_expired" as const, "hold_expired"],
    [null, "payment_failed"],
  ])("whose payment was canceled (releasing: %s) is cancelled: %s", (releasing, reason) => {
    const cancelled = { do: "cancel", reason, paymentIntentId: "pi_1", declineCode: null, open: false, search: false };
    expect(decide({ releasing }, canceled)).toEqual(cancelled);
  });

  test("is not released on anything but the provider's definite word", () => {
    for (const outcome of [needsShopper, processing, unknown]) {
      for (const releasing of releases) expect(decide({ releasing }, outcome).do).toBe("note");
    }
  });

  test("whose payment was never made is charged under a new key; what the old one may have made is searched for", () => {
    expect(decide({}, neverMade)).toEqual({ do: "replace_key", search: true });
    expect(decide({ paymentStatus: "unknown" }, neverMade)).toEqual({ do: "replace_key", search: true });
    // A key for another card on the order's own payment makes no payment.
    expect(decide({ paymentIntentId: "pi_0" }, neverMade)).toEqual({ do: "replace_key", search: false });
  });

  test("whose payment was never made is cancelled where its hold is released", () => {
    const cancelled = { do: "cancel", paymentIntentId: null, declineCode: null, open: false };
    for (const releasing of ["hold_expired", "by_shopper"] as const) {
      expect(decide({ releasing }, neverMade)).toEqual({ ...cancelled, reason: releasing, search: true });
      expect(decide({ releasing, sent: false }, neverMade)).toMatchObject({ search: false });
      expect(decide({ releasing, paymentStatus: "declined" }, neverMade)).toMatchObject({ search: false });
      // An earlier card made a payment that this one was to be tried on.
      expect(decide({ releasing, paymentIntentId: "pi_0" }, neverMade)).toMatchObject({
        paymentIntentId: "pi_0",
        open: true,
        search: false,
      });
    }
  });

  test("silence changes nothing where the provider has spoken before, or nothing was sent that it could answer", () => {
    for (const paymentStatus of ["pending", "unknown"] as const) {
      expect(decide({ paymentStatus }, unknown)).toMatchObject({ do: "note", paymentStatus: "unknown" });
    }
    for (const paymentStatus of ["requires_action", "processing", "declined"] as const) {
      expect(decide({ paymentStatus }, unknown)).toEqual({ do: "wait", unknown });
    }
    expect(decide({ sent: false, releasing: "by_shopper" }, unknown)).toEqual({ do: "wait", unknown });
  });

  test("an answer to an earlier attempt says nothing of the one under way, unless its payment as a whole is over", () => {
    const second = { attempt: 2, cards: 2, paymentRetries: 2, paymentIntentId: "pi_1" };
    for (const outcome of [declined, needsShopper, processing, neverMade, unknown]) {
      expect(decide(second, outcome)).toEqual({ do: "wait", unknown: null });
    }
    expect(decide(second, paid).do).toBe("confirm");
    expect(decide(second, canceled).do).toBe("cancel");
  });

  test("a payment that an earlier attempt made all the same is canceled while it can be", () => {
    const second = { attempt: 2 };
    for (const outcome of [declined, needsShopper]) {
      expect(decide(second, outcome)).toEqual({ do: "unmatch", paymentIntentId: "pi_1", nextStep: "cancel" });
    }
    expect(decide(second, processing)).toEqual({ do: "unmatch", paymentIntentId: "pi_1", nextStep: "ask" });
    expect(decide(second, canceled)).toEqual({ do: "close", paymentIntentId: "pi_1", outcome: "canceled" });
  });

  test("another payment than its own is canceled while it can be, and changes nothing about the order", () => {
    const other = { paymentIntentId: "pi_0" };
    for (const outcome of [declined, needsShopper]) {
      expect(decide(other, outcome)).toEqual({ do: "unmatch", paymentIntentId: "pi_1", nextStep: "cancel" });
    }
    expect(decide(other, processing)).toEqual({ do: "unmatch", paymentIntentId: "pi_1", nextStep: "ask" });
    expect(decide(other, canceled)).toEqual({ do: "close", paymentIntentId: "pi_1", outcome: "canceled" });
  });

  test("is not released without a call where its attempt was sent meanwhile", () => {
    const seen = { ...asked, attempt: 1, outcome: neverMade, withoutCall: true };
    const releasing = { ...held, releasing: "hold_expired" } as const;
    expect(decideSettlement(releasing, seen)).toEqual({ do: "wait", unknown: null });
    expect(decideSettlement({ ...releasing, sent: false }, seen)).toMatchObject({ do: "cancel" });
    expect(decideSettlement({ ...releasing, paymentStatus: "declined" }, seen)).toMatchObject({ do: "cancel" });
  });

  test("whose payment was changed at the provider is over once that was refunded there", () => {
    const changed = { ...paid, amountMinor: 500, refundedMinor: 500 };
    expect(decide({ paymentIntentId: "pi_1" }, changed)).toMatchObject({
      do: "cancel",
      reason: "payment_failed",
      open: false,
      search: false,
    });
    expect(decide({ paymentIntentId: "pi_1" }, { ...changed, refundsSeen: false })).toMatchObject({ do: "wait" });
  });
});

describe("a payment that an event told of, before its answer came", () => {
  test("is taken for the order's own where the attempt under way made it", () => {
    expect(decideUnmatched({}, needsShopper)).toMatchObject({ do: "note", paymentIntentId: "pi_1" });
    expect(decideUnmatched({ paymentStatus: "unknown" }, declined)).toMatchObject({
      do: "cancel",
      paymentIntentId: "pi_1",
    });
  });

  test("is canceled where nobody has tried to pay it, unless it may be what the attempt under way is making", () => {
    const untried: Unknown = { ...unknown, ...about, cause: "undecided" };
    const cancel = { do: "unmatch", paymentIntentId: "pi_1", nextStep: "cancel" };
    for (const order of [{ sent: false }, { paymentIntentId: "pi_0" }, { status: "confirmed" as const }]) {
      expect(decideUnmatched(order, untried)).toEqual(cancel);
    }
    expect(decideUnmatched({}, untried)).toEqual({ do: "wait", unknown: untried });
    expect(decideUnmatched({ sent: false }, unknown)).toEqual({ do: "wait", unknown });
  });

  test("is canceled where it does not say that the attempt under way made it", () => {
    for (const madeByAttempt of [null, 2]) {
      expect(decideUnmatched({}, { ...needsShopper, madeByAttempt })).toMatchObject({
        do: "unmatch",
        nextStep: "cancel",
      });
    }
  });

  test.each([
    ["another attempt is under way", { attempt: 2 }],
    ["nothing was sent", { sent: false }],
    ["the provider has spoken of another", { paymentStatus: "declined" as const }],
    ["the amount is another", { amountMinor: 1 }],
  ])("is canceled where %s", (_why, order) => {
    expect(decideUnmatched(order, needsShopper)).toEqual({
      do: "unmatch",
      paymentIntentId: "pi_1",
      nextStep: "cancel",
    });
  });

  test("is asked about again where the provider says nothing", () => {
    for (const status of ["reserved", "cancelled", "confirmed"] as const) {
      expect(decideUnmatched({ status }, unknown)).toEqual({ do: "wait", unknown });
    }
  });
});

describe("an order that is cancelled", () => {
  const cancelled = { status: "cancelled", paymentIntentId: "pi_1" } as const;

  test("stays cancelled: money that comes for it is refunded, also what is left of it", () => {
    const refund = { do: "unmatch", paymentIntentId: "pi_1", nextStep: "refund" };
    expect(decide(cancelled, paid)).toEqual(refund);
    expect(decide(cancelled, { ...paid, refundedMinor: 1_998 })).toEqual(refund);
  });

  test("has its payment closed once the money went back or none can come, and waits for a refund under way", () => {
    const close = { do: "close", paymentIntentId: "pi_1" };
    expect(decide(cancelled, { ...paid, refundedMinor: 1_999 })).toEqual({ ...close, outcome: "refunded" });
    expect(decide(cancelled, canceled)).toEqual({ ...close, outcome: "canceled" });
    expect(decide(cancelled, { ...paid, refundPending: true })).toEqual({ do: "wait", unknown: null });
  });

  test("has a payment canceled that can still be paid, and waits where that cannot be", () => {
    for (const outcome of [declined, needsShopper]) {
      expect(decide(cancelled, outcome)).toEqual({ do: "unmatch", paymentIntentId: "pi_1", nextStep: "cancel" });
    }
    expect(decide(cancelled, { ...declined, paymentIntentId: null })).toEqual({ do: "wait", unknown: null });
    expect(decide(cancelled, processing)).toEqual({ do: "unmatch", paymentIntentId: "pi_1", nextStep: "ask" });
    expect(decideUnmatched(cancelled, processing)).toEqual({ do: "wait", unknown: null });
    expect(decide(cancelled, neverMade)).toEqual({ do: "wait", unknown: null });
    expect(decide(cancelled, unknown)).toEqual({ do: "wait", unknown });
    expect(decide(cancelled, { ...unknown, paymentIntentId: "pi_1" })).toMatchObject({
      do: "unmatch",
      nextStep: "ask",
    });
  });
});

describe.each(["confirmed", "refunded"] as const)("an order that is %s", (status) => {
  const order = { status, paymentStatus: "succeeded", paymentIntentId: "pi_1" } as const;
  const noted = { do: "note_refund", full: false, refundedMinor: 0, disputed: false, pending: false };

  test("is what it was where the provider says nothing new", () => {
    expect(decide(order, paid)).toEqual({ do: "wait", unknown: null });
    expect(
      decide({ ...order, refundedMinor: 5, disputed: true }, { ...paid, refundedMinor: 5, disputed: true }),
    ).toEqual({
      do: "wait",
      unknown: null,
    });
    for (const outcome of [declined, canceled, needsShopper, processing]) {
      expect(decide(order, outcome)).toEqual({ do: "wait", unknown: null });
    }
  });

  test("is looked at again where an answer could not show refunds: nothing is noted by it", () => {
    expect(decide({ ...order, refundedMinor: 1_999, disputed: true }, { ...paid, refundsSeen: false })).toEqual({
      do: "look_again",
    });
  });

  test("has refunds and disputes noted, those under way too", () => {
    expect(decide(order, { ...paid, refundedMinor: 1_998 })).toEqual({ ...noted, refundedMinor: 1_998 });
    expect(decide(order, { ...paid, refundedMinor: 1_999 })).toEqual({ ...noted, refundedMinor: 1_999, full: true });
    expect(decide(order, { ...paid, disputed: true })).toEqual({ ...noted, disputed: true });
    expect(decide(order, { ...paid, refundPending: true })).toEqual({ ...noted, pending: true });
    expect(decide({ ...order, refundedMinor: 1_999 }, paid)).toEqual(noted); // the refund has failed since
  });

  test("has a second payment refunded, or canceled while it can be", () => {
    const other = { ...order, paymentIntentId: "pi_0" };
    expect(decide(other, paid)).toEqual({ do: "unmatch", paymentIntentId: "pi_1", nextStep: "refund" });
    expect(decide(other, needsShopper)).toEqual({ do: "unmatch", paymentIntentId: "pi_1", nextStep: "cancel" });
    expect(decide(order, unknown)).toEqual({ do: "wait", unknown });
  });
});

test.each(["out_of_stock", "rejected", "queued"] as const)(
  "nothing changes an order that is %s: money for it goes back",
  (status) => {
    const steps = everything.map((outcome) => decide({ status }, outcome).do);
    expect(new Set(steps)).toEqual(new Set(["unmatch", "close", "wait"]));
  },
);
