import { addItem, booksOf } from "@holdfast/testing/items.ts";
import { createPaymentWorld, type PaymentWorld, requestCount } from "@holdfast/testing/payments.ts";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";

/** What somebody does about a paid order's money at the provider, and how it is seen here. */
describe("a refund made at the provider", () => {
  let world: PaymentWorld;
  let itemId = "";
  beforeAll(async () => {
    world = await createPaymentWorld();
  });
  afterAll(() => world.close());
  beforeEach(async () => {
    itemId = `item-${Math.random().toString(36).slice(2)}`;
    await addItem(world.db, itemId, 200);
    world.alarms.length = 0;
  });

  const eventAbout = async (type: string, orderId: string) => {
    const events = await world.simulator.events();
    const event = events.find((one) => one.type === type && JSON.stringify(one.data.object).includes(orderId));
    if (!event) throw new Error(`no ${type} for ${orderId}`);
    return event;
  };
  const buy = async () => {
    const orderId = await world.reserve(itemId, { quantity: 2 });
    await world.settle(orderId);
    const { payment_intent_id } = await world.order(orderId);
    return { orderId, payment_intent: payment_intent_id ?? "" };
  };
  const hearAll = async (paymentIntentId: string) => {
    for (const event of await world.simulator.events()) {
      if (JSON.stringify(event.data.object).includes(paymentIntentId)) await world.hear(event);
    }
  };

  test("in full makes the order refunded; its units leave the stock and are not on sale again", async () => {
    const { orderId, payment_intent } = await buy();
    await world.simulator.refundOutside({ payment_intent });
    await hearAll(payment_intent);
    expect(await world.order(orderId)).toMatchObject({
      status: "refunded",
      payment_status: "refunded",
      refunded_minor: 3_998,
      payment_due_at: null,
    });
    expect(await booksOf(world.db, itemId)).toMatchObject({
      stocked: 198,
      inventory: 198,
      confirmed: 0,
      balanced: true,
    });
    expect(await world.events(orderId)).toEqual(["reserved", "charge_started", "confirmed", "refunded"]);
  });

  test("in part is noted, and the order stays confirmed", async () => {
    const { orderId, payment_intent } = await buy();
    await world.simulator.refundOutside({ payment_intent, amount: 500 });
    await hearAll(payment_intent);
    expect(await world.order(orderId)).toMatchObject({ status: "confirmed", refunded_minor: 500 });
    expect(await booksOf(world.db, itemId)).toMatchObject({ stocked: 200, confirmed: 2, balanced: true });
    expect((await world.events(orderId)).at(-1)).toBe("partly_refunded");
  });

  test("that is pending counts when it has succeeded, and not before", async () => {
    const { orderId, payment_intent } = await buy();
    const { id } = await world.simulator.refundOutside({ payment_intent, status: "pending" });
    await hearAll(payment_intent);
    expect(await world.order(orderId)).toMatchObject({ status: "confirmed", refunded_minor: 0 });
    expect((await world.order(orderId)).payment_due_at).not.toBeNull(); // asked about again, should no event come
    await world.simulator.settleRefund(id, "succeeded");
    await hearAll(payment_intent);
    expect(await world.order(orderId)).toMatchObject({ status: "refunded", refunded_minor: 3_998 });
  });

  test("that fails leaves the order confirmed; one that fails afterwards is noted and is an alarm", async () => {
    const { orderId, payment_intent } = await buy();
    const pending = await world.simulator.refundOutside({ payment_intent, status: "pending" });
    await hearAll(payment_intent);
    await world.simulator.settleRefund(pending.id, "failed");
    await hearAll(payment_intent);
    expect(await world.order(orderId)).toMatchObject({ status: "confirmed", refunded_minor: 0 });
    const second = await world.simulator.refundOutside({ payment_intent });
    await hearAll(payment_intent);
    expect((await world.order(orderId)).status).toBe("refunded");
    await world.simulator.settleRefund(second.id, "failed");
    await hearAll(payment_intent);
    expect(await world.order(orderId)).toMatchObject({ status: "refunded", refunded_minor: 0 });
    expect((await world.events(orderId)).at(-1)).toBe("refund_failed");
    expect(world.alarms).toContain(`refund_failed:${orderId}`);
  });

  test("a dispute is noted once", async () => {
    const { orderId, payment_intent } = await buy();
    await world.simulator.openDispute(payment_intent);
    await hearAll(payment_intent);
    await hearAll(payment_intent);
    expect(await world.order(orderId)).toMatchObject({ status: "confirmed", disputed: true });
    expect((await world.events(orderId)).filter((event) => event === "disputed")).toHaveLength(1);
  });

  test("costs no request where an event tells nothing new of a paid order", async () => {
    const { orderId } = await buy();
    const before = await requestCount(world);
    expect(await world.hear(await eventAbout("payment_intent.succeeded", orderId))).toBe("nothing_new");
    expect(await requestCount(world)).toBe(before);
  });
});
