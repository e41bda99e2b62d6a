import Stripe from "stripe";
import { describe, expect, test } from "vitest";
import { classifyError, classifyIntent } from "../src/payment/classify-payment.ts";

const intent = (more: Partial<Stripe.PaymentIntent>) =>
  ({
    id: "pi_1",
    amount: 1999,
    amount_received: 0,
    currency: "eur",
    latest_charge: null,
    metadata: { attempt: "1" },
    client_secret: "pi_1_secret",
    last_payment_error: null,
    ...more,
  }) as Stripe.PaymentIntent;

describe("a PaymentIntent by its status", () => {
  test.each([
    [
      intent({ status: "succeeded", amount_received: 1999 }),
      { kind: "paid", paymentIntentId: "pi_1", amountMinor: 1999 },
    ],
    [
      intent({ status: "requires_action" }),
      { kind: "needs_shopper", paymentIntentId: "pi_1", clientSecret: "pi_1_secret" },
    ],
    [intent({ status: "processing" }), { kind: "processing", paymentIntentId: "pi_1" }],
    [intent({ status: "canceled" }), { kind: "canceled", paymentIntentId: "pi_1" }],
    [intent({ status: "requires_payment_method" }), { kind: "unknown", paymentIntentId: "pi_1" }],
    [intent({ status: "requires_confirmation" }), { kind: "unknown", paymentIntentId: "pi_1" }],
    [intent({ status: "requires_capture" }), { kind: "unknown" }],
    [intent({ status: "invented_later" as Stripe.PaymentIntent.Status }), { kind: "unknown" }],
    [
      intent({
        status: "requires_payment_method",
        last_payment_error: { type: "card_error", code: "card_declined", decline_code: "lost_card" } as never,
      }),
      { kind: "declined", declineCode: "lost_card" },
    ],
  ])("%#", (given, expected) => {
    expect(classifyIntent(given)).toMatchObject(expected);
  });

  test("a decline for which no code is given has a code all the same", () => {
    const given = intent({ status: "requires_payment_method", last_payment_error: { type: "card_error" } as never });
    expect(classifyIntent(given)).toMatchObject({ kind: "declined", declineCode: "card_declined" });
  });

  test.each([
    ["requires_payment_method", "not tried yet"],
    ["requires_confirmation", "unexpected status requires_confirmation"],
    ["requires_capture", "unexpected status requires_capture"],
    ["invented_later", "status invented_later, which this version does not know"],
  ])("%s says nothing of what will be: asked again about the same payment, and Postgres says why", (status, why) => {
    expect(classifyIntent(intent({ status: status as Stripe.PaymentIntent.Status }))).toEqual({
      kind: "unknown",
      cause: "undecided",
      why,
      keyExhausted: false,
      ...about,
    });
  });
});

const { errors } = Stripe;
const raw = (more: object) => ({ message: "said Stripe", ...more }) as never;

const about = { paymentIntentId: "pi_1", madeByAttempt: 1, amountMinor: 1999, currency: "eur" };
const noIntent = { paymentIntentId: null, madeByAttempt: null, amountMinor: null, currency: null };

describe("what is known of a payment beside its status", () => {
  const paidWith = (latest_charge: object | string | null) =>
    classifyIntent(intent({ status: "succeeded", amount_received: 1999, latest_charge: latest_charge as never }));
  const charge = (more: object) => ({ amount_refunded: 0, refunded: false, disputed: false, ...more });

  test("the attempt that made it, where its metadata say so", () => {
    expect(classifyIntent(intent({ status: "processing" }))).toEqual({ kind: "processing", ...about });
    for (const metadata of [{}, { attempt: "x" }, { attempt: "0" }, { attempt: "1.5" }]) {
      expect(classifyIntent(intent({ status: "processing", metadata }))).toMatchObject({ madeByAttempt: null });
    }
  });

  test("refunds and disputes are seen only where the charge is part of the answer", () => {
    for (const unseen of [null, "ch_1"]) {
      expect(paidWith(unseen)).toMatchObject({
        refundsSeen: false,
        refundedMinor: 0,
        refundPending: false,
        disputed: false,
      });
    }
    expect(paidWith(charge({}))).toMatchObject({
      refundsSeen: true,
      refundedMinor: 0,
      refundPending: false,
      disputed: false,
    });
    expect(paidWith(charge({ disputed: true }))).toMatchObject({ refundsSeen: true, disputed: true });
  });

  test("a refund counts once it has succeeded; one under way is pending", () => {
    const refunds = (...data: object[]) => ({ refunds: { data } });
    expect(paidWith(charge({ amount_refunded: 700, ...refunds({ amount: 700, status: "succeeded" }) }))).toMatchObject({
      refundedMinor: 700,
      refundPending: false,
    });
    for (const status of ["pending", "requires_action"]) {
      const both = refunds({ amount: 700, status: "succeeded" }, { amount: 300, status });
      expect(paidWith(charge({ amount_refunded: 1_000, ...both }))).toMatchObject({
        refundedMinor: 700,
        refundPending: true,
      });
    }
    const failed = refunds({ amount: 700, status: "failed" });
    expect(paidWith(charge({ amount_refunded: 0, ...failed }))).toMatchObject({
      refundedMinor: 0,
      refundPending: false,
    });
  });
});

describe("an error by its class", () => {
  test("a card error is declined, with the bank's code and the payment that was made", () => {
    const payment_intent = { id: "pi_1", amount: 1999, currency: "eur", metadata: { attempt: "1" } };
    const error = new errors.StripeCardError(
      raw({ code: "card_declined", decline_code: "insufficient_funds", payment_intent }),
    );
    expect(classifyError(error, "charge")).toEqual({ kind: "declined", ...about, declineCode: "insufficient_funds" });
  });

  test("a card error without a bank's code has Stripe's, and none of a payment where there is none", () => {
    expect(classifyError(new errors.StripeCardError(raw({ code: "expired_card" })), "charge")).toEqual({
      kind: "declined",
      ...noIntent,
      declineCode: "expired_card",
    });
  });

  test("a fault of the provider is no decline, whatever it names", () => {
    const fault = new errors.StripeAPIError(raw({ param: "payment_method" }));
    expect(classifyError(fault, "charge")).toMatchObject({ kind: "unknown", cause: "no_answer" });
  });

  test("a charge refused for its payment_method is declined", () => {
    const refused = new errors.StripeInvalidRequestError(raw({ code: "resource_missing", param: "payment_method" }));
    expect(classifyError(refused, "charge")).toEqual({
      kind: "declined",
      ...noIntent,
      declineCode: "resource_missing",
    });
    const nameless = new errors.StripeInvalidRequestError(raw({ param: "payment_method" }));
    expect(classifyError(nameless, "charge")).toMatchObject({ declineCode: "invalid_request" });
  });

  test("a charge refused for its confirmation_token was no try; asked about, the token says nothing", () => {
    const refused = new errors.StripeInvalidRequestError(raw({ param: "confirmation_token" }));
    expect(classifyError(refused, "charge")).toEqual({ kind: "untried", ...noIntent, missing: false });
    const unknown = new errors.StripeInvalidRequestError(
      raw({ code: "resource_missing", param: "confirmation_token" }),
    );
    expect(classifyError(unknown, "charge")).toMatchObject({ kind: "untried", missing: true });
    expect(classifyError(refused, "question")).toMatchObject({ kind: "unknown", cause: "refused" });
    const intent = {
      id: "pi_1",
      status: "requires_payment_method",
      amount: 1,
      currency: "eur",
      metadata: { attempt: "1" },
    };
    const onIntent = new errors.StripeInvalidRequestError(raw({ param: "confirmation_token", payment_intent: intent }));
    expect(classifyError(onIntent, "charge")).toMatchObject({ kind: "untried", paymentIntentId: "pi_1" });
  });

  test.each(["currency", "amount", undefined])(
    "a charge refused for anything else (%s) is no decline: it is ours to mend",
    (param) => {
      const refused = new errors.StripeInvalidRequestError(raw({ code: "amount_too_small", param }));
      expect(classifyError(refused, "charge")).toEqual({
        kind: "unknown",
        cause: "refused",
        why: "said Stripe",
        keyExhausted: false,
        paymentIntentId: null,
      });
    },
  );

  test("a request that is invalid for the state of the payment has that state for an answer", () => {
    const paid = intent({ status: "succeeded", amount_received: 1999 });
    const code = "payment_intent_unexpected_state";
    const error = new errors.StripeInvalidRequestError(raw({ code, payment_intent: paid }));
    for (const asked of ["charge", "question"] as const) {
      expect(classifyError(error, asked)).toMatchObject({ kind: "paid", ...about, refundsSeen: false });
    }
  });

  test("another card that is refused for our own fault is not declined, though the payment tells of the card before", () => {
    const before = intent({ status: "requires_payment_method", last_payment_error: { code: "lost_card" } as never });
    const refused = (param: string) => new errors.StripeInvalidRequestError(raw({ param, payment_intent: before }));
    expect(classifyError(refused("currency"), "charge")).toMatchObject({ kind: "unknown", cause: "refused" });
    expect(classifyError(refused("payment_method"), "charge")).toMatchObject({
      kind: "declined",
      ...about,
      declineCode: "invalid_request",
    });
  });

  test("a key that was used with other parameters is exhausted, which nobody has to mend", () => {
    const used = classifyError(new errors.StripeIdempotencyError(raw({})), "charge");
    expect(used).toMatchObject({ kind: "unknown", cause: "no_answer", keyExhausted: true });
  });

  test("a question that Stripe finds invalid declines nothing, whatever it is about", () => {
    for (const param of ["payment_method", "intent"]) {
      expect(classifyError(new errors.StripeInvalidRequestError(raw({ param })), "question").kind).toBe("unknown");
    }
  });

  test("a failure that Stripe only repeats says that the key is exhausted, and no other does", () => {
    const replayed = (headers?: Record<string, string>) =>
      classifyError(new errors.StripeAPIError(raw({ headers })), "charge");
    expect(replayed({ "idempotent-replayed": "true" })).toMatchObject({ why: "said Stripe", keyExhausted: true });
    for (const headers of [{ "idempotent-replayed": "false" }, {}, undefined]) {
      expect(replayed(headers)).toMatchObject({ kind: "unknown", keyExhausted: false, paymentIntentId: null });
    }
  });

  test.each([
    ["StripeAPIError", new errors.StripeAPIError(raw({})), "no_answer"],
    ["StripeConnectionError", new errors.StripeConnectionError(raw({})), "no_answer"],
    ["StripeRateLimitError", new errors.StripeRateLimitError(raw({})), "no_answer"],
    ["StripeAuthenticationError", new errors.StripeAuthenticationError(raw({})), "refused"],
    ["StripePermissionError", new errors.StripePermissionError(raw({})), "refused"],
    ["a plain error", new Error("socket hang up"), "no_answer"],
    ["no error at all", "what", "no_answer"],
  ])("%s leaves the outcome unknown: nothing may be released on it", (_name, error, cause) => {
    expect(classifyError(error, "charge")).toMatchObject({ kind: "unknown", cause });
  });
});
