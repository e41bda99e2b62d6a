import { recheckHeldUp, recheckOrder, requestRefund } from "@holdfast/api/ops/refund-order.ts";
import { addItem, booksOf } from "@holdfast/testing/items.ts";
import { createPaymentWorld, type PaymentWorld } from "@holdfast/testing/payments.ts";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { refundPayment } from "../src/payment/refund-payment.ts";
import { settlePayment } from "../src/payment/settle-payment.ts";

const operator = { name: "ada", role: "act", address: "192.0.2.1" } as const;

describe("a refund that operations ask for", () => {
  let world: PaymentWorld;
  let itemId = "";
  beforeAll(async () => {
    world = await createPaymentWorld();
  });
  afterAll(() => world.close());
  beforeEach(async () => {
    itemId = `item-${Math.random().toString(36).slice(2)}`;
    await addItem(world.db, itemId, 10);
    world.alarms.length = 0;
    await world.simulator.script([]);
  });

  const buy = async () => {
    const orderId = await world.reserve(itemId, { quantity: 2 });
    await world.settle(orderId);
    const { payment_intent_id } = await world.order(orderId);
    return { orderId, payment_intent: payment_intent_id ?? "" };
  };
  const ask = (orderId: string, returnUnits = true, reason: string | null = null) =>
    requestRefund(world.db, operator, orderId, { returnUnits, reason });
  /** What the provider has given back, and in how many refunds. */
  const refundsOf = async (orderId: string) => {
    const [payment] = await world.payments(orderId);
    return { refunded: payment?.amountRefunded, refunds: payment?.refunds };
  };
  const entries = async (orderId: string) =>
    world.db.selectFrom("operations_audit").selectAll().where("subject", "=", `order ${orderId}`).execute();

  test("gives the whole amount back, once, and puts the units on sale again", async () => {
    const { orderId } = await buy();
    expect(await ask(orderId, true, "Wrong size")).toMatchObject({ kind: "requested", status: "confirmed" });
    await world.settle(orderId);
    expect(await world.order(orderId)).toMatchObject({
      status: "refunded",
      payment_status: "refunded",
      refunded_minor: 3_998,
      payment_due_at: null,
    });
    const books = { stocked: 10, inventory: 10, reserved: 0, confirmed: 0, balanced: true };
    expect(await booksOf(world.db, itemId)).toMatchObject(books);
    expect(await refundsOf(orderId)).toMatchObject({ refunded: 3_998 });
    expect((await world.events(orderId)).slice(-2)).toEqual(["refund_requested", "refunded"]);
    expect(await entries(orderId)).toMatchObject([
      { action: "order.refund", operator: "ada", after: { returnUnits: true, reason: "Wrong size" } },
    ]);
  });

  test("without returning units, takes them out of the stock", async () => {
    const { orderId } = await buy();
    await ask(orderId, false);
    await world.settle(orderId);
    expect((await world.order(orderId)).status).toBe("refunded");
    expect(await booksOf(world.db, itemId)).toMatchObject({ stocked: 8, inventory: 8, confirmed: 0, balanced: true });
  });

  test("asked for any number of times, at once or later, is one: one entry, one refund", async () => {
    const { orderId } = await buy();
    const answers = await Promise.all([ask(orderId), ask(orderId), ask(orderId)]);
    expect(answers.every(({ kind }) => kind === "requested")).toBe(true);
    await Promise.all([world.settle(orderId), world.settle(orderId)]);
    expect(await ask(orderId)).toMatchObject({ kind: "requested", status: "refunded" });
    expect(await entries(orderId)).toHaveLength(1);
    expect(await refundsOf(orderId)).toMatchObject({ refunded: 3_998 });
    expect((await world.events(orderId)).filter((event) => event === "refunded")).toHaveLength(1);
  });

  test("asked for otherwise the second time is refused, saying how it was asked for first", async () => {
    const { orderId } = await buy();
    await ask(orderId, true);
    expect(await ask(orderId, false)).toMatchObject({
      kind: "not_refundable",
      why: expect.stringContaining("on sale"),
    });
  });

  test("is refused of an order that is not paid, or whose payment is disputed", async () => {
    const held = await world.reserve(itemId);
    expect(await ask(held)).toMatchObject({ kind: "not_refundable", why: expect.stringContaining("reserved") });
    expect(await ask("018f0000-0000-7000-8000-000000000000")).toEqual({ kind: "not_found" });
    const { orderId } = await buy();
    await world.db.updateTable("orders").set({ disputed: true }).where("id", "=", orderId).execute();
    expect(await ask(orderId)).toMatchObject({ kind: "not_refundable", why: expect.stringContaining("disputed") });
    expect(await entries(orderId)).toEqual([]);
  });

  test("is made again by the next look where the worker died after the provider had done it", async () => {
    const { orderId, payment_intent } = await buy();
    await ask(orderId);
    const { payment_hints: hints, payment_looks: looks } = await world.order(orderId);
    await refundPayment(world.simulator.stripe, orderId, payment_intent, `${orderId}-refund-${hints}-${looks}`);
    await world.settle(orderId);
    expect((await world.order(orderId)).status).toBe("refunded");
    expect(await refundsOf(orderId)).toMatchObject({ refunded: 3_998 });
  });

  test.each(["reset_before", "reset_after", "error_before", "rate_limited", "permission"] as const)(
    "is not lost where the provider answers with %s: it is asked for again, and made once",
    async (fault) => {
      const { orderId } = await buy();
      await ask(orderId);
      await world.simulator.script([{ fault, method: "POST", path: "/v1/refunds", times: 2 }]);
      for (let i = 0; i < 6 && (await world.order(orderId)).status === "confirmed"; i++) {
        await world.settle(orderId);
        await world.letTimePass(3_600_000);
      }
      expect((await world.order(orderId)).status).toBe("refunded");
      expect(await refundsOf(orderId)).toMatchObject({ refunded: 3_998 });
      expect(await booksOf(world.db, itemId)).toMatchObject({ stocked: 10, inventory: 10, balanced: true });
    },
  );

  test("that the provider refuses is tried again, later each time and within the hour", async () => {
    const { orderId } = await buy();
    await ask(orderId);
    await world.simulator.script([{ fault: "permission", method: "POST", path: "/v1/refunds", times: 20 }]);
    const waits: number[] = [];
    for (let i = 0; i < 14; i++) {
      const againInMs = Math.ceil((await world.settle(orderId)) ?? 0);
      waits.push(againInMs);
      await world.letTimePass(againInMs);
    }
    expect(world.alarms).toContain("refund_refused");
    expect(waits[0]).toBeLessThan(3_000);
    expect(waits.at(-1)).toBeGreaterThan(1_800_000);
    expect(Math.max(...waits)).toBeLessThanOrEqual(4_500_000);
  });

  test("that failed after the order was refunded is not asked for again: the answer says what to do", async () => {
    const { orderId } = await buy();
    await ask(orderId);
    await world.settle(orderId);
    const { refunded_minor } = await world.order(orderId);
    await world.db
      .updateTable("orders")
      .set({ refunded_minor: refunded_minor - 1_000 })
      .where("id", "=", orderId)
      .execute();
    expect(await ask(orderId)).toMatchObject({
      kind: "not_refundable",
      why: expect.stringContaining("at the provider"),
    });
    expect(await entries(orderId)).toHaveLength(1);
  });

  test("is counted once, whatever the provider tells of it afterwards", async () => {
    const settled: string[] = [];
    const metrics = { settled: (outcome: string) => void settled.push(outcome), charged: () => {} };
    const { db, redis, keys, raiseAlarm } = world;
    const { orderId, payment_intent } = await buy();
    const settle = () =>
      settlePayment(
        { db, redis, keys, stripe: world.simulator.stripe, raiseAlarm, metrics: metrics as never },
        orderId,
      );
    await ask(orderId);
    await settle();
    await world.simulator.openDispute(payment_intent);
    await world.db.updateTable("orders").set({ payment_due_at: new Date() }).where("id", "=", orderId).execute();
    await settle();
    expect(settled).toEqual(["refunded"]);
  });

  test("made at the provider by hand at the same time is not made twice", async () => {
    const { orderId, payment_intent } = await buy();
    await world.simulator.refundOutside({ payment_intent, amount: 1_000 });
    await ask(orderId);
    await world.settle(orderId);
    expect(await world.order(orderId)).toMatchObject({ status: "refunded", refunded_minor: 3_998 });
    expect(await refundsOf(orderId)).toMatchObject({ refunded: 3_998 });
  });

  test("that the bank makes pending is refunded when it is over, and not before", async () => {
    const { orderId, payment_intent } = await buy();
    const { id } = await world.simulator.refundOutside({ payment_intent, status: "pending" });
    await ask(orderId);
    await world.settle(orderId);
    expect(await world.order(orderId)).toMatchObject({ status: "confirmed", refunded_minor: 0 });
    expect((await world.order(orderId)).payment_due_at).not.toBeNull();
    await world.simulator.settleRefund(id, "succeeded");
    await world.letTimePass(25 * 3_600_000);
    await world.settle(orderId);
    expect((await world.order(orderId)).status).toBe("refunded");
    expect(await booksOf(world.db, itemId)).toMatchObject({ stocked: 10, inventory: 10, balanced: true });
  });

  test("that fails after it was pending is made again", async () => {
    const { orderId, payment_intent } = await buy();
    const { id } = await world.simulator.refundOutside({ payment_intent, status: "pending" });
    await ask(orderId);
    await world.settle(orderId);
    await world.simulator.settleRefund(id, "failed");
    await world.letTimePass(25 * 3_600_000);
    await world.settle(orderId);
    expect(await world.order(orderId)).toMatchObject({ status: "refunded", refunded_minor: 3_998 });
    expect(await refundsOf(orderId)).toMatchObject({ refunded: 3_998 });
  });

  test("that the shopper's bank has taken over is given up, with an alarm, and the order stays confirmed", async () => {
    const { orderId, payment_intent } = await buy();
    await ask(orderId);
    await world.simulator.openDispute(payment_intent);
    await world.settle(orderId);
    expect(await world.order(orderId)).toMatchObject({
      status: "confirmed",
      disputed: true,
      refund_requested_at: null,
      payment_due_at: null,
    });
    expect(world.alarms).toContain(`refund_failed:${orderId}`);
    expect(await world.events(orderId)).toContain("refund_refused");
  });
});

describe("looking at a payment again", () => {
  let world: PaymentWorld;
  beforeAll(async () => {
    world = await createPaymentWorld();
    await addItem(world.db, "kettle", 10);
  });
  afterAll(() => world.close());

  test("makes what is held up due at once: of one order, or of all", async () => {
    await world.simulator.script([{ fault: "reset_after", method: "POST", path: "/v1/payment_intents", times: 1 }]);
    const orderId = await world.reserve("kettle");
    await world.settle(orderId);
    expect((await world.order(orderId)).payment_status).toBe("unknown");
    expect(await recheckOrder(world.db, operator, orderId)).toBe("reserved");
    expect(await recheckHeldUp(world.db, operator)).toEqual([orderId]);
    await world.settle(orderId);
    expect((await world.order(orderId)).status).toBe("confirmed");
    expect(await recheckHeldUp(world.db, operator)).toEqual([]);
    expect(await recheckOrder(world.db, operator, "018f0000-0000-7000-8000-000000000000")).toBeNull();
  });

  test("of an order that nothing is open of changes nothing", async () => {
    const orderId = await world.reserve("kettle");
    await world.settle(orderId);
    const before = await world.order(orderId);
    await recheckOrder(world.db, operator, orderId);
    await world.settle(orderId);
    const { payment_hints: _, ...after } = await world.order(orderId);
    expect(before).toMatchObject(after);
  });
});
