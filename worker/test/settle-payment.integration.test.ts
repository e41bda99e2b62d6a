import { setTimeout as sleep } from "node:timers/promises";
import { publishOrders } from "@holdfast/shared/order-view.ts";
import { findOrder } from "@holdfast/shared/rows.ts";
import { addItem, booksOf } from "@holdfast/testing/items.ts";
import { createPaymentWorld, type PaymentWorld, requestCount } from "@holdfast/testing/payments.ts";
import { purchaseJob, purchaseRequest } from "@holdfast/testing/purchases.ts";
import { sql } from "kysely";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { PaymentOutcome } from "../src/payment/classify-payment.ts";
import { connectStripe } from "../src/payment/connect-stripe.ts";
import { settleOrder } from "../src/payment/settle-order.ts";
import { settlePayment } from "../src/payment/settle-payment.ts";
import { reserveOrders } from "../src/reserve/reserve-orders.ts";

describe("looking after an order's payment", () => {
  let world: PaymentWorld;
  let itemId = "";
  beforeAll(async () => {
    world = await createPaymentWorld();
  });
  afterAll(() => world.close());
  beforeEach(async () => {
    itemId = `item-${Math.random().toString(36).slice(2)}`;
    await addItem(world.db, itemId, 5);
  });

  test("a paid order is confirmed, with one payment of its amount", async () => {
    const orderId = await world.reserve(itemId, { quantity: 2 });
    expect(await world.settle(orderId)).toBeNull();
    expect(await world.order(orderId)).toMatchObject({
      status: "confirmed",
      payment_status: "succeeded",
      payment_due_at: null,
    });
    expect(await world.payments(orderId)).toMatchObject([{ status: "succeeded", amountReceived: 3_998, itemId }]);
    expect(await booksOf(world.db, itemId)).toMatchObject({ inventory: 3, confirmed: 2, reserved: 0, balanced: true });
    expect(await world.events(orderId)).toEqual(["reserved", "charge_started", "confirmed"]);
  });

  test.each([
    ["pm_card_chargeDeclined", "generic_decline"],
    ["pm_card_chargeDeclinedInsufficientFunds", "insufficient_funds"],
    ["pm_card_chargeDeclinedExpiredCard", "expired_card"],
    ["pm_that_does_not_exist", "resource_missing"],
  ])("a declined card returns the units to the item: %s", async (paymentMethod, declineCode) => {
    const orderId = await world.reserve(itemId, { card: paymentMethod, quantity: 2 });
    expect(await world.settle(orderId)).toBeNull();
    expect(await world.order(orderId)).toMatchObject({
      status: "cancelled",
      reason: "payment_failed",
      payment_status: "declined",
      decline_code: declineCode,
    });
    expect(await booksOf(world.db, itemId)).toMatchObject({ inventory: 5, reserved: 0, balanced: true });
    expect(await world.events(orderId)).toEqual(["reserved", "charge_started", "cancelled"]);
    // Nobody can pay for units that are gone.
    expect((await world.payments(orderId)).filter(({ status }) => status !== "canceled")).toEqual([]);
  });

  test("what happened while publishing waited for Redis is seen before anything else is asked", async () => {
    const orderId = await world.reserve(itemId);
    const requestsBefore = await requestCount(world);
    // Redis is unavailable for a while, and the provider tells meanwhile that there is something to
    // look at.
    let waited = false;
    const slow = new Proxy(world.redis, {
      get(redis, name) {
        const value = Reflect.get(redis, name, redis);
        if (name !== "replaceViews") return typeof value === "function" ? value.bind(redis) : value;
        return async (...views: unknown[]) => {
          if (waited) return (value as (...views: unknown[]) => Promise<number>).apply(redis, views);
          waited = true;
          await sleep(1_200);
          const hint = { payment_due_at: sql<Date>`now()`, payment_hints: sql<number>`payment_hints + 1` };
          await world.db.updateTable("orders").set(hint).where("id", "=", orderId).execute();
          return (value as (...views: unknown[]) => Promise<number>).apply(redis, views);
        };
      },
    });
    const parts = { ...world, redis: slow, stripe: world.simulator.stripe };
    await publishOrders(world, [await findOrder(world.db, orderId)]); // the script is known to the connection
    expect(await settlePayment(parts, orderId)).toBeNull();
    expect((await requestCount(world)) - requestsBefore).toBe(2); // the charge, and the question
    expect(await world.order(orderId)).toMatchObject({ status: "confirmed", payment_due_at: null });
  });

  test("run again at any point, it charges once and settles once", async () => {
    const orderId = await world.reserve(itemId);
    const settle = () => world.settle(orderId);
    await Promise.all([settle(), settle(), settle()]);
    await settle();
    expect((await world.order(orderId)).status).toBe("confirmed");
    expect(await world.payments(orderId)).toHaveLength(1);
    expect(await world.events(orderId)).toEqual(["reserved", "charge_started", "confirmed"]);
  });

  test("orders are settled while others of their item are decided: nobody waits in a circle", async () => {
    const busy = `busy-${itemId}`;
    await addItem(world.db, busy, 100_000);
    const orderIds = await Promise.all(Array.from({ length: 30 }, () => world.reserve(busy)));
    let settling = true;
    const decide = async () => {
      const { signal } = new AbortController();
      while (settling) {
        const requests = Array.from({ length: 50 }, () => purchaseRequest());
        await reserveOrders(world.db, purchaseJob(busy, requests), signal);
      }
    };
    // An event came in since Postgres was looked at, so that settling writes the order twice.
    const settle = async (orderId: string) => {
      const { payment_hints: hints } = await world.order(orderId);
      const outcome: PaymentOutcome = {
        kind: "paid",
        paymentIntentId: `pi_${orderId}`,
        madeByAttempt: 1,
        amountMinor: 1_999,
        currency: "eur",
        refundsSeen: true,
        refundedMinor: 0,
        refundPending: false,
        disputed: false,
      };
      const seen = { attempt: 1, hints: hints + 1, outcome, unmatched: null, withoutCall: false };
      return settleOrder(world.db, orderId, seen);
    };
    const deciding = decide();
    try {
      for (const orderId of orderIds) expect((await settle(orderId)).order.status).toBe("confirmed");
    } finally {
      settling = false;
      await deciding;
    }
  });

  test("a decline that is seen twice returns the units once", async () => {
    const orderId = await world.reserve(itemId, { card: "pm_card_chargeDeclined" });
    await Promise.all([world.settle(orderId), world.settle(orderId)]);
    await world.settle(orderId);
    expect(await booksOf(world.db, itemId)).toMatchObject({ inventory: 5, balanced: true });
  });

  test("when the provider is unavailable, nothing is released and the same key is good for the next try", async () => {
    const orderId = await world.reserve(itemId);
    const { db, redis, keys, raiseAlarm } = world;
    const unavailable = connectStripe({ STRIPE_SECRET_KEY: "sk_test_x", STRIPE_API_BASE: "http://127.0.0.1:9" });
    const againInMs = await settlePayment({ db, redis, keys, stripe: unavailable, raiseAlarm }, orderId);
    expect(againInMs).toBeGreaterThan(0);
    expect(againInMs).toBeLessThan(1_000);
    expect(await world.order(orderId)).toMatchObject({ status: "reserved", payment_status: "unknown" });
    expect(await booksOf(world.db, itemId)).toMatchObject({ inventory: 4, reserved: 1, balanced: true });
    await world.letTimePass(1_000);
    await world.settle(orderId);
    expect(await world.order(orderId)).toMatchObject({ status: "confirmed", payment_attempt: 1 });
  });

  test("an order that waits for its shopper's bank is not asked about before its time, however often the job runs", async () => {
    const orderId = await world.reserve(itemId, { card: "pm_card_authenticationRequired" });
    const againInMs = await world.settle(orderId);
    expect(againInMs).toBeGreaterThan(30_000);
    const asked = await requestCount(world);
    for (let i = 0; i < 3; i++) await world.settle(orderId);
    expect(await requestCount(world)).toBe(asked);
    expect((await world.order(orderId)).payment_status).toBe("requires_action");
  });
});
