import Stripe from "stripe";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestSimulator, type TestSimulator } from "../testing/simulator.ts";

describe("the payment simulator, to the official SDK", () => {
  let simulator: TestSimulator;
  let stripe: Stripe;
  beforeAll(async () => {
    simulator = await startTestSimulator();
    stripe = simulator.stripe;
  });
  afterAll(() => simulator.close());

  const charge = (payment_method: string, idempotencyKey: string, amount = 1_999) =>
    stripe.paymentIntents.create(
      { amount, currency: "eur", payment_method, confirm: true, metadata: { orderId: idempotencyKey } },
      { idempotencyKey },
    );
  const failure = async (promise: Promise<unknown>) =>
    promise.then(
      () => null,
      (error: unknown) => error,
    );

  test("a working card is charged in one call, and the ledger has it", async () => {
    const intent = await charge("pm_card_visa", "works");
    expect(intent).toMatchObject({
      object: "payment_intent",
      status: "succeeded",
      amount: 1_999,
      amount_received: 1_999,
      currency: "eur",
      metadata: { orderId: "works" },
    });
    expect(await stripe.paymentIntents.retrieve(intent.id)).toMatchObject({ id: intent.id, status: "succeeded" });
    expect(await simulator.ledger()).toContainEqual(
      expect.objectContaining({ id: intent.id, orderId: "works", amountReceived: 1_999, status: "succeeded" }),
    );
  });

  test.each([
    ["pm_card_chargeDeclined", "card_declined", "generic_decline"],
    ["pm_card_visa_chargeDeclined", "card_declined", "generic_decline"],
    ["pm_card_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"],
    ["pm_card_chargeDeclinedExpiredCard", "expired_card", "expired_card"],
  ])("%s is a 402 with its codes and the intent, which waits for another card", async (method, code, declineCode) => {
    const error = await failure(charge(method, `declined-${method}`));
    expect(error).toBeInstanceOf(Stripe.errors.StripeCardError);
    const { payment_intent: intent } = error as Stripe.errors.StripeCardError;
    expect(error).toMatchObject({ statusCode: 402, code, decline_code: declineCode });
    expect(intent).toMatchObject({ status: "requires_payment_method", amount_received: 0 });
    expect(await stripe.paymentIntents.confirm(intent?.id ?? "", { payment_method: "pm_card_visa" })).toMatchObject({
      status: "succeeded",
    });
  });

  test("an unknown payment method, a bad amount, an unknown intent are invalid requests", async () => {
    const requests = [
      () => charge("pm_nope", "bad-1"),
      () => charge("pm_card_visa", "bad-2", -5),
      () => charge("pm_card_visa", "bad-3", 100_000_000),
      () => stripe.paymentIntents.retrieve("pi_nope"),
    ];
    for (const request of requests) {
      expect(await failure(request())).toBeInstanceOf(Stripe.errors.StripeInvalidRequestError);
    }
  });

  test("an intent can be canceled once, and not after it succeeded", async () => {
    const waiting = await stripe.paymentIntents.create({ amount: 500, currency: "eur" });
    expect(await stripe.paymentIntents.cancel(waiting.id)).toMatchObject({ status: "canceled" });
    expect(await failure(stripe.paymentIntents.cancel(waiting.id))).toMatchObject({
      code: "payment_intent_unexpected_state",
    });
    const paid = await charge("pm_card_visa", "paid");
    expect(await failure(stripe.paymentIntents.cancel(paid.id))).toMatchObject({
      code: "payment_intent_unexpected_state",
    });
  });

  describe("idempotency keys", () => {
    test("the same key is answered with the same payment, marked as replayed", async () => {
      const [first, second] = [await charge("pm_card_visa", "twice"), await charge("pm_card_visa", "twice")];
      expect(second.id).toBe(first.id);
      expect(second.lastResponse.headers["idempotent-replayed"]).toBe("true");
      expect((await simulator.ledger()).filter((entry) => entry.orderId === "twice")).toHaveLength(1);
    });

    test("a decline is replayed too, even where the card would work by now", async () => {
      const first = await failure(charge("pm_card_chargeDeclined", "no"));
      const second = await failure(charge("pm_card_chargeDeclined", "no"));
      expect((second as Stripe.errors.StripeCardError).payment_intent?.id).toBe(
        (first as Stripe.errors.StripeCardError).payment_intent?.id,
      );
    });

    test("other parameters under the same key are an idempotency error", async () => {
      await charge("pm_card_visa", "same-key");
      expect(await failure(charge("pm_card_visa", "same-key", 2_500))).toBeInstanceOf(
        Stripe.errors.StripeIdempotencyError,
      );
    });

    test("a refused request leaves nothing behind: the same key is good for a right one", async () => {
      await failure(charge("pm_nope", "mended"));
      expect(await charge("pm_card_visa", "mended")).toMatchObject({ status: "succeeded" });
    });

    test("a second request while the first is under way is 409, and the payment is made once", async () => {
      await fetch(`${simulator.url}/_simulator/settings`, {
        method: "PUT",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ latencyMs: 200 }),
      });
      const body = new URLSearchParams({
        amount: "700",
        currency: "eur",
        payment_method: "pm_card_visa",
        confirm: "true",
      });
      const send = () =>
        fetch(`${simulator.url}/v1/payment_intents`, {
          method: "POST",
          headers: { authorization: "Bearer sk_test_x", "idempotency-key": "at-once" },
          body,
        });
      const answers = await Promise.all([send(), send()]);
      expect(answers.map((a) => a.status).sort((a, b) => a - b)).toEqual([200, 409]);
      await fetch(`${simulator.url}/_simulator/settings`, {
        method: "PUT",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ latencyMs: 0 }),
      });
    });
  });

  test("without a key of the account nothing is answered", async () => {
    const response = await fetch(`${simulator.url}/v1/payment_intents`, { method: "POST" });
    expect(response.status).toBe(401);
  });
});
