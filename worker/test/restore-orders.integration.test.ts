import { randomUUID } from "node:crypto";
import { publishItems, readItems } from "@holdfast/shared/item-view.ts";
import { createLog } from "@holdfast/shared/log.ts";
import type { Order } from "@holdfast/shared/order.ts";
import { publishOrders } from "@holdfast/shared/order-view.ts";
import { itemFromRow } from "@holdfast/shared/rows.ts";
import { watchGenerationOnce } from "@holdfast/shared/watch-generation.ts";
import { addItem, booksOf } from "@holdfast/testing/items.ts";
import { createPaymentWorld, type PaymentWorld } from "@holdfast/testing/payments.ts";
import { orderInLine } from "@holdfast/testing/purchases.ts";
import { eventually } from "@holdfast/testing/world.ts";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { compareItems } from "../src/recovery/compare-items.ts";
import { acceptRedis, findRestored, restore as restoreFound } from "../src/recovery/restore-check.ts";
import { restoreItems } from "../src/recovery/restore-items.ts";

const signal = new AbortController().signal;
const lagMs = 60_000; // what was paid in the last minute is in no list and no search of the provider

describe("orders of a minute that Postgres has lost", () => {
  let world: PaymentWorld;
  beforeEach(async () => {
    world = await createPaymentWorld();
    await addItem(world.db, "kettle", 10);
  });
  afterEach(() => world.close());

  /** An order that only its view knows. */
  const shown = async (more: Partial<Order>, itemId = "kettle") => {
    const order: Order = {
      ...orderInLine({ itemId, orderId: randomUUID() }),
      place: null,
      version: 5,
      status: "reserved",
      reservedAtMs: Date.now(),
      paymentStatus: "pending",
      ...more,
    };
    await publishOrders(world, [order]);
    return order;
  };
  const restore = async () => restoreFound(world.db, world, await findRestored(world.db, world, signal));
  /** As the sweeper does, until nothing changes any more. */
  const settleFor = async (orderId: string, minutes: number) => {
    for (let i = 0; i < minutes; i += 1) {
      await world.settle(orderId);
      await world.letTimePass(60_000);
    }
    await world.settle(orderId);
  };
  /** The payment that was made in the lost minute. */
  const pay = ({ id, amountMinor }: Order) =>
    world.simulator.stripe.paymentIntents.create({
      amount: amountMinor,
      currency: "eur",
      payment_method: "pm_card_visa",
      confirm: true,
      automatic_payment_methods: { enabled: true, allow_redirects: "never" },
      metadata: { orderId: id },
    });
  const payments = async (orderId: string) => {
    const all = await world.simulator.ledger();
    return all.filter((payment) => payment.orderId === orderId && payment.amountReceived > payment.amountRefunded);
  };

  test("one that was not paid keeps its unit and is asked for a card again, whatever the item allows after a decline", async () => {
    const { id } = await shown({});
    expect(await restore()).toMatchObject({ held: 1, withoutUnits: [], refused: [] });
    await settleFor(id, 4);
    expect(await world.order(id)).toMatchObject({ status: "reserved", payment_status: "declined" });
    expect(await booksOf(world.db, "kettle")).toMatchObject({ reserved: 1, inventory: 9, balanced: true });
  });

  test("one that was paid a moment ago is found and confirmed, and never paid twice, though the provider's lists lag", async () => {
    const order = await shown({ status: "confirmed", paymentStatus: "succeeded", settledAtMs: Date.now() });
    await pay(order);
    await world.simulator.configure({ listLagMs: lagMs, searchLagMs: lagMs });
    expect(await restore()).toMatchObject({ held: 1 });
    await settleFor(order.id, 4);
    expect(await world.order(order.id)).toMatchObject({ status: "confirmed" });
    expect(await payments(order.id)).toHaveLength(1);
  });

  test("one that Postgres has in an earlier state is not sent again, and is a later version than its shopper saw", async () => {
    const id = await world.reserve("kettle");
    const { shopper_id: shopperId, placed_at: placedAt } = await world.order(id);
    const order = await shown({ id, shopperId, placedAtMs: placedAt.getTime(), status: "confirmed", version: 40 });
    await pay(order);
    await world.simulator.configure({ listLagMs: lagMs, searchLagMs: lagMs });
    expect(await restore()).toMatchObject({ forward: 1 });
    expect((await world.order(id)).version).toBeGreaterThan(40);
    expect((await findRestored(world.db, world, signal)).older).toEqual([]);
    await settleFor(id, 4);
    expect(await world.order(id)).toMatchObject({ status: "confirmed" });
    expect(await payments(id)).toHaveLength(1);
  });

  test("a unit that another one had given up is there for whoever got it, and nothing is sold twice", async () => {
    await addItem(world.db, "last", 1);
    const first = await world.reserve("last");
    const row = await world.order(first);
    await shown({
      id: first,
      itemId: "last",
      shopperId: row.shopper_id,
      status: "cancelled",
      reason: "payment_failed",
      paymentStatus: "declined",
      declineCode: "generic_decline",
      settledAtMs: Date.now(),
      version: 9,
    });
    const second = await shown({ status: "confirmed", settledAtMs: Date.now() }, "last");
    expect(await restore()).toMatchObject({ forward: 1, held: 1, withoutUnits: [] });
    expect(await world.order(first)).toMatchObject({ status: "cancelled", reason: "payment_failed" });
    expect(await world.order(second.id)).toMatchObject({ status: "reserved" });
    expect(await booksOf(world.db, "last")).toMatchObject({ reserved: 1, inventory: 0, balanced: true });
    expect(await world.unmatched(first)).toMatchObject([{ next_step: "search" }]);
  });

  test("one that Postgres refuses is named, and keeps no other from being written", async () => {
    const fine = await shown({ status: "out_of_stock", paymentStatus: null });
    const odd = await shown({ status: "rejected", reason: "limit_exceeded", paymentStatus: null, currency: "EURO" });
    const made = await shown({ status: "confirmed" }, "made-since");
    const { final, held, refused } = await restore();
    expect([final, held]).toEqual([1, 0]);
    expect(refused.map(({ order }) => order.id).toSorted()).toEqual([odd.id, made.id].toSorted());
    expect(await world.order(fine.id)).toMatchObject({ status: "out_of_stock" });
  });

  test("items are raised above what is shown of them, so that a pause counts again", async () => {
    const shownItem = async () => (await readItems(world)).find(({ id }) => id === "kettle");
    const row = await world.db.selectFrom("items").selectAll().where("id", "=", "kettle").executeTakeFirstOrThrow();
    await publishItems(world, [{ ...itemFromRow(row), inventory: 0, version: 70 }]);
    const found = await findRestored(world.db, world, signal);
    expect([found.relation, found.items.older.map(({ shown }) => shown.id)]).toEqual(["first_start", ["kettle"]]);
    await acceptRedis(world.db, world);
    expect((await compareItems(world.db, world)).older).toEqual([]);
    expect(await shownItem()).toMatchObject({ inventory: 10, version: 71 });
    // As if it had been stopped between raising and showing them.
    await world.db.updateTable("items").set({ inventory: 9 }).where("id", "=", "kettle").execute();
    await acceptRedis(world.db, world);
    expect(await shownItem()).toMatchObject({ inventory: 9, version: 72 });
    const paused = await world.db
      .updateTable("items")
      .set({ paused_at: new Date() })
      .where("id", "=", "kettle")
      .returningAll()
      .execute();
    await publishItems(world, paused.map(itemFromRow));
    expect(await shownItem()).toMatchObject({ paused: true });
  });

  const itemNow = async () =>
    itemFromRow(await world.db.selectFrom("items").selectAll().where("id", "=", "kettle").executeTakeFirstOrThrow());

  test("what operations changed about an item in that minute is done again: a pause, a withdrawal, its terms", async () => {
    const closesAtMs = Date.now() - 1_000;
    const more = { paused: true, closesAtMs, priceMinor: 2_499, maxPerShopper: 2, stocked: 7, inventory: 5 };
    await publishItems(world, [{ ...(await itemNow()), ...more, version: 70 }]);
    for (let n = 0; n < 2; n += 1) await shown({ status: "confirmed", settledAtMs: Date.now() });
    expect(await restore()).toMatchObject({ held: 2, notWithdrawn: [] });
    expect(await itemNow()).toMatchObject(more);
    await restore(); // died before it was accepted
    await acceptRedis(world.db, world);
    expect(await itemNow()).toMatchObject({ ...more, version: 71 });
    expect((await readItems(world)).find(({ id }) => id === "kettle")).toEqual(await itemNow());
  });

  test("units added in that minute are there before its orders are written; withdrawn ones that were sold are named", async () => {
    await publishItems(world, [{ ...(await itemNow()), stocked: 12, inventory: 0, version: 70 }]);
    for (let n = 0; n < 12; n += 1) await shown({ status: "confirmed", settledAtMs: Date.now() });
    expect(await restore()).toMatchObject({ held: 12, withoutUnits: [] });
    expect(await booksOf(world.db, "kettle")).toMatchObject({
      stocked: 12,
      inventory: 0,
      reserved: 12,
      balanced: true,
    });
    await publishItems(world, [{ ...(await itemNow()), stocked: 3, version: 90 }]);
    expect((await restore()).notWithdrawn).toEqual([{ itemId: "kettle", units: 9 }]);
    expect(await booksOf(world.db, "kettle")).toMatchObject({ stocked: 12, inventory: 0, balanced: true });
  });

  test("run again after its item was restocked, it leaves that, and writes the orders that had no unit", async () => {
    await publishItems(world, [{ ...(await itemNow()), inventory: 0, version: 70 }]);
    for (let n = 0; n < 12; n += 1) await shown({ status: "confirmed", settledAtMs: Date.now() });
    expect((await restore()).withoutUnits).toHaveLength(2);
    await world.db
      .updateTable("items")
      .set((eb) => ({ stocked: eb("stocked", "+", 2), inventory: eb("inventory", "+", 2) }))
      .where("id", "=", "kettle")
      .execute();
    expect(await restore()).toMatchObject({ held: 2, withoutUnits: [] });
    expect(await booksOf(world.db, "kettle")).toMatchObject({ stocked: 12, inventory: 0, balanced: true });
  });

  test("a refund whose unit did not come back is no withdrawal: it leaves the stock with its order, once", async () => {
    await publishItems(world, [{ ...(await itemNow()), stocked: 9, inventory: 9, version: 70 }]);
    await shown({ status: "refunded", paymentStatus: "refunded", settledAtMs: Date.now() });
    expect(await restore()).toMatchObject({ held: 1, notWithdrawn: [] });
    expect(await booksOf(world.db, "kettle")).toMatchObject({ stocked: 10, inventory: 9, reserved: 1, balanced: true });
  });

  test("withdrawn are also units that came back in that minute", async () => {
    await addItem(world.db, "few", 1);
    const id = await world.reserve("few");
    const { shopper_id: shopperId } = await world.order(id);
    const ended = { status: "cancelled", reason: "hold_expired", settledAtMs: Date.now(), version: 9 } as const;
    await shown({ id, shopperId, ...ended }, "few");
    const few = await world.db.selectFrom("items").selectAll().where("id", "=", "few").executeTakeFirstOrThrow();
    await publishItems(world, [{ ...itemFromRow(few), stocked: 0, inventory: 0, version: 70 }]);
    expect(await restore()).toMatchObject({ forward: 1, notWithdrawn: [] });
    expect(await booksOf(world.db, "few")).toMatchObject({ stocked: 0, inventory: 0, reserved: 0, balanced: true });
    const audit = await world.db.selectFrom("operations_audit").select(["operator", "subject", "after"]).execute();
    expect(audit).toEqual([
      { operator: "restore-check", subject: "item few", after: { paused: true } },
      { operator: "restore-check", subject: "item few", after: { paused: false, stocked: 0 } },
    ]);
  });

  test("stopped before all that was withdrawn is, it sells none of what comes back", async () => {
    await addItem(world.db, "few", 1);
    await world.reserve("few");
    const few = await world.db.selectFrom("items").selectAll().where("id", "=", "few").executeTakeFirstOrThrow();
    await publishItems(world, [{ ...itemFromRow(few), stocked: 0, version: 70 }]);
    const { items } = await findRestored(world.db, world, signal);
    await restoreItems(world.db, items.older, []); // and no more
    const left = await world.db
      .selectFrom("items")
      .select("paused_at")
      .where("id", "=", "few")
      .executeTakeFirstOrThrow();
    expect(left.paused_at).not.toBeNull();
  });

  test("one that was decided otherwise since stays so, is named, and what was paid for it is refunded", async () => {
    await addItem(world.db, "none", 0);
    const id = await world.reserve("none");
    const { shopper_id: shopperId } = await world.order(id);
    expect(await world.order(id)).toMatchObject({ status: "out_of_stock" });
    const order = await shown({ id, shopperId, status: "confirmed", settledAtMs: Date.now(), version: 9 }, "none");
    await pay(order);
    const { forward, otherwise } = await restore();
    expect([forward, otherwise.map(({ inPostgres }) => inPostgres)]).toEqual([0, ["out_of_stock"]]);
    await settleFor(id, 4);
    expect(await world.order(id)).toMatchObject({ status: "out_of_stock" });
    expect(await payments(id)).toEqual([]);
  });

  test("an item that somebody paused meanwhile stays paused", async () => {
    const before = await itemNow();
    await world.db.updateTable("items").set({ paused_at: new Date() }).where("id", "=", "kettle").execute();
    await publishItems(world, [{ ...before, version: 70 }]);
    await restore();
    expect(await itemNow()).toMatchObject({ paused: true });
  });

  test("one whose payment went on in that minute is a later version than its shopper saw, whatever its state", async () => {
    const id = await world.reserve("kettle");
    const { shopper_id: shopperId, placed_at: placedAt, version } = await world.order(id);
    await shown({
      id,
      shopperId,
      placedAtMs: placedAt.getTime(),
      paymentStatus: "requires_action",
      version: version + 3,
    });
    expect(await restore()).toMatchObject({ forward: 1 });
    expect(await world.order(id)).toMatchObject({
      status: "reserved",
      version: version + 4,
      payment_status: "unknown",
    });
    expect((await findRestored(world.db, world, signal)).older).toEqual([]);
  });

  test("stopped before workers were let go on, Postgres shows as behind to everybody, however much was written", async () => {
    const log = createLog("test", "silent");
    const parts = { ...world, lanes: [], recover: async () => {}, lacksSome: null, log, raiseAlarm: () => {} };
    const look = () => watchGenerationOnce(parts);
    await eventually("a generation has begun", async () => (await look()) === "sound");
    // By one version, which the first order that is written makes up for.
    const item = await itemNow();
    await publishItems(world, [{ ...item, inventory: 8, version: item.version + 1 }]);
    for (let n = 0; n < 2; n += 1) await shown({ status: "confirmed", settledAtMs: Date.now() });
    expect([await look(), (await findRestored(world.db, world, signal)).relation]).toEqual([
      "sound",
      "postgres_behind",
    ]);
    expect(await restore()).toMatchObject({ held: 2 });
    expect([await look(), (await findRestored(world.db, world, signal)).relation]).toEqual([
      "postgres_behind",
      "postgres_behind",
    ]);
    await acceptRedis(world.db, world);
    expect([await look(), (await findRestored(world.db, world, signal)).relation]).toEqual(["sound", "same"]);
  });
});
