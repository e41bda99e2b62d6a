import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { startTestSimulator, type TestSimulator, testSecretKey } from "@holdfast/testing/simulator.ts";
import Stripe from "stripe";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

describe("a payment simulator that refuses, to the official SDK", () => {
  let simulator: TestSimulator;
  let stripe: Stripe;
  beforeEach(async () => {
    simulator = await startTestSimulator();
    stripe = simulator.stripe;
  });
  afterEach(() => simulator.close());

  const charge = (idempotencyKey: string, terms: { amount?: number; currency?: string } = {}) =>
    stripe.paymentIntents.create(
      { amount: 1_999, currency: "eur", payment_method: "pm_card_visa", confirm: true, ...terms },
      { idempotencyKey },
    );
  const failure = (promise: Promise<unknown>) =>
    promise.then(
      () => null,
      (error: unknown) => error,
    );

  test("in an outage every request is a 503 that is not saved: afterwards the same key does what it asked", async () => {
    const before = await charge("before");
    await simulator.configure({ outage: true });
    for (const request of [
      charge("during"),
      stripe.paymentIntents.retrieve(before.id),
      stripe.paymentIntents.list(),
      stripe.paymentIntents.cancel(before.id),
      stripe.refunds.create({ payment_intent: before.id }),
    ]) {
      const error = await failure(request);
      expect(error).toBeInstanceOf(Stripe.errors.StripeAPIError);
      expect(error).toMatchObject({ statusCode: 503, type: "StripeAPIError" });
    }
    await simulator.configure({ outage: false });
    expect(await charge("during")).toMatchObject({ status: "succeeded" });
    expect(await simulator.ledger()).toHaveLength(2);
  });

  test("an outage may break the connections instead", async () => {
    await simulator.configure({ outage: "broken_connection" });
    expect(await failure(charge("broken"))).toBeInstanceOf(Stripe.errors.StripeConnectionError);
    expect(await failure(stripe.paymentIntents.list())).toBeInstanceOf(Stripe.errors.StripeConnectionError);
    await simulator.configure({ outage: false });
    expect(await charge("broken")).toMatchObject({ status: "succeeded" });
  });

  test("an outage ends by itself after its time, or when it is called over", async () => {
    await simulator.configure({ outageMs: 60_000 });
    expect(await failure(charge("timed"))).toMatchObject({ statusCode: 503 });
    await simulator.advanceClock(60_000);
    expect(await charge("timed")).toMatchObject({ status: "succeeded" });
    await simulator.configure({ outageMs: 60_000 });
    await simulator.configure({ outage: false });
    expect(await charge("over")).toMatchObject({ status: "succeeded" });
  });

  test("a wrong secret key is an authentication error, which leaves the idempotency key unused", async () => {
    await simulator.configure({ secretKey: "sk_test_another_one" });
    for (const request of [charge("locked-out"), stripe.paymentIntents.list()]) {
      const error = await failure(request);
      expect(error).toBeInstanceOf(Stripe.errors.StripeAuthenticationError);
      expect(error).toMatchObject({
        statusCode: 401,
        rawType: "invalid_request_error",
        message: "Invalid API Key provided: sk_test_*****ator",
      });
    }
    await simulator.configure({ secretKey: testSecretKey });
    expect(await charge("locked-out")).toMatchObject({ status: "succeeded" });
  });

  test.each([
    ["permission", Stripe.errors.StripePermissionError, 403],
    ["restricted", Stripe.errors.StripeInvalidRequestError, 400],
  ] as const)(
    "a scripted fault %s is the merchant's: an error that names no parameter",
    async (fault, kind, status) => {
      await simulator.script([{ fault, method: "POST", times: 1 }]);
      const error = await failure(charge("merchant"));
      expect(error).toBeInstanceOf(kind);
      expect(error).toMatchObject({ statusCode: status, param: undefined, code: undefined });
      expect(await simulator.ledger()).toEqual([]);
      expect(await charge("merchant")).toMatchObject({ status: "succeeded" });
    },
  );

  test.each([
    ["a currency there is none of", { currency: "zzz" }, { param: "currency" }],
    ["an amount under the minimum", { amount: 49 }, { param: "amount", code: "amount_too_small" }],
    ["one under its currency's own minimum", { amount: 17_499, currency: "huf" }, { code: "amount_too_small" }],
    ["an amount over the maximum", { amount: 100_000_000 }, { param: "amount", code: "amount_too_large" }],
  ])("%s is a 400 that names what is wrong, and no payment", async (_what, terms, expected) => {
    const error = await failure(charge("terms", terms));
    expect(error).toBeInstanceOf(Stripe.errors.StripeInvalidRequestError);
    expect(error).toMatchObject({ statusCode: 400, ...expected });
    expect(await simulator.ledger()).toEqual([]);
  });

  test("the smallest amounts that Stripe takes are taken", async () => {
    for (const [amount, currency] of [
      [50, "eur"],
      [50, "USD"],
      [30, "gbp"],
      [17_500, "huf"],
      [50, "jpy"],
    ] as const) {
      expect(await charge(`least-${currency}`, { amount, currency })).toMatchObject({ status: "succeeded" });
    }
  });

  test("a currency that the account did not activate is refused until it is", async () => {
    await simulator.configure({ currencies: ["usd"] });
    expect(await failure(charge("not-yet"))).toMatchObject({ statusCode: 400, param: "currency" });
    expect(await charge("usd", { currency: "usd" })).toMatchObject({ status: "succeeded" });
    await simulator.configure({ currencies: null });
    expect(await charge("not-yet")).toMatchObject({ status: "succeeded" });
  });

  test("a canceled payment can't be confirmed, and the refusals of a settled one are no events", async () => {
    const canceled = await stripe.paymentIntents.create({ amount: 500, currency: "eur" });
    await stripe.paymentIntents.cancel(canceled.id);
    const paid = await charge("paid");
    const events = (await simulator.events()).length;
    for (const refused of [
      stripe.paymentIntents.confirm(canceled.id, { payment_method: "pm_card_visa" }),
      stripe.paymentIntents.confirm(paid.id, { payment_method: "pm_card_visa" }),
      stripe.paymentIntents.cancel(paid.id),
    ]) {
      expect(await failure(refused)).toMatchObject({
        statusCode: 400,
        code: "payment_intent_unexpected_state",
        payment_intent: { object: "payment_intent" },
      });
    }
    expect(await simulator.events()).toHaveLength(events);
  });

  test("a fault may be scripted for what a path ends with, its query apart", async () => {
    const intent = await stripe.paymentIntents.create({ amount: 500, currency: "eur" });
    await simulator.script([
      { fault: "error_before", suffix: "/cancel", times: 1 },
      { fault: "error_before", method: "GET", suffix: intent.id, times: 1 },
    ]);
    expect(await charge("elsewhere")).toMatchObject({ status: "succeeded" });
    expect(await failure(stripe.paymentIntents.cancel(intent.id))).toMatchObject({ statusCode: 500 });
    expect(await stripe.paymentIntents.cancel(intent.id)).toMatchObject({ status: "canceled" });
    const retrieve = () => stripe.paymentIntents.retrieve(intent.id, { expand: ["latest_charge"] });
    expect(await failure(retrieve())).toMatchObject({ statusCode: 500 });
    expect(await retrieve()).toMatchObject({ status: "canceled" });
  });

  test("an event about anything is sent, signed, also with the clock a day ahead", async () => {
    const received: Stripe.Event[] = [];
    const take = async (request: IncomingMessage, response: ServerResponse) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const signature = request.headers["stripe-signature"] ?? "";
      received.push(Stripe.webhooks.constructEvent(Buffer.concat(chunks), signature, "whsec_x"));
      response.end();
    };
    const server = createServer((request, response) => void take(request, response));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    await simulator.configure({ webhooks: { url: `http://127.0.0.1:${port}/`, secret: "whsec_x" } });
    await simulator.advanceClock(24 * 3_600_000);
    const unknown = { id: "pi_of_somebody_else", object: "payment_intent", status: "succeeded" };
    const event = await simulator.announce("payment_intent.succeeded", unknown);
    await vi.waitFor(() => expect(received).toHaveLength(1));
    expect(received[0]).toMatchObject({ id: event.id, type: "payment_intent.succeeded", data: { object: unknown } });
    expect(await simulator.events()).toContainEqual(event);
    server.close();
  });

  test("a setting there is none of is refused: a typing error would change nothing", async () => {
    await expect(simulator.configure({ listLag: 5 } as object)).rejects.toThrow("no setting 'listLag'");
  });
});
