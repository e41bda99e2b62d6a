import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { startTestSimulator, type TestSimulator } from "@holdfast/testing/simulator.ts";
import Stripe from "stripe";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { type FaultKind, Faults } from "../stripe-simulator/faults.ts";

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
      await simulator.configure({ latencyMs: 200 });
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
      await simulator.configure({ latencyMs: 0 });
    });
  });

  test("without a key of the account nothing is answered", async () => {
    const response = await fetch(`${simulator.url}/v1/payment_intents`, { method: "POST" });
    expect(response.status).toBe(401);
  });

  test("3-D Secure waits for the shopper's bank: yes succeeds, no fails, whoever has the client secret", async () => {
    const [yes, no] = [
      await charge("pm_card_authenticationRequired", "bank-yes"),
      await charge("pm_card_authenticationRequired", "bank-no"),
    ];
    expect(yes).toMatchObject({ status: "requires_action", next_action: { type: "use_stripe_sdk" } });
    const answer = (client_secret: string | null, succeed: boolean) =>
      fetch(`${simulator.url}/_simulator/authenticate`, {
        method: "POST",
        body: new URLSearchParams({ client_secret: client_secret ?? "", succeed: String(succeed) }),
      });
    expect((await answer(`${yes.id}_secret_wrong`, true)).status).toBe(400);
    await answer(yes.client_secret, true);
    await answer(no.client_secret, false);
    expect(await stripe.paymentIntents.retrieve(yes.id)).toMatchObject({ status: "succeeded", amount_received: 1_999 });
    expect(await stripe.paymentIntents.retrieve(no.id)).toMatchObject({
      status: "requires_payment_method",
      last_payment_error: { code: "payment_intent_authentication_failure" },
    });
  });

  test("a payment is refunded once", async () => {
    const paid = await charge("pm_card_visa", "refunded");
    expect(await stripe.refunds.create({ payment_intent: paid.id })).toMatchObject({
      object: "refund",
      amount: 1_999,
      status: "succeeded",
    });
    expect(await failure(stripe.refunds.create({ payment_intent: paid.id }))).toMatchObject({
      code: "charge_already_refunded",
    });
    const { latest_charge } = await stripe.paymentIntents.retrieve(paid.id, { expand: ["latest_charge"] });
    expect(latest_charge).toMatchObject({ refunded: true, amount_refunded: 1_999 });
  });

  test("payments are listed newest first, page by page", async () => {
    const ids: string[] = [];
    for await (const intent of stripe.paymentIntents.list({ limit: 3, created: { gte: 0 } })) ids.push(intent.id);
    expect(ids).toEqual((await simulator.ledger()).map((entry) => entry.id).reverse());
    expect((await stripe.paymentIntents.list({ created: { gte: Math.floor(Date.now() / 1000) + 60 } })).data).toEqual(
      [],
    );
  });

  describe("when it is told to go wrong", () => {
    const paidUnder = async (key: string) =>
      (await simulator.ledger()).filter((p) => p.orderId === key && p.status === "succeeded");

    test.each<[FaultKind, typeof Stripe.errors.StripeError, number]>([
      ["error_before", Stripe.errors.StripeAPIError, 0],
      ["error_after", Stripe.errors.StripeAPIError, 1],
      ["reset_before", Stripe.errors.StripeConnectionError, 0],
      ["reset_after", Stripe.errors.StripeConnectionError, 1],
      ["rate_limited", Stripe.errors.StripeRateLimitError, 0],
    ])("%s: the client sees an error, whatever was done", async (fault, kind, made) => {
      await simulator.script([{ fault, method: "POST", times: 1 }]);
      const error = await failure(charge("pm_card_visa", `fault-${fault}`));
      expect(error).toBeInstanceOf(kind);
      expect(await paidUnder(`fault-${fault}`)).toHaveLength(made);
    });

    test("a saved 500 is repeated under its key for ever; after a broken connection the key does what it was asked", async () => {
      expect(await failure(charge("pm_card_visa", "fault-error_after"))).toMatchObject({
        statusCode: 500,
        headers: { "idempotent-replayed": "true" },
      });
      expect(await charge("pm_card_visa", "fault-reset_before")).toMatchObject({ status: "succeeded" });
      expect(await paidUnder("fault-reset_before")).toHaveLength(1);
    });

    test("no answer at all ends in the client's own timeout", async () => {
      await simulator.script([{ fault: "never", method: "POST", times: 1 }]);
      const impatient = stripe.paymentIntents.create({ amount: 100, currency: "eur" }, { timeout: 200 });
      expect(await failure(impatient)).toBeInstanceOf(Stripe.errors.StripeConnectionError);
    });

    test("random faults are the same for the same seed", async () => {
      const draw = () => {
        const faults = new Faults();
        faults.random({ rate: 0.3, seed: 7 });
        return Array.from({ length: 100 }, () => faults.pick("POST", "/")?.kind ?? null);
      };
      expect(draw()).toEqual(draw());
      const share = draw().filter((kind) => kind !== null).length / 100;
      expect(share).toBeGreaterThan(0.15);
      expect(share).toBeLessThan(0.45);
    });
  });

  test("webhooks are signed as the SDK checks them, sent as often as told, and again until they are taken", async () => {
    const received: Stripe.Event[] = [];
    let refusals = 1;
    const take = async (request: IncomingMessage, response: ServerResponse) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      if (refusals > 0) {
        refusals -= 1;
        response.writeHead(503).end();
        return;
      }
      const signature = request.headers["stripe-signature"] ?? "";
      received.push(Stripe.webhooks.constructEvent(Buffer.concat(chunks), signature, "whsec_x"));
      response.end();
    };
    const server = createServer((request, response) => void take(request, response));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    const settings = { webhooks: { url: `http://127.0.0.1:${port}/`, secret: "whsec_x", copies: 2, maxDelayMs: 50 } };
    await simulator.configure(settings);
    const paid = await charge("pm_card_visa", "announced");
    await vi.waitFor(() => expect(received).toHaveLength(4), { timeout: 5_000 }); // created and succeeded, twice each
    expect(new Set(received.map((event) => event.id)).size).toBe(2);
    expect(received.map((event) => event.type)).toContain("payment_intent.succeeded");
    expect(received[0]?.data.object).toMatchObject({ id: paid.id });
    server.close();
  });
});
