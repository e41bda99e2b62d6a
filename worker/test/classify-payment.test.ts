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
