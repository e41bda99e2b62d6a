import { randomUUID } from "node:crypto";
import { legalTransitions } from "@holdfast/shared/order.ts";
import { addItem, booksOf } from "@holdfast/testing/items.ts";
import { createWorld, type World } from "@holdfast/testing/world.ts";
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { migrate } from "../src/migrate.ts";

const allFiles = [
  "001_orders",
  "002_payments",
  "003_redis_epochs",
  "004_money",
  "005_money_indexes",
  "006_plain_words",
  "007_no_waiting_list",
  "008_metadata",
  "009_metadata_check",
  "010_shop_events",
  "011_operations",
  "012_operations_checks",
  "013_archive",
  "014_archive_check",
  "015_unknown_payments",
  "016_unknown_payments_index",
  "017_versions",
];

describe("migrating", () => {
  test("brings an empty database up, and a second time changes nothing", async () => {
    const world = await createWorld({ schema: false });
    expect(await migrate(world.databaseUrl)).toEqual(allFiles);
    expect(await migrate(world.databaseUrl)).toEqual([]);
    await world.close();
  });

  test("from several machines at once applies everything once", async () => {
    const world = await createWorld({ schema: false });
    const applied = await Promise.all([1, 2, 3, 4].map(() => migrate(world.databaseUrl)));
    expect(applied.flat()).toEqual(allFiles);
    await world.close();
  });
});

describe("the database is the referee", () => {
  let world: World;
  beforeAll(async () => {
    world = await createWorld();
    await addItem(world.db, "item_1", 10);
  });
  afterAll(() => world.close());

  /** A row as no worker would write it; each test spoils one thing. */
  const insertOrder = (more: Record<string, unknown> = {}) => {
    const row = {
      id: randomUUID(),
      shopper_id: "ann",
      item_id: "item_1",
      quantity: 1,
      amount_minor: 1999,
      currency: "eur",
      status: "reserved",
      payment_method: "pm_card_visa",
      payment_status: "pending",
      placed_at: new Date(),
      reserved_at: new Date(),
      hold_expires_at: new Date(),
      ...more,
    };
    return world.db
      .insertInto("orders")
      .values(row as never)
      .returning("id")
      .executeTakeFirstOrThrow();
  };
  const settled = { settled_at: new Date(), payment_status: null, reserved_at: null, hold_expires_at: null };

  test("knows the same transitions as order.ts", async () => {
    const rows = await world.db.selectFrom("legal_transitions").selectAll().execute();
    const inDatabase = rows.map((row) => `${row.from_status} → ${row.to_status}`).sort();
    const inProgram = Object.entries(legalTransitions).flatMap(([from, tos]) => tos.map((to) => `${from} → ${to}`));
    expect(inDatabase).toEqual(inProgram.sort());
  });

  test("lets no inventory go below zero, or above what is stocked", async () => {
    const take = (units: number) =>
      sql`update items set inventory = inventory - ${units} where id = 'item_1'`.execute(world.db);
    await expect(take(11)).rejects.toThrow(/items_inventory_check/);
    await expect(take(-1)).rejects.toThrow(/inventory_within_stock/);
  });

  test("takes no second order under one id", async () => {
    const { id } = await insertOrder();
    await expect(insertOrder({ id })).rejects.toThrow(/orders_pkey/);
  });

  test("lets no order start in a state that queued does not lead to", async () => {
    await expect(
      insertOrder({
        status: "confirmed",
        payment_status: "succeeded",
        payment_intent_id: "pi_9",
        settled_at: new Date(),
      }),
    ).rejects.toThrow(/cannot go from queued to confirmed/);
  });

  test.each([
    ["out_of_stock", "reserved"],
    ["out_of_stock", "confirmed"],
    ["rejected", "reserved"],
  ])("refuses %s → %s", async (from, to) => {
    const { id } = await insertOrder({
      ...settled,
      status: from,
      reason: from === "rejected" ? "limit_exceeded" : null,
    });
    const change = { status: to, reason: null, payment_status: "succeeded" } as never;
    await expect(world.db.updateTable("orders").set(change).where("id", "=", id).execute()).rejects.toThrow(
      new RegExp(`cannot go from ${from} to ${to}`),
    );
  });

  test("a cancelled order stays cancelled", async () => {
    const { id } = await insertOrder();
    const orders = world.db.updateTable("orders").where("id", "=", id);
    const now = new Date();
    await orders
      .set({ status: "cancelled", reason: "payment_failed", payment_status: "declined", settled_at: now })
      .execute();
    await expect(
      orders.set({ status: "confirmed", reason: null, payment_status: "succeeded" }).execute(),
    ).rejects.toThrow(/cannot go from cancelled to confirmed/);
  });

  test("no order is settled with its payment in question", async () => {
    const { id } = await insertOrder({ payment_status: "unknown", payment_unknown_since: new Date() });
    const change = {
      status: "cancelled",
      reason: "payment_failed",
      payment_status: null,
      settled_at: new Date(),
    } as const;
    const order = world.db.updateTable("orders").where("id", "=", id);
    await expect(order.set(change).execute()).rejects.toThrow(/unknown_is_held/);
    await order.set({ ...change, payment_unknown_since: null }).execute();
  });

  test("no order is confirmed unpaid", async () => {
    const { id } = await insertOrder();
    const change = { status: "confirmed", settled_at: new Date() } as const;
    await expect(world.db.updateTable("orders").set(change).where("id", "=", id).execute()).rejects.toThrow(
      /confirmed_is_paid/,
    );
  });

  test("no two orders have one payment", async () => {
    await insertOrder({ payment_intent_id: "pi_1" });
    await expect(insertOrder({ payment_intent_id: "pi_1" })).rejects.toThrow(/one_order_per_payment/);
  });

  test.each([{ amount_minor: 1 }, { quantity: 2 }, { shopper_id: "eve" }, { currency: "usd" }])(
    "what was ordered never changes: %o",
    async (change) => {
      const { id } = await insertOrder();
      await expect(world.db.updateTable("orders").set(change).where("id", "=", id).execute()).rejects.toThrow(
        /only added to/,
      );
    },
  );

  test("orders and events are never deleted, events never rewritten", async () => {
    const { id } = await insertOrder();
    const event = { order_id: id, event: "reserved", from_status: "queued", to_status: "reserved" } as const;
    await world.db.insertInto("order_events").values(event).execute();
    await expect(world.db.deleteFrom("orders").execute()).rejects.toThrow(/only added to/);
    await expect(world.db.deleteFrom("order_events").execute()).rejects.toThrow(/only added to/);
    await expect(world.db.updateTable("order_events").set({ event: "x" }).execute()).rejects.toThrow(/only added to/);
  });

  test("an order names a real item, unless it was rejected because there is none", async () => {
    await expect(insertOrder({ item_id: "nothing" })).rejects.toThrow(/foreign key/);
    await insertOrder({ ...settled, item_id: "nothing", status: "rejected", reason: "item_not_found" });
  });

  test.each([
    { status: "rejected" },
    { status: "rejected", reason: "payment_failed" },
    { status: "out_of_stock", reason: "limit_exceeded" },
  ])("a reason fits its state: %o is refused", async (change) => {
    await expect(insertOrder({ ...settled, ...change })).rejects.toThrow(/reason_fits_status/);
  });

  test("every change of a row counts its version up", async () => {
    const { id } = await insertOrder();
    await world.db.updateTable("orders").set({ payment_status: "unknown" }).where("id", "=", id).execute();
    const { version } = await world.db
      .selectFrom("orders")
      .select("version")
      .where("id", "=", id)
      .executeTakeFirstOrThrow();
    expect(version).toBe(2);
  });

  test("a look at a payment makes no new version: nobody is shown anything new", async () => {
    const { id } = await insertOrder();
    const change = { payment_due_at: new Date(), payment_looks: 3, payment_started_at: new Date() };
    await world.db.updateTable("orders").set(change).where("id", "=", id).execute();
    const query = world.db.selectFrom("orders").select("version").where("id", "=", id);
    expect((await query.executeTakeFirstOrThrow()).version).toBe(1);
  });

  test("a confirmed order can be refunded, and no other", async () => {
    const { id } = await insertOrder();
    const orders = world.db.updateTable("orders").where("id", "=", id);
    const refund = { status: "refunded", payment_status: "refunded", settled_at: new Date() } as const;
    await expect(orders.set({ ...refund, payment_intent_id: "pi_r" }).execute()).rejects.toThrow(
      /cannot go from reserved to refunded/,
    );
    const paid = { status: "confirmed", payment_status: "succeeded", settled_at: new Date() } as const;
    await expect(orders.set(paid).execute()).rejects.toThrow(/paid_has_payment/);
    await orders.set({ ...paid, payment_intent_id: "pi_r" }).execute();
    await expect(orders.set({ ...refund, payment_status: "succeeded" }).execute()).rejects.toThrow(/confirmed_is_paid/);
    await expect(orders.set({ refunded_minor: 2_000 }).execute()).rejects.toThrow(/refunded_within_amount/);
    await orders.set({ ...refund, refunded_minor: 1_999 }).execute();
    await expect(orders.set(paid).execute()).rejects.toThrow(/cannot go from refunded to confirmed/);
  });

  test("an unmatched payment is open until it is settled, and is one row however often it is told of", async () => {
    const { id } = await insertOrder();
    const insert = (more: object) =>
      world.db
        .insertInto("unmatched_payments")
        .values({ order_id: id, ...more } as never)
        .execute();
    await insert({ payment_intent_id: "pi_u", next_step: "ask" });
    await expect(insert({ payment_intent_id: "pi_u", next_step: "ask" })).rejects.toThrow(
      /unmatched_payments_payment_intent_id_key/,
    );
    await expect(insert({ payment_intent_id: "pi_v", next_step: "ask", due_at: null })).rejects.toThrow(
      /open_until_settled/,
    );
    await expect(insert({ payment_intent_id: null, next_step: "ask" })).rejects.toThrow(/known_or_searched/);
    await expect(insert({ payment_intent_id: null, next_step: "search" })).rejects.toThrow(/search_has_start/);
  });

  test("the books show a unit that was taken without being sold", async () => {
    await addItem(world.db, "item_2", 5);
    expect(await booksOf(world.db, "item_2")).toMatchObject({ stocked: 5, inventory: 5, balanced: true });
    await sql`update items set inventory = 4 where id = 'item_2'`.execute(world.db);
    expect(await booksOf(world.db, "item_2")).toMatchObject({ inventory: 4, reserved: 0, balanced: false });
    await insertOrder({ item_id: "item_2" });
    expect(await booksOf(world.db, "item_2")).toMatchObject({ reserved: 1, confirmed: 0, balanced: true });
  });
});
