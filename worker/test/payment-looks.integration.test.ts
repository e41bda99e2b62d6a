import { addItem } from "@holdfast/testing/items.ts";
import { createPaymentWorld, type PaymentWorld, requestCount } from "@holdfast/testing/payments.ts";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { readPayment } from "../src/payment/read-payment.ts";
import { settleOrder } from "../src/payment/settle-order.ts";

const minuteMs = 60_000;
const create = { method: "POST", path: "/v1/payment_intents" };

/** When a payment is looked at, and by which answers it is settled. */
describe("looking at a payment", () => {
  let world: PaymentWorld;
  let itemId = "";
  beforeAll(async () => {
    world = await createPaymentWorld();
  });
  afterAll(() => world.close());
  beforeEach(async () => {
    itemId = `item-${Math.random().toString(36).slice(2)}`;
    await addItem(world.db, itemId, 200, { payment_retries: 1 });
    await world.simulator.configure({ listLagMs: 0, searchLagMs: null, outage: false });
    await world.simulator.script([]);
  });
  const eventsAbout = async (orderId: string) =>
    (await world.simulator.events()).filter((event) => JSON.stringify(event.data.object).includes(orderId));
  const settleFor = async (orderId: string, ms: number) => {
    for (let leftMs = ms; leftMs > 0; ) {
      const dueInMs = await world.settle(orderId);
      if (dueInMs === null) return;
      await world.letTimePass(Math.max(1, Math.ceil(dueInMs)));
      leftMs -= Math.max(1, dueInMs);
    }
  };

  test("a declined order that waits for another card is not looked at before its time, whatever is told of its decline", async () => {
    const orderId = await world.reserve(itemId, { card: "pm_card_chargeDeclined" });
    await world.settle(orderId);
    for (const event of await eventsAbout(orderId)) await world.hear(event);
    const before = await requestCount(world);
    expect(await world.settle(orderId)).toBeGreaterThan(500_000);
    expect(await requestCount(world)).toBe(before);
  });

  test("a declined order that was paid by the browser all the same is confirmed as soon as an event tells of it", async () => {
    const orderId = await world.reserve(itemId, { card: "pm_card_chargeDeclined" });
    await world.settle(orderId);
    const { payment_intent_id: id } = await world.order(orderId);
    await world.simulator.stripe.paymentIntents.confirm(id ?? "", { payment_method: "pm_card_visa" });
    for (const event of await eventsAbout(orderId)) await world.hear(event);
    expect((await world.order(orderId)).status).toBe("confirmed");
  });

  test("what is due and has nothing to be done is put off: no job comes back to it at once", async () => {
    const orderId = await world.reserve(itemId, { card: "pm_that_does_not_exist" });
    await world.settle(orderId);
    const due = { payment_due_at: new Date(Date.now() - 1_000) };
    await world.db.updateTable("orders").set(due).where("id", "=", orderId).execute();
    expect(await world.settle(orderId)).toBeGreaterThan(30_000);
    expect(await world.settle(orderId)).toBeGreaterThan(30_000);
  });

  test("a provider that saves every failure is asked ever more seldom, and searched for with one row", async () => {
    await world.simulator.script([{ ...create, fault: "error_before", times: 100_000 }]);
    const orderId = await world.reserve(itemId);
    const before = await requestCount(world);
    await settleFor(orderId, 60 * minuteMs);
    expect((await requestCount(world)) - before).toBeLessThan(300);
    expect((await world.order(orderId)).payment_attempt).toBeLessThan(15);
    const searches = (await world.unmatched(orderId)).filter(({ next_step }) => next_step === "search");
    expect(searches).toHaveLength(1);
    expect((await world.order(orderId)).payment_unknown_since).not.toBeNull(); // an alarm by its age
    await world.simulator.script([]);
    await settleFor(orderId, 120 * minuteMs);
    expect((await world.order(orderId)).status).toBe("confirmed");
  });

  test("a payment that the last of many sendings made is not called never made: it is not charged again", async () => {
    await world.simulator.configure({ outage: true, searchLagMs: minuteMs });
    const orderId = await world.reserve(itemId);
    await settleFor(orderId, 5 * minuteMs);
    await world.simulator.configure({ outage: false });
    await world.simulator.script([{ ...create, fault: "error_after", times: 1 }]); // made now, and answered 500 for ever
    await settleFor(orderId, 10 * minuteMs);
    expect((await world.order(orderId)).status).toBe("confirmed");
    expect(await world.payments(orderId)).toHaveLength(1);
  });

  test("an event that comes while an older answer is being settled is not forgotten by it", async () => {
    const orderId = await world.reserve(itemId);
    await world.settle(orderId);
    const { payment_intent_id: id } = await world.order(orderId);
    await world.simulator.refundOutside({ payment_intent: id ?? "", amount: 100 });
    const { payment: looked } = await readPayment(world.db, orderId);
    const about = { paymentIntentId: id ?? "", madeByAttempt: 1, amountMinor: 1_999, currency: "eur" };
    const old = {
      kind: "paid",
      ...about,
      refundsSeen: true,
      refundedMinor: 100,
      refundPending: false,
      disputed: false,
    } as const;
    await world.simulator.refundOutside({ payment_intent: id ?? "" });
    for (const event of await world.simulator.events()) await world.hear(event, false); // its job is behind
    const seen = { attempt: 1, hints: looked.hints, outcome: old, unmatched: null, withoutCall: false };
    await settleOrder(world.db, orderId, seen);
    expect((await world.order(orderId)).refunded_minor).toBe(100);
    await world.settle(orderId);
    expect(await world.order(orderId)).toMatchObject({ status: "refunded", refunded_minor: 1_999 });
  });

  test("an order that was cancelled while an event came is looked at once more, and then no more", async () => {
    const orderId = await world.reserve(itemId, { card: "pm_card_authenticationRequired" });
    await world.settle(orderId);
    const { payment: looked } = await readPayment(world.db, orderId);
    const { payment_intent_id: id } = await world.order(orderId);
    await world.simulator.stripe.paymentIntents.cancel(id ?? "");
    for (const event of await eventsAbout(orderId)) await world.hear(event, false); // counts a hint
    const about = { paymentIntentId: id ?? "", madeByAttempt: 1, amountMinor: 1_999, currency: "eur" };
    const outcome = { kind: "canceled", ...about } as const;
    await settleOrder(world.db, orderId, {
      attempt: 1,
      hints: looked.hints,
      outcome,
      unmatched: null,
      withoutCall: false,
    });
    expect((await world.order(orderId)).status).toBe("cancelled");
    const before = await requestCount(world);
    expect(await world.settle(orderId)).toBeNull();
    expect((await requestCount(world)) - before).toBe(1);
    expect((await world.order(orderId)).payment_due_at).toBeNull();
  });
});
