import { randomUUID } from "node:crypto";
import Stripe from "stripe";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { about, amount, currency, failure, intentOf, outcomeOf, type ProviderCalls } from "./provider-calls.ts";

const halfDayMs = 12 * 3_600_000;
const refusedToken = { statusCode: 400, rawType: "invalid_request_error", param: "confirmation_token" };

/**
 * What the worker relies on at its payment provider, whichever that is: the simulator in every run
 * of the tests, Stripe's test mode in `npm run test:stripe`. Where it can, a test goes by what the
 * worker reads (classify-payment.ts) of the answer.
 */
export function providerContract(at: ProviderCalls): void {
  beforeAll(() => at.open());
  afterAll(() => at.close());
  payments(at);
  declines(at);
  threeDSecure(at);
  cancellations(at);
  refunds(at);
  finding(at);
  tokens(at);
}

function payments(at: ProviderCalls): void {
  describe("a payment by its card", () => {
    test("is made and paid in one call, and everything that the worker reads is in the answers", async () => {
      const intent = await at.create("pm_card_visa");
      expect(intent).toMatchObject({ amount, currency, status: "succeeded", amount_received: amount });
      expect(intent).toMatchObject({ last_payment_error: null, metadata: { attempt: "1" } });
      expect(await outcomeOf(() => at.read(intent.id))).toEqual({
        kind: "paid",
        paymentIntentId: intent.id,
        ...about,
        refundsSeen: true,
        refundedMinor: 0,
        refundPending: false,
        disputed: false,
      });
    });

    test("is the same payment under the same key, said to be repeated", async () => {
      const key = randomUUID();
      const [first, again] = [await at.create("pm_card_visa", key), await at.create("pm_card_visa", key)];
      expect(again.id).toBe(first.id);
      expect(again.lastResponse.headers["idempotent-replayed"]).toBe("true");
    });

    test("is refused under the same key with another amount", async () => {
      const key = randomUUID();
      await at.create("pm_card_visa", key);
      const error = await failure(at.create("pm_card_visa", key, { amount: amount + 1 }));
      expect(error).toBeInstanceOf(Stripe.errors.StripeIdempotencyError);
    });

    test("is refused below the least amount, for nothing about the card", async () => {
      const error = await failure(at.create("pm_card_visa", randomUUID(), { amount: 10 }));
      expect(error).toBeInstanceOf(Stripe.errors.StripeInvalidRequestError);
      expect(error).toMatchObject({ statusCode: 400, code: "amount_too_small" });
      expect(["payment_method", "confirmation_token"]).not.toContain(error.param);
    });

    test("is refused for a payment method that there is none of: param says so", async () => {
      const call = () => at.create("pm_card_there_is_none");
      expect(await failure(call())).toMatchObject({ param: "payment_method", code: "resource_missing" });
      expect(await outcomeOf(call)).toMatchObject({ kind: "declined", declineCode: "resource_missing" });
    });
  });
}

function declines(at: ProviderCalls): void {
  describe("a declined card", () => {
    test.each([
      ["pm_card_visa_chargeDeclined", "card_declined", "generic_decline"],
      ["pm_card_visa_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"],
      ["pm_card_visa_chargeDeclinedLostCard", "card_declined", "lost_card"],
      ["pm_card_visa_chargeDeclinedStolenCard", "card_declined", "stolen_card"],
      ["pm_card_chargeDeclinedExpiredCard", "expired_card", "expired_card"],
      ["pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc", "incorrect_cvc"],
      ["pm_card_chargeDeclinedProcessingError", "processing_error", "processing_error"],
    ])("%s is a 402 with code %s, read as %s, then and later", async (method, code, declineCode) => {
      const error = await failure(at.create(method));
      expect(error).toBeInstanceOf(Stripe.errors.StripeCardError);
      expect(error).toMatchObject({ statusCode: 402, code, payment_intent: { status: "requires_payment_method" } });
      const outcome = await outcomeOf(() => Promise.reject(error));
      expect(outcome).toMatchObject({ kind: "declined", declineCode, ...about });
      const later = await at.read(intentOf(outcome));
      expect(later.last_payment_error).toMatchObject({ code });
      expect(await outcomeOf(async () => later)).toEqual(outcome);
    });

    test("leaves the payment open for another card", async () => {
      const id = intentOf(await outcomeOf(() => at.create("pm_card_visa_chargeDeclined")));
      expect(await at.confirm(id, "pm_card_visa")).toMatchObject({ id, status: "succeeded" });
      expect(await at.read(id)).toMatchObject({ amount_received: amount });
    });
  });
}

function threeDSecure(at: ProviderCalls): void {
  describe("3-D Secure", () => {
    test("confirmed on the server waits for the shopper, with what the browser needs", async () => {
      const intent = await at.create("pm_card_authenticationRequired");
      expect(intent).toMatchObject({ status: "requires_action", next_action: { type: "use_stripe_sdk" } });
      const clientSecret = expect.stringContaining(`${intent.id}_secret_`);
      expect(await outcomeOf(() => at.read(intent.id))).toMatchObject({
        kind: "needs_shopper",
        clientSecret,
        ...about,
      });
    });

    test("takes another card instead of the bank's answer", async () => {
      const { id } = await at.create("pm_card_authenticationRequired");
      expect(await at.confirm(id, "pm_card_visa")).toMatchObject({ id, status: "succeeded" });
    });

    test.runIf(at.simulated)("is paid by the bank's yes, and declined by its no", async () => {
      for (const [succeed, kind] of [
        [true, "paid"],
        [false, "declined"],
      ] as const) {
        const { id, client_secret } = await at.create("pm_card_authenticationRequired");
        await at.answerBank(client_secret, succeed);
        expect(await outcomeOf(() => at.read(id))).toMatchObject({ kind });
      }
    });
  });
}

function cancellations(at: ProviderCalls): void {
  describe("a canceled payment", () => {
    const cancel = (id: string) => at.stripe.paymentIntents.cancel(id, {}, { idempotencyKey: randomUUID() });

    test("stays canceled: it is refused a second time, and takes no card", async () => {
      const { id } = await at.create("pm_card_authenticationRequired");
      expect(await cancel(id)).toMatchObject({ status: "canceled" });
      for (const call of [() => cancel(id), () => at.confirm(id, "pm_card_visa")]) {
        expect(await failure(call())).toMatchObject({
          statusCode: 400,
          code: "payment_intent_unexpected_state",
          payment_intent: { id, status: "canceled" },
        });
      }
      expect(await outcomeOf(() => at.read(id))).toMatchObject({ kind: "canceled", paymentIntentId: id });
    });

    test("a paid one cannot be canceled or confirmed again, and the refusal shows that it is paid", async () => {
      const { id } = await at.create("pm_card_visa");
      for (const call of [() => cancel(id), () => at.confirm(id, "pm_card_visa")]) {
        expect(await failure(call())).toMatchObject({ code: "payment_intent_unexpected_state" });
        expect(await outcomeOf(call)).toMatchObject({ kind: "paid", paymentIntentId: id, amountMinor: amount });
      }
    });
  });
}

function refunds(at: ProviderCalls): void {
  describe("a refund", () => {
    const refund = (payment_intent: string, more: { amount?: number } = {}) =>
      at.stripe.refunds.create(
        { payment_intent, ...more, metadata: { orderId: "x" } },
        { idempotencyKey: randomUUID() },
      );

    test("in full is seen on the payment, and refused a second time", async () => {
      const { id } = await at.create("pm_card_visa");
      expect(["succeeded", "pending"]).toContain((await refund(id)).status);
      await vi.waitFor(
        async () => expect(await outcomeOf(() => at.read(id))).toMatchObject({ kind: "paid", refundedMinor: amount }),
        { timeout: 60_000, interval: 1_000 },
      );
      expect(await failure(refund(id))).toMatchObject({ statusCode: 400, code: "charge_already_refunded" });
    });

    test("in part leaves the rest, and no more than that", async () => {
      const { id } = await at.create("pm_card_visa");
      await refund(id, { amount: 500 });
      const { latest_charge } = await at.read(id);
      expect(latest_charge).toMatchObject({ amount_refunded: 500, refunded: false, disputed: false });
      expect(latest_charge).toMatchObject({ refunds: { data: [{ amount: 500, status: expect.any(String) }] } });
      expect(await failure(refund(id, { amount }))).toBeInstanceOf(Stripe.errors.StripeInvalidRequestError);
      expect(await refund(id)).toMatchObject({ amount: amount - 500 });
    });
  });
}

function finding(at: ProviderCalls): void {
  describe("a payment is found", () => {
    test("in the list of when it was made, with its charge and refunds", async () => {
      const { id, created } = await at.create("pm_card_visa");
      const list = (within: object) =>
        at.stripe.paymentIntents.list({ created: within, limit: 100, expand: ["data.latest_charge.refunds"] });
      const { data } = await list({ gte: created });
      expect(data.find((one) => one.id === id)?.latest_charge).toMatchObject({
        amount_refunded: 0,
        refunds: { data: [] },
      });
      expect((await list({ gte: created - 60, lt: created })).data.map((one) => one.id)).not.toContain(id);
    });

    test("by its metadata, within a minute or so", async () => {
      const key = randomUUID();
      const { id } = await at.create("pm_card_visa", key);
      const search = async () =>
        (await at.stripe.paymentIntents.search({ query: `metadata['orderId']:'${key}'` })).data;
      await vi.waitFor(async () => expect(await search()).toMatchObject([{ id }]), {
        timeout: 120_000,
        interval: 3_000,
      });
    });

    test("not, where there is none of that id", async () => {
      expect(await failure(at.stripe.paymentIntents.retrieve("pi_there_is_none"))).toMatchObject({
        statusCode: 404,
        code: "resource_missing",
      });
    });
  });
}

function tokens(at: ProviderCalls): void {
  describe("a confirmation token", () => {
    const usedFor = async (id: string) => (await at.stripe.confirmationTokens.retrieve(id)).payment_intent;

    test("pays, and names its payment from then on", async () => {
      const method = await at.token("pm_card_visa");
      const { id, created, expires_at, payment_method_preview } = await at.stripe.confirmationTokens.retrieve(method);
      expect(id).toMatch(/^ctoken_/);
      expect(payment_method_preview).toMatchObject({ type: "card", card: { brand: "visa", last4: "4242" } });
      expect((expires_at ?? 0) - created).toBeGreaterThanOrEqual(900); // less, and a long line outlives it
      expect(await usedFor(method)).toBeNull();
      const paid = await at.create(method);
      expect(paid).toMatchObject({ status: "succeeded", amount_received: amount });
      expect(await usedFor(method)).toBe(paid.id);
    });

    test("is the same payment under the same key", async () => {
      const [key, method] = [randomUUID(), await at.token("pm_card_visa")];
      expect((await at.create(method, key)).id).toBe((await at.create(method, key)).id);
    });

    test("is declined as its card is, and the payment takes a new one", async () => {
      const declined = await outcomeOf(async () =>
        at.create(await at.token("pm_card_visa_chargeDeclinedInsufficientFunds")),
      );
      expect(declined).toMatchObject({ kind: "declined", declineCode: "insufficient_funds", ...about });
      const id = intentOf(declined);
      expect(await at.confirm(id, await at.token("pm_card_visa"))).toMatchObject({ id, status: "succeeded" });
    });

    test("of a card with 3-D Secure waits for the shopper", async () => {
      const intent = await at.create(await at.token("pm_card_authenticationRequired"));
      expect(intent).toMatchObject({ status: "requires_action", next_action: { type: "use_stripe_sdk" } });
      expect(intent.client_secret).toContain(`${intent.id}_secret_`);
    });

    test("that there is none of is refused: param says so", async () => {
      const call = () => at.create("ctoken_there_is_none");
      expect(await failure(call())).toMatchObject(refusedToken);
      expect(await outcomeOf(call)).toMatchObject({ kind: "untried", missing: true, paymentIntentId: null });
    });

    test.each([
      ["paid", "pm_card_visa"],
      ["was declined", "pm_card_visa_chargeDeclined"],
      ["asked for 3-D Secure", "pm_card_authenticationRequired"],
    ])("that %s is used: another payment with it is refused, and param says so", async (_what, payment_method) => {
      const method = await at.token(payment_method);
      await at.create(method).catch(() => {});
      expect(await failure(at.create(method))).toMatchObject(refusedToken);
    });

    test.runIf(at.simulated)("is refused when its time is over: param says so", async () => {
      const method = await at.token("pm_card_visa");
      await at.advanceClock(halfDayMs);
      expect(await failure(at.create(method))).toMatchObject(refusedToken);
    });
  });
}
