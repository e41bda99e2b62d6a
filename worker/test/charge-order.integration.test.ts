import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { addItem, booksOf } from "../../infra/testing/items.ts";
import { purchaseJob, purchaseRequest } from "../../infra/testing/purchases.ts";
import { startTestSimulator, type TestSimulator } from "../../infra/testing/simulator.ts";
import { createWorld, type World } from "../../infra/testing/world.ts";
import { chargeOrder, checkPayment } from "../src/charge-order.ts";
import { reserveOrders } from "../src/reserve-orders.ts";
import { connectStripe } from "../src/connect-stripe.ts";

describe("the charge step", () => {
  let world: World;
  let simulator: TestSimulator;
  let itemId = "";
  beforeAll(async () => {
    [world, simulator] = await Promise.all([createWorld(), startTestSimulator()]);
  });
  afterAll(async () => {
    await simulator.close();
    await world.close();
  });
  beforeEach(async () => {
    itemId = `item-${Math.random().toString(36).slice(2)}`;
    await addItem(world.db, itemId, 5);
  });

  const reserve = async (paymentMethod: string, quantity = 1) => {
    const request = purchaseRequest({ paymentMethod, quantity });
    await reserveOrders(world.db, purchaseJob(itemId, [request]), new AbortController().signal);
    return request.orderId;
  };
  const payments = async (orderId: string) => (await simulator.ledger()).filter((entry) => entry.orderId === orderId);
  const events = async (orderId: string) =>
    (
      await world.db.selectFrom("order_events").select("event").where("order_id", "=", orderId).orderBy("id").execute()
    ).map((row) => row.event);

  test("a paid order is confirmed, with one payment of its amount", async () => {
    const orderId = await reserve("pm_card_visa", 2);
    const { order, item } = await chargeOrder({ db: world.db, stripe: simulator.stripe }, orderId, 1);
    expect(order).toMatchObject({ status: "confirmed", paymentStatus: "succeeded" });
    expect(item).toBeNull();
    expect(await payments(orderId)).toMatchObject([{ status: "succeeded", amountReceived: 3_998, itemId }]);
    expect(await booksOf(world.db, itemId)).toMatchObject({ inventory: 3, confirmed: 2, reserved: 0, balanced: true });
    expect(await events(orderId)).toEqual(["reserved", "charge_started", "confirmed"]);
  });

  test.each([
    ["pm_card_chargeDeclined", "generic_decline"],
    ["pm_card_chargeDeclinedInsufficientFunds", "insufficient_funds"],
    ["pm_card_chargeDeclinedExpiredCard", "expired_card"],
    ["pm_that_does_not_exist", "resource_missing"],
  ])("a declined card returns the units to the item: %s", async (paymentMethod, declineCode) => {
    const orderId = await reserve(paymentMethod, 2);
    const { order, item } = await chargeOrder({ db: world.db, stripe: simulator.stripe }, orderId, 1);
    expect(order).toMatchObject({
      status: "cancelled",
      reason: "payment_failed",
      paymentStatus: "declined",
      declineCode,
    });
    expect(item?.inventory).toBe(5);
    expect(await booksOf(world.db, itemId)).toMatchObject({ inventory: 5, reserved: 0, balanced: true });
    expect(await events(orderId)).toEqual(["reserved", "charge_started", "cancelled"]);
  });

  test("run again at any point, it charges once and settles once", async () => {
    const orderId = await reserve("pm_card_visa");
    const charge = () => chargeOrder({ db: world.db, stripe: simulator.stripe }, orderId, 1);
    await Promise.allSettled([charge(), charge(), charge()]);
    const { order } = await charge();
    expect(order.status).toBe("confirmed");
    expect(await payments(orderId)).toHaveLength(1);
    expect(await events(orderId)).toEqual(["reserved", "charge_started", "confirmed"]);
  });

  test("a decline that is seen twice returns the units once", async () => {
    const orderId = await reserve("pm_card_chargeDeclined");
    const charge = () => chargeOrder({ db: world.db, stripe: simulator.stripe }, orderId, 1);
    await Promise.allSettled([charge(), charge()]);
    await charge();
    expect(await booksOf(world.db, itemId)).toMatchObject({ inventory: 5, balanced: true });
  });

  test("when the provider cannot be reached, nothing is released and the same key is good for the next try", async () => {
    const orderId = await reserve("pm_card_visa");
    const away = connectStripe({ STRIPE_SECRET_KEY: "sk_test_x", STRIPE_API_BASE: "http://127.0.0.1:9" });
    const { order: held, again } = await chargeOrder({ db: world.db, stripe: away }, orderId, 1);
    expect(held).toMatchObject({ status: "reserved", paymentStatus: "unknown" });
    expect(again).toBe("later");
    expect(await booksOf(world.db, itemId)).toMatchObject({ inventory: 4, reserved: 1, balanced: true });
    const { order } = await chargeOrder({ db: world.db, stripe: simulator.stripe }, orderId, 1);
    expect(order.status).toBe("confirmed");
  });

  test("a job of another attempt than the order's charges nothing", async () => {
    const orderId = await reserve("pm_card_visa");
    const { order } = await chargeOrder({ db: world.db, stripe: simulator.stripe }, orderId, 2);
    expect(order.status).toBe("reserved");
    expect(await payments(orderId)).toHaveLength(0);
  });

  test("a cancelled order that was refunded once gives a second payment back too, and is closed again", async () => {
    const orderId = await reserve("pm_that_does_not_exist");
    const parts = { db: world.db, stripe: simulator.stripe };
    await chargeOrder(parts, orderId, 1);
    for (const number of [1, 2]) {
      const metadata = { orderId, itemId, number: String(number) };
      const stray = { amount: 1_999, currency: "eur", payment_method: "pm_card_visa", confirm: true, metadata };
      const { id } = await simulator.stripe.paymentIntents.create(stray);
      const { order, again } = await checkPayment(parts, orderId, id);
      expect(order).toMatchObject({ status: "cancelled", paymentStatus: "refunded" });
      expect(again).toBeNull();
    }
    expect((await payments(orderId)).map((p) => p.amountRefunded)).toEqual([1_999, 1_999]);
    const query = world.db.selectFrom("orders").select("payment_closed_at").where("id", "=", orderId);
    expect((await query.executeTakeFirstOrThrow()).payment_closed_at).not.toBeNull();
  });
});
