import Stripe from "stripe";
import { describe, expect, test } from "vitest";
import { classifyError, classifyIntent } from "../src/classify-payment.ts";

const intent = (more: Partial<Stripe.PaymentIntent>) =>
  ({
    id: "pi_1",
    amount: 1999,
    amount_received: 0,
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
  ])("%s says nothing of what will be: asked again about the same payment, and the record says why", (status, why) => {
    expect(classifyIntent(intent({ status: status as Stripe.PaymentIntent.Status }))).toEqual({
      kind: "unknown",
      why,
      keySpent: false,
      paymentIntentId: "pi_1",
    });
  });
});

const { errors } = Stripe;
const raw = (more: object) => ({ message: "said Stripe", ...more }) as never;

describe("an error by its class", () => {
  test("a card error is declined, with the bank's code and the intent that was made", () => {
    const error = new errors.StripeCardError(
      raw({ code: "card_declined", decline_code: "insufficient_funds", payment_intent: { id: "pi_1" } }),
    );
    expect(classifyError(error, "charge")).toEqual({
      kind: "declined",
      paymentIntentId: "pi_1",
      declineCode: "insufficient_funds",
    });
  });

  test("a card error without a bank's code has Stripe's", () => {
    expect(classifyError(new errors.StripeCardError(raw({ code: "expired_card" })), "charge")).toMatchObject({
      declineCode: "expired_card",
    });
  });

  test("a request that Stripe finds invalid was refused before anything was tried", () => {
    expect(classifyError(new errors.StripeInvalidRequestError(raw({ code: "resource_missing" })), "charge")).toEqual({
      kind: "declined",
      paymentIntentId: null,
      declineCode: "resource_missing",
    });
  });

  test("an invalid request without a code is declined with one of ours", () => {
    expect(classifyError(new errors.StripeInvalidRequestError(raw({})), "charge")).toMatchObject({
      declineCode: "invalid_request",
    });
  });

  test("a request that is invalid for the state of the payment has that state for an answer", () => {
    const paid = { id: "pi_1", status: "succeeded", amount_received: 1999 };
    const error = new errors.StripeInvalidRequestError(raw({ payment_intent: paid }));
    for (const asked of ["charge", "question"] as const) {
      expect(classifyError(error, asked)).toEqual({ kind: "paid", paymentIntentId: "pi_1", amountMinor: 1999 });
    }
  });

  test("a question that Stripe finds invalid declines nothing", () => {
    expect(classifyError(new errors.StripeInvalidRequestError(raw({})), "question").kind).toBe("unknown");
  });

  test("a key that was used with other parameters leaves the outcome unknown, and says so", () => {
    expect(classifyError(new errors.StripeIdempotencyError(raw({})), "charge")).toMatchObject({
      kind: "unknown",
      why: "the idempotency key was used with other parameters",
      keySpent: false,
    });
  });

  test("a failure that Stripe only repeats says that the key is spent, and no other does", () => {
    const replayed = (headers?: Record<string, string>) =>
      classifyError(new errors.StripeAPIError(raw({ headers })), "charge");
    expect(replayed({ "idempotent-replayed": "true" })).toMatchObject({ why: "said Stripe", keySpent: true });
    for (const headers of [{ "idempotent-replayed": "false" }, {}, undefined]) {
      expect(replayed(headers)).toMatchObject({ kind: "unknown", keySpent: false, paymentIntentId: null });
    }
  });

  test.each([
    ["StripeAPIError", new errors.StripeAPIError(raw({}))],
    ["StripeConnectionError", new errors.StripeConnectionError(raw({}))],
    ["StripeRateLimitError", new errors.StripeRateLimitError(raw({}))],
    ["StripeIdempotencyError", new errors.StripeIdempotencyError(raw({}))],
    ["StripeAuthenticationError", new errors.StripeAuthenticationError(raw({}))],
    ["StripePermissionError", new errors.StripePermissionError(raw({}))],
    ["a plain error", new Error("socket hang up")],
    ["no error at all", "what"],
  ])("%s leaves the outcome unknown: nothing may be released on it", (_name, error) => {
    expect(classifyError(error, "charge").kind).toBe("unknown");
  });
});
