import type { Database } from "@holdfast/shared/database.ts";
import type { Order, OrderStatus } from "@holdfast/shared/order.ts";
import { isPermanent } from "@holdfast/shared/outage.ts";
import { appendEvent, eventRow, placedColumns } from "@holdfast/shared/rows.ts";
import { type RawBuilder, sql } from "kysely";
import { searchFor } from "../payment/unmatched-payments.ts";
import { returnUnits } from "../reserve/item-units.ts";

/** Orders that a restored Postgres lacks, or has in an earlier state, out of their live views. */

export interface OlderOrder {
  /** As its view has it. */
  readonly order: Order;
  readonly inPostgres: OrderStatus;
}

// Longer than an attempt's key is remembered: so it is looked for by the order's id, and never sent
// again under it. That it may have been sent a moment ago is said too: a payment so young is in no
// list and in no search yet.
const forgottenHours = 21;
const startedLongAgo = sql<Date>`now() - ${forgottenHours} * interval '1 hour'`;

export interface Written {
  readonly final: number;
  readonly held: number;
  /** Held orders whose units were sold to others meanwhile: for people to decide about. */
  readonly withoutUnits: readonly Order[];
  /**
   * Orders that Postgres refuses, with why: of an item that it does not have, or one that was over in
   * its view alone before, too.
   */
  readonly refused: readonly { readonly order: Order; readonly why: string }[];
}

const batchSize = 500;

/** Writes missing orders again. It may be run any number of times, and stopped anywhere. */
export async function writeMissing(db: Database, missing: readonly Order[]): Promise<Written> {
  const refused: { order: Order; why: string }[] = [];
  const unlessRefused = async <T>(order: Order, write: () => Promise<T>): Promise<T | null> => {
    try {
      return await write();
    } catch (error) {
      if (!isPermanent(error)) throw error;
      refused.push({ order, why: (error as Error).message });
      return null;
    }
  };
  const heldNone = ({ status }: Order) => ["out_of_stock", "rejected", "cancelled"].includes(status);
  const ended = missing.filter(heldNone);
  let final = 0;
  for (let i = 0; i < ended.length; i += batchSize) {
    const batch = ended.slice(i, i + batchSize);
    try {
      await writeFinal(db, batch);
      final += batch.length;
    } catch (error) {
      if (!isPermanent(error)) throw error;
      for (const order of batch) {
        const written = await unlessRefused(order, () => writeFinal(db, [order]));
        if (written !== null) final += 1;
      }
    }
  }
  let held = 0;
  const withoutUnits: Order[] = [];
  for (const order of missing.filter((one) => !heldNone(one))) {
    const written = await unlessRefused(order, () => writeHeld(db, order));
    if (written === true) held += 1;
    if (written === false) withoutUnits.push(order);
  }
  return { final, held, withoutUnits, refused };
}

export interface Advanced {
  /** Orders that Postgres had in an earlier state, and that are on their way again. */
  readonly forward: number;
  /** Those that Postgres has decided otherwise since: they stay so, and what was paid is refunded. */
  readonly otherwise: readonly OlderOrder[];
}

/**
 * Brings orders of which Postgres has an earlier state on their way again. Those that were cancelled
 * are cancelled again at once, so that their units are there for whoever got them; whatever was paid
 * for them is searched for. Of the others the provider is asked: a held one is looked for by its id,
 * and not sent again, since what is known of its cards and attempts may be old. Each is a later
 * version than its view then.
 */
export async function bringForward(db: Database, older: readonly OlderOrder[]): Promise<Advanced> {
  let forward = 0;
  const otherwise: OlderOrder[] = [];
  for (const one of older) {
    const { order, inPostgres } = one;
    const wasHeld = ["reserved", "confirmed", "refunded"].includes(order.status);
    if (order.status === "cancelled" && inPostgres === "reserved") forward += await cancelAgain(db, order);
    else if (wasHeld && ["cancelled", "out_of_stock", "rejected"].includes(inPostgres)) {
      await searchOnly(db, order);
      otherwise.push(one);
    } else forward += await lookAgain(db, order);
  }
  return { forward, otherwise };
}

/** Its units are not taken a second time; what was paid for it is found, and refunded. */
async function searchOnly(db: Database, order: Order): Promise<void> {
  await db.transaction().execute(async (trx) => {
    await trx
      .updateTable("orders")
      .set({ version: order.version + 1 })
      .where("id", "=", order.id)
      .where("version", "<=", order.version)
      .execute();
    await searchFor(trx, order.id, new Date());
  });
}

async function cancelAgain(db: Database, order: Order): Promise<number> {
  return db.transaction().execute(async (trx) => {
    await trx.selectFrom("items").select("id").where("id", "=", order.itemId).forNoKeyUpdate().execute(); // first, as everywhere
    const row = await trx
      .updateTable("orders")
      .set({
        status: "cancelled",
        reason: order.reason ?? "payment_failed",
        payment_status: order.declineCode === null ? null : "declined",
        decline_code: order.declineCode,
        settled_at: new Date(order.settledAtMs ?? order.placedAtMs),
        payment_due_at: null,
        payment_unknown_since: null,
        version: order.version + 1,
      })
      .where("id", "=", order.id)
      .where("status", "=", "reserved")
      .returning(["quantity", "item_id"])
      .executeTakeFirst();
    if (!row) return 0;
    await returnUnits(trx, row.item_id, row.quantity);
    await searchFor(trx, order.id, new Date());
    await appendEvent(
      trx,
      order.id,
      "cancelled",
      { from: "reserved", to: "cancelled" },
      { ...why, reason: order.reason },
    );
    return 1;
  });
}

async function lookAgain(db: Database, order: Order): Promise<number> {
  const held = (value: RawBuilder<unknown>, column: string) =>
    sql`${sql.ref(column)} = case status when 'reserved' then ${value} else ${sql.ref(column)} end`;
  const { numAffectedRows = 0n } = await sql`
    update orders set
      version = ${order.version + 1},
      payment_due_at = case when status in ('reserved', 'confirmed') then now() else payment_due_at end,
      ${held(sql`'unknown'`, "payment_status")},
      ${held(sql`null`, "payment_intent_id")},
      ${held(sql`${lostMethod}`, "payment_method")},
      ${held(sql`payment_cards`, "payment_untried")},
      ${held(startedLongAgo, "payment_started_at")},
      ${held(sql`now()`, "payment_sent_at")},
      ${held(sql`now()`, "payment_unknown_since")}
    where id = ${order.id} and version <= ${order.version}`.execute(db);
  return Number(numAffectedRows);
}

/** It was in the view, and nobody who can be told anything else. */
const why = { why: "written again from its live view, after Postgres was restored" };

async function writeFinal(db: Database, orders: readonly Order[]): Promise<void> {
  await db.transaction().execute(async (trx) => {
    const rows = orders.map((order) => ({
      ...placedColumns(order),
      status: order.status,
      reason: order.reason,
      settled_at: new Date(order.settledAtMs ?? order.placedAtMs),
      version: order.version,
    }));
    const written = await trx
      .insertInto("orders")
      .values(rows)
      .onConflict((conflict) => conflict.column("id").doNothing())
      .returning(["id", "status"])
      .execute();
    if (written.length === 0) return;
    const events = written.map(({ id, status }) => eventRow(id, status, { from: "queued", to: status }, why));
    await trx.insertInto("order_events").values(events).execute();
  });
}

const lostMethod = "pm_lost_with_a_restore"; // the provider knows none by this name: it asks for a card again

/** @returns false where there are not enough units any more */
async function writeHeld(db: Database, order: Order): Promise<boolean> {
  return db.transaction().execute(async (trx) => {
    // The item first, as everywhere.
    const item = await trx
      .selectFrom("items")
      .select("inventory")
      .where("id", "=", order.itemId)
      .forNoKeyUpdate()
      .executeTakeFirst();
    const there = await trx.selectFrom("orders").select("id").where("id", "=", order.id).executeTakeFirst();
    if (there) return true;
    if (item !== undefined && item.inventory < order.quantity) return false; // without its item it is refused below
    await trx
      .updateTable("items")
      .set({ inventory: sql<number>`inventory - ${order.quantity}` })
      .where("id", "=", order.itemId)
      .execute();
    await trx
      .insertInto("orders")
      .values({
        ...placedColumns(order),
        status: "reserved",
        reserved_at: new Date(order.reservedAtMs ?? order.placedAtMs),
        payment_status: "unknown",
        payment_method: lostMethod,
        payment_attempt: 1,
        payment_cards: 1,
        payment_untried: 1, // that its card is lost is nobody's decline
        payment_started_at: startedLongAgo,
        payment_sent_at: sql<Date>`now()`,
        payment_unknown_since: sql<Date>`now()`,
        payment_due_at: sql<Date>`now()`,
        version: order.version + 1, // whoever saw the view sees what becomes of it
      })
      .execute();
    await appendEvent(
      trx,
      order.id,
      "reserved",
      { from: "queued", to: "reserved" },
      { ...why, wasShown: order.status },
    );
    return true;
  });
}
