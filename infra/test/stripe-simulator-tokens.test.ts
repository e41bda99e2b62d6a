import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startTestSimulator, type TestSimulator } from "@holdfast/testing/simulator.ts";
import Stripe from "stripe";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Clock } from "../stripe-simulator/clock.ts";
import { ConfirmationTokens } from "../stripe-simulator/confirmation-tokens.ts";
import { requireCard } from "../stripe-simulator/payment-intents.ts";

const hourMs = 3_600_000;

describe("confirmation tokens at the payment simulator, to the official SDK", () => {
  let simulator: TestSimulator;
  let stripe: Stripe;
  beforeEach(async () => {
    simulator = await startTestSimulator();
    stripe = simulator.stripe;
  });
  afterEach(() => simulator.close());

  const makeToken = async (payment_method = "pm_card_visa") =>
    (await stripe.testHelpers.confirmationTokens.create({ payment_method })).id;
  const charge = (
    confirmation_token: string,
    idempotencyKey: string,
    more: Partial<Stripe.PaymentIntentCreateParams> = {},
  ) =>
    stripe.paymentIntents.create(
      { amount: 1_999, currency: "eur", confirmation_token, confirm: true, use_stripe_sdk: true, ...more },
      { idempotencyKey },
    );
  const confirm = (intentId: string, confirmation_token: string) =>
    stripe.paymentIntents.confirm(intentId, { confirmation_token, use_stripe_sdk: true });
  const failure = (promise: Promise<unknown>) =>
    promise.then(
      () => null,
      (error: unknown) => error,
    );
  const usedFor = async (token: string) => (await stripe.confirmationTokens.retrieve(token)).payment_intent;
  const refused = { statusCode: 400, rawType: "invalid_request_error", param: "confirmation_token" };

  test("a token shows its card without the number, and the payment it was used for", async () => {
    const token = await makeToken();
    expect(await stripe.confirmationTokens.retrieve(token)).toMatchObject({
      object: "confirmation_token",
      livemode: false,
      payment_intent: null,
      payment_method_preview: { type: "card", card: { brand: "visa", last4: "4242" } },
    });
    const paid = await charge(token, "shown");
    expect(paid).toMatchObject({ status: "succeeded", amount_received: 1_999 });
    expect(await usedFor(token)).toBe(paid.id);
  });

  test("a token is for one confirmation: a second payment with it is refused, and none is left behind", async () => {
    const token = await makeToken();
    const paid = await charge(token, "first");
    const error = await failure(charge(token, "second"));
    expect(error).toBeInstanceOf(Stripe.errors.StripeInvalidRequestError);
    expect(error).toMatchObject(refused);
    expect(await usedFor(token)).toBe(paid.id);
    expect(await simulator.ledger()).toHaveLength(1);
  });

  test("the same request again under its key is the same payment, though its token is used", async () => {
    const token = await makeToken();
    const paid = await charge(token, "again");
    expect((await charge(token, "again")).id).toBe(paid.id);
  });

  test("two payments with one token at the same time: one is made", async () => {
    const token = await makeToken();
    const answers = await Promise.allSettled([charge(token, "one"), charge(token, "other")]);
    expect(answers.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    expect(await simulator.ledger()).toHaveLength(1);
  });

  test("a token is used also where its card is declined, and the payment takes a new one", async () => {
    const token = await makeToken("pm_card_chargeDeclinedInsufficientFunds");
    const error = (await failure(charge(token, "declined"))) as Stripe.errors.StripeCardError;
    expect(error).toMatchObject({ statusCode: 402, code: "card_declined", decline_code: "insufficient_funds" });
    const intentId = error.payment_intent?.id ?? "";
    expect(await usedFor(token)).toBe(intentId);
    expect(await failure(confirm(intentId, token))).toMatchObject(refused);
    expect(await confirm(intentId, await makeToken())).toMatchObject({ id: intentId, status: "succeeded" });
  });

  test("a token is used also where the bank asks the shopper", async () => {
    const token = await makeToken("pm_card_threeDSecure2Required");
    const waiting = await charge(token, "asked");
    expect(waiting).toMatchObject({ status: "requires_action", next_action: { type: "use_stripe_sdk" } });
    expect(await usedFor(token)).toBe(waiting.id);
    expect(await failure(charge(token, "asked-again"))).toMatchObject(refused);
  });

  test("a token that there is none of is refused; to look at, it is not found", async () => {
    expect(await failure(charge("ctoken_nope", "none"))).toMatchObject({ ...refused, code: "resource_missing" });
    expect(await failure(stripe.confirmationTokens.retrieve("ctoken_nope"))).toMatchObject({
      statusCode: 404,
      code: "resource_missing",
    });
    expect(await simulator.ledger()).toHaveLength(0);
  });

  test("a token lives for twelve hours, or for as long as the settings say, by the simulator's clock", async () => {
    const [young, old] = [await makeToken(), await makeToken()];
    await simulator.advanceClock(12 * hourMs - 60_000);
    expect(await charge(young, "young")).toMatchObject({ status: "succeeded" });
    await simulator.advanceClock(60_000);
    expect(await failure(charge(old, "old"))).toMatchObject(refused);
    expect(await usedFor(old)).toBeNull();

    await simulator.configure({ confirmationTokenLifeMs: 900_000 });
    const short = await stripe.testHelpers.confirmationTokens.create({ payment_method: "pm_card_visa" });
    expect((short.expires_at ?? 0) - short.created).toBe(900);
    await simulator.advanceClock(900_000);
    expect(await failure(charge(short.id, "short"))).toMatchObject(refused);
  });

  test("a shop's own mistakes with tokens are not the card's: param names neither", async () => {
    const token = await makeToken();
    const both = await failure(charge(token, "both", { payment_method: "pm_card_visa" }));
    expect(both).toMatchObject({ statusCode: 400, rawType: "invalid_request_error" });
    expect(both).not.toHaveProperty("param", expect.anything());
    expect(await failure(charge(token, "unconfirmed", { confirm: false }))).toMatchObject({ param: "confirm" });
    expect(await usedFor(token)).toBeNull();
  });

  test("on a payment that is paid a token is not used: the payment's state is the answer", async () => {
    const paid = await charge(await makeToken(), "paid");
    const spare = await makeToken();
    expect(await failure(confirm(paid.id, spare))).toMatchObject({ code: "payment_intent_unexpected_state" });
    expect(await usedFor(spare)).toBeNull();
  });

  test("a 500 after the charge was carried out leaves its token used; one before it does not", async () => {
    const [after, before] = [await makeToken(), await makeToken()];
    await simulator.script([{ fault: "error_after", path: "/v1/payment_intents", method: "POST", times: 1 }]);
    await failure(charge(after, "after"));
    expect(await failure(charge(after, "after-2"))).toMatchObject(refused);
    await simulator.script([{ fault: "error_before", path: "/v1/payment_intents", method: "POST", times: 1 }]);
    await failure(charge(before, "before"));
    expect(await charge(before, "before-2")).toMatchObject({ status: "succeeded" });
  });

  test("a simulator that starts again knows its tokens, used and unused", async () => {
    const directory = await mkdtemp(join(tmpdir(), "stripe-simulator-"));
    const file = join(directory, "payments.json");
    const use = async (act: () => Promise<void>) => {
      await simulator.close();
      simulator = await startTestSimulator({ file });
      stripe = simulator.stripe;
      await act();
    };
    let [used, unused] = ["", ""];
    await use(async () => {
      [used, unused] = [await makeToken(), await makeToken()];
      await charge(used, "before");
    });
    await use(async () => {
      expect(await failure(charge(used, "again"))).toMatchObject(refused);
      expect(await charge(unused, "after")).toMatchObject({ status: "succeeded" });
    });
    await simulator.close(); // which writes to the file once more
    await rm(directory, { recursive: true });
  });
});

test("the simulator remembers so many tokens and no more: the oldest is then one that never was", () => {
  const tokens = new ConfirmationTokens(new Clock(), { confirmationTokenLifeMs: hourMs });
  const ids = Array.from({ length: 20_001 }, () => tokens.create(requireCard("pm_card_visa")).id);
  expect(tokens.snapshot()).toHaveLength(20_000);
  expect(() => tokens.requireUsable(ids[0] ?? "")).toThrow("No such confirmation_token");
  expect(() => tokens.requireUsable(ids[1] ?? "")).not.toThrow();
});
