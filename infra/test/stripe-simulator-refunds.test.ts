import { startTestSimulator, type TestSimulator } from "@holdfast/testing/simulator.ts";
import Stripe from "stripe";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

describe("refunds and disputes at the payment simulator, to the official SDK", () => {
  let simulator: TestSimulator;
  let stripe: Stripe;
  beforeEach(async () => {
    simulator = await startTestSimulator();
    stripe = simulator.stripe;
  });
  afterEach(() => simulator.close());

  const paid = () =>
    stripe.paymentIntents.create({ amount: 1_999, currency: "eur", payment_method: "pm_card_visa", confirm: true });
  const failure = (promise: Promise<unknown>) =>
    promise.then(
      () => null,
      (error: unknown) => error,
    );
  const chargeOf = async (id: string) => {
    const { latest_charge } = await stripe.paymentIntents.retrieve(id, { expand: ["latest_charge.refunds"] });
    return latest_charge as Stripe.Charge;
  };
  const announced = async () =>
    (await simulator.events()).map(({ type }) => type).filter((type) => !type.startsWith("payment_intent"));

  test("a refund carries what it was asked with, and is found by its id and by its payment", async () => {
    const [intent, other] = [await paid(), await paid()];
    const refund = await stripe.refunds.create({
      payment_intent: intent.id,
      reason: "requested_by_customer",
      metadata: { orderId: "o-1" },
    });
    expect(refund).toMatchObject({
      object: "refund",
      amount: 1_999,
      currency: "eur",
      payment_intent: intent.id,
      charge: intent.latest_charge,
      status: "succeeded",
      reason: "requested_by_customer",
      metadata: { orderId: "o-1" },
    });
    await stripe.refunds.create({ payment_intent: other.id });
    expect(await stripe.refunds.retrieve(refund.id)).toMatchObject({ id: refund.id, status: "succeeded" });
    const list = await stripe.refunds.list({ payment_intent: intent.id });
    expect(list.data.map(({ id }) => id)).toEqual([refund.id]);
    expect(await failure(stripe.refunds.retrieve("re_nope"))).toMatchObject({ code: "resource_missing" });
  });

  test("parts are refunded until nothing is left, then a refund is refused with Stripe's code", async () => {
    const intent = await paid();
    await stripe.refunds.create({ payment_intent: intent.id, amount: 1_000 });
    expect(await chargeOf(intent.id)).toMatchObject({ amount_refunded: 1_000, refunded: false });
    expect(await failure(stripe.refunds.create({ payment_intent: intent.id, amount: 1_000 }))).toMatchObject({
      statusCode: 400,
      param: "amount",
    });
    await stripe.refunds.create({ payment_intent: intent.id });
    const charge = await chargeOf(intent.id);
    expect(charge).toMatchObject({ amount_refunded: 1_999, refunded: true, disputed: false });
    expect(charge.refunds?.data.map(({ amount }) => amount)).toEqual([999, 1_000]);
    const error = await failure(stripe.refunds.create({ payment_intent: intent.id }));
    expect(error).toBeInstanceOf(Stripe.errors.StripeInvalidRequestError);
    expect(error).toMatchObject({ statusCode: 400, code: "charge_already_refunded" });
  });

  test("a repeat under the same key refunds once", async () => {
    const intent = await paid();
    const once = { idempotencyKey: "refund-once" };
    const [first, second] = [
      await stripe.refunds.create({ payment_intent: intent.id, amount: 500 }, once),
      await stripe.refunds.create({ payment_intent: intent.id, amount: 500 }, once),
    ];
    expect(second.id).toBe(first.id);
    expect(await chargeOf(intent.id)).toMatchObject({ amount_refunded: 500 });
  });

  test("an unpaid payment, an unknown one and an unknown reason are refused", async () => {
    const unpaid = await stripe.paymentIntents.create({ amount: 500, currency: "eur" });
    const intent = await paid();
    for (const refund of [
      stripe.refunds.create({ payment_intent: unpaid.id }),
      stripe.refunds.create({ payment_intent: "pi_nope" }),
      stripe.refunds.create({ payment_intent: intent.id, reason: "why not" as "duplicate" }),
    ]) {
      expect(await failure(refund)).toBeInstanceOf(Stripe.errors.StripeInvalidRequestError);
    }
    expect(await announced()).toEqual([]);
  });

  test("a pending refund counts as refunded and succeeds later, each step with its event", async () => {
    await simulator.configure({ refundStatus: "pending" });
    const intent = await paid();
    const refund = await stripe.refunds.create({ payment_intent: intent.id });
    expect(refund.status).toBe("pending");
    expect(await chargeOf(intent.id)).toMatchObject({ amount_refunded: 1_999, refunded: true });
    expect(await announced()).toEqual(["refund.created", "charge.refunded"]);
    await simulator.settleRefund(refund.id, "succeeded");
    expect(await stripe.refunds.retrieve(refund.id)).toMatchObject({ status: "succeeded" });
    expect(await announced()).toEqual(["refund.created", "charge.refunded", "refund.updated"]);
  });

  test.each(["pending", "succeeded"] as const)(
    "a refund that fails after it was %s gives its amount back to the charge, and can be made again",
    async (refundStatus) => {
      await simulator.configure({ refundStatus });
      const intent = await paid();
      const refund = await stripe.refunds.create({ payment_intent: intent.id });
      await simulator.settleRefund(refund.id, "failed");
      expect(await stripe.refunds.retrieve(refund.id)).toMatchObject({
        status: "failed",
        failure_reason: "expired_or_canceled_card",
      });
      expect(await chargeOf(intent.id)).toMatchObject({ amount_refunded: 0, refunded: false });
      expect(await announced()).toEqual(["refund.created", "charge.refunded", "refund.updated", "refund.failed"]);
      await expect(simulator.settleRefund(refund.id, "succeeded")).rejects.toThrow("failed already");
      const again = await stripe.refunds.create({ payment_intent: intent.id });
      expect(await simulator.ledger()).toMatchObject([
        {
          amountRefunded: 1_999,
          refunds: [
            { id: refund.id, amount: 1_999, status: "failed" },
            { id: again.id, amount: 1_999, status: refundStatus },
          ],
        },
      ]);
    },
  );

  test("an operator's refund in the dashboard is announced like one's own, whole, in part, pending or failed", async () => {
    const [whole, part, failed] = [await paid(), await paid(), await paid()];
    await simulator.refundOutside({ payment_intent: whole.id });
    await simulator.refundOutside({ payment_intent: part.id, amount: 700, status: "pending" });
    await simulator.refundOutside({ payment_intent: failed.id, status: "failed" });
    expect(await chargeOf(whole.id)).toMatchObject({ amount_refunded: 1_999, refunded: true });
    expect(await chargeOf(part.id)).toMatchObject({ amount_refunded: 700, refunded: false });
    expect(await chargeOf(failed.id)).toMatchObject({ amount_refunded: 0, refunded: false });
    const events = (await simulator.events()).filter(({ type }) => /refund/.test(type));
    expect(events.map(({ type }) => type).join()).toBe(
      "refund.created,charge.refunded,refund.created,charge.refunded,refund.created,refund.failed",
    );
    expect(events[1]?.data.object).toMatchObject({
      object: "charge",
      id: whole.latest_charge,
      payment_intent: whole.id,
      refunded: true,
    });
    expect(events[2]?.data.object).toMatchObject({ object: "refund", payment_intent: part.id, status: "pending" });
  });

  test("a disputed charge is refused a refund for good, unless the dispute is won", async () => {
    const intent = await paid();
    const dispute = await simulator.openDispute(intent.id);
    expect(await chargeOf(intent.id)).toMatchObject({ disputed: true, refunded: false });
    expect(await simulator.ledger()).toMatchObject([{ disputed: true, amountRefunded: 0 }]);
    const error = await failure(stripe.refunds.create({ payment_intent: intent.id }));
    expect(error).toBeInstanceOf(Stripe.errors.StripeInvalidRequestError);
    expect(error).toMatchObject({ statusCode: 400, code: "charge_disputed" });
    await simulator.closeDispute(dispute.id, "won");
    expect(await stripe.refunds.create({ payment_intent: intent.id })).toMatchObject({ status: "succeeded" });
  });

  test("a dispute is announced with its payment when it is opened and when it is closed", async () => {
    const intent = await paid();
    const { id } = await simulator.openDispute(intent.id);
    await expect(simulator.openDispute(intent.id)).rejects.toThrow("disputed already");
    await simulator.closeDispute(id, "lost");
    const events = (await simulator.events()).filter(({ type }) => type.startsWith("charge.dispute"));
    const about = { object: "dispute", id, payment_intent: intent.id, charge: intent.latest_charge, amount: 1_999 };
    expect(events).toMatchObject([
      { type: "charge.dispute.created", data: { object: { ...about, status: "needs_response" } } },
      { type: "charge.dispute.closed", data: { object: { ...about, status: "lost" } } },
    ]);
  });

  test("a charge is shown only where it is asked for, and its refunds only where they are", async () => {
    const intent = await paid();
    await stripe.refunds.create({ payment_intent: intent.id });
    const plain = await stripe.paymentIntents.retrieve(intent.id);
    expect(plain.latest_charge).toBe(intent.latest_charge);
    const charge = (await stripe.paymentIntents.retrieve(intent.id, { expand: ["latest_charge"] })).latest_charge;
    expect(charge).toMatchObject({ id: intent.latest_charge, status: "succeeded", paid: true, refunded: true });
    expect(charge).not.toHaveProperty("refunds");
    const list = await stripe.paymentIntents.list({ expand: ["data.latest_charge.refunds"] });
    expect(list.data[0]?.latest_charge).toMatchObject({ refunds: { object: "list", data: [{ amount: 1_999 }] } });
  });
});
