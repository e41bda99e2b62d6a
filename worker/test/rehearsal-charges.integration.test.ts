import { addItem, booksOf } from "@holdfast/testing/items.ts";
import { createPaymentWorld, type PaymentWorld, requestCount } from "@holdfast/testing/payments.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { isLiveKey } from "../src/payment/connect-stripe.ts";
import { settlePayment } from "../src/payment/settle-payment.ts";

describe("an order of a rehearsal's item", () => {
  let world: PaymentWorld;
  beforeAll(async () => {
    world = await createPaymentWorld();
    await addItem(world.db, "rehearsal-kettle", 5);
    await addItem(world.db, "kettle", 5);
  });
  afterAll(() => world.close());

  const settle = (orderId: string, secretKey: string) => {
    const { db, redis, keys, simulator, raiseAlarm } = world;
    const chargesMoveMoney = isLiveKey(secretKey);
    return settlePayment({ db, redis, keys, stripe: simulator.stripe, raiseAlarm, chargesMoveMoney }, orderId);
  };

  test.each(["sk_live_1", "rk_live_1"])("is declined under a live key without asking the provider: %s", async (key) => {
    const orderId = await world.reserve("rehearsal-kettle", { quantity: 2 });
    const asked = await requestCount(world);
    expect(await settle(orderId, key)).toBeNull();
    expect(await settle(orderId, key)).toBeNull();
    expect(await world.order(orderId)).toMatchObject({
      status: "cancelled",
      reason: "payment_failed",
      payment_status: "declined",
      decline_code: "rehearsal_not_charged",
    });
    expect(await requestCount(world)).toBe(asked);
    expect(await booksOf(world.db, "rehearsal-kettle")).toMatchObject({ inventory: 5, reserved: 0, balanced: true });
  });

  test.each([
    ["rehearsal-kettle", "sk_test_1"],
    ["kettle", "sk_live_1"],
  ])("is charged under a test key, and another item's under any: %s, %s", async (itemId, key) => {
    const orderId = await world.reserve(itemId);
    await settle(orderId, key);
    expect((await world.order(orderId)).status).toBe("confirmed");
  });
});
