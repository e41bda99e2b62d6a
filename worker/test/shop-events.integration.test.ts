import { addItem } from "@holdfast/testing/items.ts";
import { createPaymentWorld, type PaymentWorld } from "@holdfast/testing/payments.ts";
import { purchaseJob, purchaseRequest } from "@holdfast/testing/purchases.ts";
import { sql } from "kysely";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { reserveOrders } from "../src/reserve/reserve-orders.ts";
import { forgetEvents, noteListening } from "../src/shop-webhooks/keep-events.ts";
import { type ShopEvent, showEvent } from "../src/shop-webhooks/show-event.ts";

describe("the outbox", () => {
  let world: PaymentWorld;
  beforeEach(async () => {
    world = await createPaymentWorld();
    await noteListening(world.db, true);
    await addItem(world.db, "item_1", 3);
  });
  afterEach(() => world.close());

  const events = async (subject = "%") => {
    const { rows } = await sql<ShopEvent & { subject: string }>`
      select id, subject, type, payload, created_at as "createdAt" from shop_events
      where subject like ${subject} order by seq`.execute(world.db);
    return rows;
  };
  const types = async (subject?: string) => (await events(subject)).map(({ type }) => type);
  const bodies = async (subject: string) => (await events(subject)).map((event) => JSON.parse(showEvent(event)));

  test("has an event for each transition of an order, which shows the order as it was then", async () => {
    const metadata = { address: "1 Main Street" };
    const orderId = await world.reserve("item_1", { shopperId: "ann", metadata });
    await world.settle(orderId);
    const { id: payment } = (await world.payments(orderId))[0] ?? { id: "" };
    await world.simulator.refundOutside({ payment_intent: payment });
    for (const event of await world.simulator.events()) await world.hear(event);
    const [reserved, confirmed, refunded, ...more] = await bodies(`order ${orderId}`);
    expect(more).toEqual([]);
    expect(reserved).toEqual({
      type: "order.reserved",
      timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:]{8}\.\d{3}Z$/),
      data: {
        id: orderId,
        itemId: "item_1",
        quantity: 1,
        amount: 1_999,
        currency: "eur",
        status: "reserved",
        reason: null,
        message: "Reserved, payment under way",
        position: null,
        estimatedSeconds: null,
        payment: { status: "pending", declineCode: null },
        metadata,
        placedAt: expect.any(String),
        reservedAt: expect.any(String),
        settledAt: null,
        holdExpiresAt: null,
        shopperId: "ann",
      },
    });
    expect(confirmed).toMatchObject({
      type: "order.confirmed",
      data: { status: "confirmed", payment: { status: "succeeded" }, settledAt: expect.any(String), shopperId: "ann" },
    });
    expect(refunded).toMatchObject({ type: "order.refunded", data: { status: "refunded", message: "Refunded" } });
  });

  test("has the cancelling of an order that was held, with its reason", async () => {
    const orderId = await world.reserve("item_1", { card: "pm_card_chargeDeclined" });
    await world.settle(orderId);
    const [, cancelled] = await bodies(`order ${orderId}`);
    expect(cancelled).toMatchObject({
      type: "order.cancelled",
      data: {
        status: "cancelled",
        reason: "payment_failed",
        payment: { status: "declined", declineCode: "generic_decline" },
      },
    });
  });

  test("has nothing of an order that never was held: the shop has not heard of it", async () => {
    await world.reserve("item_1", { quantity: 4 });
    const { amountMinor, shopperId, orderId } = purchaseRequest();
    await sql`
      insert into orders (id, shopper_id, item_id, quantity, amount_minor, currency, placed_at, status, reason, settled_at)
      values (${orderId}, ${shopperId}, 'item_1', 1, ${amountMinor}, 'eur', now(), 'cancelled', 'by_shopper', now())`.execute(
      world.db,
    );
    expect(await types()).toEqual([]);
  });

  test("has one event for each order of a batch, none twice where its job runs again", async () => {
    const job = purchaseJob(
      "item_1",
      [1, 2, 3, 4, 5].map(() => purchaseRequest()),
    );
    const { signal } = new AbortController();
    await reserveOrders(world.db, job, signal);
    await reserveOrders(world.db, job, signal);
    expect(await types("order %")).toEqual(Array(3).fill("order.reserved"));
  });

  test("has when an item is sold out and when it is available again, and nothing in between", async () => {
    for (let i = 0; i < 2; i++) await world.reserve("item_1");
    expect(await types("item %")).toEqual([]);
    const last = await world.reserve("item_1", { card: "pm_card_chargeDeclined" });
    await world.settle(last);
    await sql`update items set stocked = stocked + 1, inventory = inventory + 1, name = 'Jacket'`.execute(world.db);
    const [soldOut, available, ...more] = await bodies("item %");
    expect(more).toEqual([]);
    const item = { id: "item_1", price: 1_999, currency: "eur", opensAt: null, closesAt: null };
    expect(soldOut).toMatchObject({
      type: "item.sold_out",
      data: { ...item, name: "item_1", available: 0, status: "out_of_stock" },
    });
    expect(available).toMatchObject({ type: "item.available", data: { ...item, available: 1, status: "available" } });
    expect(Object.keys(soldOut.data).sort()).toEqual([...Object.keys(item), "available", "name", "status"].sort());
  });

  test("has nothing of a transaction that is rolled back", async () => {
    const orderId = await world.reserve("item_1");
    const settling = world.db.transaction().execute(async (trx) => {
      await sql`update orders set status = 'cancelled', reason = 'payment_failed', settled_at = now() where id = ${orderId}`.execute(
        trx,
      );
      expect((await sql`select from shop_events`.execute(trx)).rows).toHaveLength(2);
      throw new Error("The worker died");
    });
    await expect(settling).rejects.toThrow("The worker died");
    expect(await types()).toEqual(["order.reserved"]);
  });

  test("holds no client secret, no card and no fingerprint, 3-D Secure under way or not", async () => {
    const orderId = await world.reserve("item_1", { card: "pm_card_authenticationRequired", fingerprint: "print" });
    await world.settle(orderId);
    await world.letTimePass(3_600_000);
    await world.settle(orderId);
    const text = JSON.stringify(await events()) + JSON.stringify(await bodies("%"));
    expect(text).toContain("order.cancelled");
    for (const secret of ["_secret_", "pm_card", "print", "clientSecret", "pi_"]) expect(text).not.toContain(secret);
  });

  test("is not written where no shop listens", async () => {
    await sql`update shop_webhook set listened_at = null`.execute(world.db);
    for (let i = 0; i < 3; i++) await world.settle(await world.reserve("item_1"));
    expect(await types()).toEqual([]);
  });

  test("is not written any more where nobody has delivered for a week: it would grow for ever", async () => {
    await sql`update shop_webhook set listened_at = now() - interval '7 days' + interval '1 minute'`.execute(world.db);
    await world.reserve("item_1");
    expect(await types()).toEqual(["order.reserved"]);
    await sql`update shop_webhook set listened_at = now() - interval '7 days'`.execute(world.db);
    await world.reserve("item_1");
    expect(await types()).toEqual(["order.reserved"]);
  });

  test("goes on where a worker without a shop's address starts beside one that delivers, and ends once none does", async () => {
    await noteListening(world.db, false);
    await world.reserve("item_1");
    expect(await types()).toEqual(["order.reserved"]);
    await sql`update shop_webhook set listened_at = now() - interval '61 seconds'`.execute(world.db);
    await noteListening(world.db, false);
    await world.reserve("item_1");
    expect(await types()).toEqual(["order.reserved"]);
  });

  test("keeps delivered events for three days and dead ones for thirty, and ends what nobody delivers for a week", async () => {
    await world.db.transaction().execute(async (trx) => {
      const add = (id: number, outcome: string | null, days: number) =>
        sql`insert into shop_events (type, subject, payload, outcome, finished_at, due_at)
          values ('order.reserved', ${`order ${id}`}, '{}', ${outcome},
            ${outcome && sql`now() - ${days} * interval '1 day'`}, now() - ${days} * interval '1 day')`.execute(trx);
      await add(1, "delivered", 2.9);
      await add(2, "delivered", 3.1);
      await add(3, "dead", 29);
      await add(4, "dead", 31);
      await add(5, null, 6.9);
      await add(6, null, 7.1);
    });
    expect(await forgetEvents(world.db)).toBe(false);
    const { rows } = await sql<{ subject: string; outcome: string | null }>`
      select subject, outcome from shop_events order by subject`.execute(world.db);
    expect(rows).toEqual([
      { subject: "order 1", outcome: "delivered" },
      { subject: "order 3", outcome: "dead" },
      { subject: "order 5", outcome: null },
      { subject: "order 6", outcome: "dead" },
    ]);
  });
});
