import { addItem } from "@holdfast/testing/items.ts";
import { createPaymentWorld, type PaymentWorld } from "@holdfast/testing/payments.ts";
import { purchaseJob, purchaseRequest } from "@holdfast/testing/purchases.ts";
import { sql } from "kysely";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { reserveOrders } from "../src/reserve/reserve-orders.ts";
import { forgetEvents, noteDelivering, noteUnserved, watchLateEvents } from "../src/shop-webhooks/keep-events.ts";
import { type ShopEvent, showEvent } from "../src/shop-webhooks/show-event.ts";

describe("the outbox", () => {
  let world: PaymentWorld;
  let alarms: string[];
  const raiseAlarm = (name: string) => void alarms.push(name);
  beforeEach(async () => {
    alarms = [];
    world = await createPaymentWorld();
    await noteDelivering(world.db);
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

  test("has nothing of an order that never was held: the shop knows nothing of it", async () => {
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

  const servedAgo = (days: number) =>
    sql`update shop_webhook set delivering_at = now() - ${days} * interval '1 day'`.execute(world.db);

  test("is not written where no worker delivers", async () => {
    await sql`update shop_webhook set delivering_at = null`.execute(world.db);
    for (let i = 0; i < 3; i++) await world.settle(await world.reserve("item_1"));
    expect(await types()).toEqual([]);
  });

  test("is not written any more where nobody has delivered for a week: it would grow for ever", async () => {
    await servedAgo(6.9);
    await world.reserve("item_1");
    expect(await types()).toEqual(["order.reserved"]);
    await servedAgo(7);
    await world.reserve("item_1");
    expect(await types()).toEqual(["order.reserved"]);
  });

  test("goes on after any outage, though a worker without a shop is the first to be back", async () => {
    await servedAgo(6.9);
    await noteUnserved(world.db, raiseAlarm);
    await world.reserve("item_1");
    expect(await types()).toEqual(["order.reserved"]);
    expect(alarms).toEqual([]);
  });

  test("ends with one alarm, and begins again with the next worker that delivers", async () => {
    await servedAgo(7.1);
    for (let i = 0; i < 3; i++) await noteUnserved(world.db, raiseAlarm);
    expect(alarms).toEqual(["shop_events_ended"]);
    await noteDelivering(world.db);
    await world.reserve("item_1");
    expect(await types()).toEqual(["order.reserved"]);
  });

  test("has the time of each event, not of the transaction that it came with", async () => {
    const [first, second] = [await world.reserve("item_1"), await world.reserve("item_1")];
    const settle = (trx: typeof world.db, orderId: string) =>
      sql`update orders set status = 'cancelled', reason = 'payment_failed', settled_at = now() where id = ${orderId}`.execute(
        trx,
      );
    await world.db.transaction().execute(async (trx) => {
      await sql`select 1`.execute(trx);
      await settle(world.db, first);
      await settle(trx, second);
    });
    const times = (await events("order %")).map(({ createdAt }) => createdAt.getTime());
    expect(times).toEqual([...times].sort((a, b) => a - b));
  });

  test("keeps of an item what is shown of it", async () => {
    await sql`update items set stocked = stocked - inventory, inventory = 0`.execute(world.db);
    const [soldOut] = await events("item %");
    expect(Object.keys(soldOut?.payload ?? {}).sort()).toEqual(
      ["id", "name", "price_minor", "currency", "inventory", "opens_at", "closes_at", "paused_at"].sort(),
    );
  });

  const addEvents = () =>
    world.db.transaction().execute(async (trx) => {
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
  const kept = async () => {
    const { rows } = await sql<{ subject: string; outcome: string | null }>`
      select subject, outcome from shop_events order by subject`.execute(world.db);
    return rows.map(({ subject, outcome }) => `${subject} ${outcome}`);
  };

  test("keeps delivered events for three days, dead ones for thirty, and others until they are tried, however old", async () => {
    await addEvents();
    expect(await forgetEvents(world.db, raiseAlarm)).toBe(false);
    expect(await kept()).toEqual(["order 1 delivered", "order 3 dead", "order 5 null", "order 6 null"]);
    expect(alarms).toEqual([]);
  });

  test("gives up, with an alarm, what was due for a week in which nobody delivered", async () => {
    await addEvents();
    await servedAgo(7.1);
    await forgetEvents(world.db, raiseAlarm);
    expect(await kept()).toEqual(["order 1 delivered", "order 3 dead", "order 5 null", "order 6 dead"]);
    expect(alarms).toEqual(["shop_event_dead"]);
  });

  test("raises an alarm for what the shop has not taken for a quarter of an hour, whatever waits behind it", async () => {
    await world.reserve("item_1");
    await sql`update shop_events set created_at = now() - interval '2 days', due_at = now() - interval '2 days'`.execute(
      world.db,
    );
    await watchLateEvents(world.db, raiseAlarm);
    await sql`update shop_events set first_tried_at = now() - interval '14 minutes'`.execute(world.db);
    await watchLateEvents(world.db, raiseAlarm);
    expect(alarms).toEqual([]);
    await sql`update shop_events set first_tried_at = now() - interval '15 minutes'`.execute(world.db);
    await watchLateEvents(world.db, raiseAlarm);
    expect(alarms).toEqual(["shop_events_late"]);
    await sql`update shop_events set outcome = 'delivered', finished_at = now()`.execute(world.db);
    await watchLateEvents(world.db, raiseAlarm);
    expect(alarms).toHaveLength(1);
  });
});
