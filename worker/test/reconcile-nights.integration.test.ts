import { addItem } from "@holdfast/testing/items.ts";
import { createPaymentWorld, type PaymentWorld } from "@holdfast/testing/payments.ts";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { reconcileNights } from "../src/recovery/reconcile-nights.ts";

const hourMs = 3_600_000;

describe("the nightly reconciliation", () => {
  let world: PaymentWorld;
  beforeAll(async () => {
    world = await createPaymentWorld();
    await addItem(world.db, "item_1", 100);
  });
  afterAll(() => world.close());
  beforeEach(() => void world.alarms.splice(0));

  const night = (nowMs: number) => reconcileNights({ ...world, stripe: world.simulator.stripe }, nowMs);
  const windows = async () => {
    const rows = await world.db.selectFrom("reconciliations").selectAll().orderBy("id").execute();
    return rows.map((row) => [row.from_time.getTime(), row.to_time.getTime()] as const);
  };
  const firstNightMs = Date.now() + 2 * hourMs; // so that what is done now lies in its window

  test("looks a day back the first time, a bounded window at a time, each beginning where the one before ended", async () => {
    await night(firstNightMs);
    const done = await windows();
    expect(done[0]?.[0]).toBe(firstNightMs - 25 * hourMs);
    expect(done.at(-1)?.[1]).toBe(firstNightMs - hourMs);
    done.forEach(([from, to], i) => {
      expect(to - from).toBeLessThanOrEqual(6 * hourMs);
      if (i > 0) expect(from).toBe(done[i - 1]?.[1]);
    });
  });

  test("catches up the nights without workers, without a gap", async () => {
    const before = await windows();
    await night(firstNightMs + 72 * hourMs);
    const done = await windows();
    expect(done[before.length]?.[0]).toBe(before.at(-1)?.[1]);
    expect(done.at(-1)?.[1]).toBe(firstNightMs + 71 * hourMs);
    expect(done.length - before.length).toBe(12);
  });

  test("goes on where it was interrupted: a window counts as done only when all of it was compared", async () => {
    const before = await windows();
    await world.simulator.configure({ outage: true });
    const failing = night(firstNightMs + 80 * hourMs);
    await expect(failing).rejects.toThrow(/Stripe|unavailable|error/i);
    expect(await windows()).toEqual(before);
    await world.simulator.configure({ outage: false });
    await night(firstNightMs + 80 * hourMs);
    expect((await windows())[before.length]?.[0]).toBe(before.at(-1)?.[1]);
  }, 60_000);

  test("tries a page again that fails, and does not begin anew for it", async () => {
    await world.simulator.script([{ method: "GET", path: "/v1/payment_intents", fault: "error_before", times: 2 }]);
    await night(firstNightMs + 83 * hourMs);
    expect((await windows()).at(-1)?.[1]).toBe(firstNightMs + 82 * hourMs);
    expect(world.alarms).toEqual([]);
  });

  test("raises an alarm for a payment that no order goes by, and repairs nothing", async () => {
    const orderId = await world.reserve("item_1", { card: "pm_that_does_not_exist" });
    await world.settle(orderId);
    await world.simulator.advanceClock(85 * hourMs);
    await world.simulator.stripe.paymentIntents.create({
      amount: 1_999,
      currency: "eur",
      payment_method: "pm_card_visa",
      confirm: true,
      metadata: { orderId },
    });
    await night(firstNightMs + 90 * hourMs);
    // Windows overlap, so it may be met twice.
    expect(world.alarms.length).toBeGreaterThanOrEqual(1);
    for (const name of world.alarms) expect(name).toMatch(/^reconcile_differs:/);
    expect(await world.payments(orderId)).toMatchObject([{ amountReceived: 1_999, amountRefunded: 0 }]);
  });

  test("raises an alarm for a refund made at the provider whose event was lost, however old its payment is", async () => {
    const orderId = await world.reserve("item_1");
    await world.settle(orderId);
    await world.simulator.advanceClock(60 * hourMs); // 145 in all
    const { payment_intent_id: id } = await world.order(orderId);
    await world.simulator.refundOutside({ payment_intent: id ?? "", amount: 1_999, status: "succeeded" });
    await night(firstNightMs + 150 * hourMs);
    expect(world.alarms.length).toBeGreaterThanOrEqual(1);
    expect((await world.order(orderId)).status).toBe("confirmed");
  });
});
