import type { Database } from "@holdfast/shared/database.ts";
import type { Order, OrderStatus } from "@holdfast/shared/order.ts";
import type { Store } from "@holdfast/shared/redis.ts";
import {
  differsBetweenMasters,
  judgeGeneration,
  knowsToken,
  probeGeneration,
  readKnownGeneration,
} from "@holdfast/shared/redis-generation.ts";
import { findOrders, placedColumns } from "@holdfast/shared/rows.ts";
import { sql } from "kysely";
import { viewsInBatches } from "./find-lost-orders.ts";

/**
 * What a restored Postgres or Redis lacks, found by comparing the two, and put back where it can
 * be. To be run after a backup was restored, or a failover to a standby that lagged.
 *
 * - **Postgres is older than Redis**: orders that were decided since are in the live views alone.
 *   Their units are on sale again, and nobody goes by their payments. Each is written again: those
 *   that had an end as they were, those that held a unit as held, with a payment whose outcome is
 *   not known. The sweeper then asks the provider: paid ones are confirmed, with the same payment;
 *   of the others the shopper is asked for a card again.
 * - **Redis is older than Postgres**: nothing is to be done by hand. Workers notice it within a
 *   second and put it right (recover-generation.ts).
 */
export interface RestoreFindings {
  readonly relation: "same" | "postgres_behind" | "redis_behind" | "redis_emptied" | "first_start";
  /** How many heartbeats, one a second, Postgres lacks; null where that cannot be told. */
  readonly heartbeatsBehind: number | null;
  /** Orders whose view says that they were decided, and which Postgres does not have. */
  readonly missing: readonly Order[];
  /** Orders that Postgres has in an earlier state than their view. */
  readonly older: readonly { readonly order: Order; readonly inPostgres: OrderStatus }[];
}

// Longer than an attempt's key is remembered: so it is looked for by the order's id, and never sent
// again.
const forgottenHours = 21;

/** Compares; changes nothing. It reads all live views: those of the last day. */
export async function findRestored(db: Database, store: Store, signal: AbortSignal): Promise<RestoreFindings> {
  const { relation, heartbeatsBehind } = await relate(db, store);
  const missing: Order[] = [];
  const older: { order: Order; inPostgres: OrderStatus }[] = [];
  for await (const views of viewsInBatches(store, signal)) {
    const decided = views.filter(({ status }) => status !== "queued");
    const known = await findOrders(
      db,
      decided.map(({ id }) => id),
    );
    for (const order of decided) {
      const row = known.get(order.id);
      if (row === undefined) missing.push(order);
      else if (row.version < order.version && row.status !== order.status)
        older.push({ order, inPostgres: row.status });
    }
  }
  return { relation, heartbeatsBehind, missing, older };
}

async function relate(db: Database, store: Store): Promise<Pick<RestoreFindings, "relation" | "heartbeatsBehind">> {
  const known = await readKnownGeneration(db); // before Redis: read second, it could rightly be ahead
  const seen = await probeGeneration(store);
  const none = { heartbeatsBehind: null };
  switch (judgeGeneration(known, seen)) {
    case "postgres_behind":
      return { relation: "postgres_behind", heartbeatsBehind: seen.heartbeats - (known?.heartbeats ?? 0) };
    case "emptied":
      return { relation: "redis_emptied", ...none };
    case "restored": {
      const foreign =
        seen.token !== null && seen.token !== differsBetweenMasters && !(await knowsToken(db, seen.token));
      return { relation: foreign ? "postgres_behind" : "redis_behind", ...none };
    }
    case "begin":
      return { relation: seen.token === null ? "first_start" : "postgres_behind", ...none };
    case "beginning":
    case "recover":
    case "sound":
      return { relation: "same", ...none };
  }
}

export interface Written {
  readonly final: number;
  readonly held: number;
  /** Held orders whose units were sold to others meanwhile: for people to decide about. */
  readonly withoutUnits: readonly Order[];
}

/** Writes missing orders again. It may be run any number of times, and stopped anywhere. */
export async function writeMissing(db: Database, missing: readonly Order[]): Promise<Written> {
  let [final, held] = [0, 0];
  const withoutUnits: Order[] = [];
  for (const order of missing) {
    if (order.status === "out_of_stock" || order.status === "rejected" || order.status === "cancelled") {
      await writeFinal(db, order);
      final += 1;
    } else if (await writeHeld(db, order)) held += 1;
    else withoutUnits.push(order);
  }
  return { final, held, withoutUnits };
}

/**
 * Has the provider asked about orders of which Postgres has an earlier state. A held one is looked
 * for by its id, and not sent again: what it knows of cards and attempts may be old.
 * @returns how many
 */
export async function lookAgain(db: Database, older: RestoreFindings["older"]): Promise<number> {
  const ids = older.map(({ order }) => order.id);
  const sent = sql`now() - ${forgottenHours} * interval '1 hour'`;
  const { numAffectedRows = 0n } = await sql`
    update orders set
      payment_due_at = now(),
      payment_status = case status when 'reserved' then 'unknown' else payment_status end,
      payment_intent_id = case status when 'reserved' then null else payment_intent_id end,
      payment_started_at = case status when 'reserved' then ${sent} else payment_started_at end,
      payment_sent_at = case status when 'reserved' then ${sent} else payment_sent_at end,
      payment_unknown_since = case status when 'reserved' then now() else payment_unknown_since end
    where id = any(${ids}::uuid[]) and status in ('reserved', 'confirmed')`.execute(db);
  return Number(numAffectedRows);
}

/** It was in the view, and nobody who can be told anything else. */
const why = { why: "written again from its live view, after Postgres was restored" };

async function writeFinal(db: Database, order: Order): Promise<void> {
  await db.transaction().execute(async (trx) => {
    const [row] = await trx
      .insertInto("orders")
      .values({
        ...placedColumns(order),
        status: order.status,
        reason: order.reason,
        settled_at: new Date(order.settledAtMs ?? order.placedAtMs),
        version: order.version,
      })
      .onConflict((conflict) => conflict.column("id").doNothing())
      .returning("id")
      .execute();
    if (!row) return;
    const change = { event: order.status, from_status: "queued", to_status: order.status } as const;
    await trx
      .insertInto("order_events")
      .values({ order_id: order.id, ...change, detail: why })
      .execute();
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
    if (item === undefined || item.inventory < order.quantity) return false;
    await trx
      .updateTable("items")
      .set({ inventory: sql<number>`inventory - ${order.quantity}` })
      .where("id", "=", order.itemId)
      .execute();
    const sent = sql<Date>`now() - ${forgottenHours} * interval '1 hour'`;
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
        payment_started_at: sent,
        payment_sent_at: sent,
        payment_unknown_since: sql<Date>`now()`,
        payment_due_at: sql<Date>`now()`,
        version: order.version + 1, // whoever saw the view sees what becomes of it
      })
      .execute();
    const change = { event: "reserved", from_status: "queued", to_status: "reserved" } as const;
    await trx
      .insertInto("order_events")
      .values({ order_id: order.id, ...change, detail: { ...why, wasShown: order.status } })
      .execute();
    return true;
  });
}

/**
 * Postgres goes by this Redis from now on: workers decide again. Where it knows no such generation,
 * one is begun that Redis is given by the next look.
 */
export async function acceptRedis(db: Database, store: Store): Promise<void> {
  const known = await readKnownGeneration(db);
  const seen = await probeGeneration(store);
  if (known !== null && seen.token === known.token) {
    await db
      .updateTable("redis_generations")
      .set({ heartbeats: seen.heartbeats })
      .where("generation", "=", known.generation)
      .where("heartbeats", "<", seen.heartbeats)
      .execute();
    return;
  }
  if (seen.token === null || seen.token === differsBetweenMasters) return;
  await db
    .insertInto("redis_generations")
    .values({
      generation: (known?.generation ?? 0) + 1,
      token: seen.token,
      cause: known === null ? "first_start" : "restored",
      recovered_at: sql<Date>`now()`,
      heartbeats: seen.heartbeats,
      heartbeat_at: sql<Date>`now()`,
    })
    .execute();
}
