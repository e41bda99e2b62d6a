import type { Database } from "@holdfast/shared/database.ts";
import type { Order } from "@holdfast/shared/order.ts";
import { readShopperViews, readView } from "@holdfast/shared/order-view.ts";
import { isOutage } from "@holdfast/shared/outage.ts";
import type { Store } from "@holdfast/shared/redis.ts";
import { findOrders, orderColumns, orderFromRow } from "@holdfast/shared/rows.ts";
import { sql } from "kysely";
import { coalesce } from "../coalesce.ts";
import { type Cursor, isBehind, newestFirst, writeCursor } from "./page.ts";
import { type ReadReplica, readAnywhere } from "./read-replica.ts";
import { type ReadView, viewReader } from "./view-reader.ts";

export interface OrderReaderParts extends Store {
  readonly db: Database;
  /** A standby; null, or left out, for none. */
  readonly replica?: ReadReplica | null;
  readonly laneCount: number;
}

/** An order out of Postgres, whosever it is. */
type FindOrder = (orderId: string) => Promise<Order | null>;

/** Where an order is read. */
interface Sources {
  readonly view: ReadView;
  readonly find: FindOrder;
  /** At the standby; null where it knows of none, or is not to be used. */
  readonly findAtReplica: FindOrder;
}

/** For a read that no others come with: one whose order is about to be changed. */
function alone({ db, redis, keys }: OrderReaderParts): Sources {
  return {
    view: (shopperId, orderId) => readView({ redis, keys }, shopperId, orderId),
    find: async (id) => (await findOrders(db, [id])).get(id) ?? null,
    findAtReplica: async () => null,
  };
}

/**
 * One of a shopper's orders, or null where there is none; as `readOrder`, but all that Redis does
 * not know with one query at a time.
 * @param seenVersion of the order, where the shopper says which they have seen
 */
export type ReadOrder = (shopperId: string, orderId: string, seenVersion?: number | null) => Promise<Order | null>;

// One query at a time: so a flood of made-up ids, or a Redis that lost its views, takes one of our
// connections to Postgres and no more.
const batched = { maxBatch: 1_000, maxWaiting: 20_000, maxUnderWay: 1 };

export function orderReader(parts: OrderReaderParts): ReadOrder {
  const { db, replica } = parts;
  const find = coalesce<string, Order | null>(batched, (_key, ids) => findAll(db, ids));
  const findAtReplica = coalesce<string, Order | null>(batched, async (_key, ids) => {
    const standby = replica?.current() ?? null;
    if (standby === null) return ids.map(() => null);
    return findAll(standby, ids).catch((error: unknown) => {
      replica?.failed(error);
      return ids.map(() => null);
    });
  });
  const sources = {
    view: viewReader(parts),
    find: (id: string) => find("", id),
    findAtReplica: (id: string) => findAtReplica("", id),
  };
  return (shopperId, orderId, seenVersion = null) => readOrder(parts, shopperId, orderId, seenVersion, sources);
}

async function findAll(db: Database, ids: readonly string[]): Promise<(Order | null)[]> {
  const orders = await findOrders(db, [...new Set(ids)]);
  return ids.map((id) => orders.get(id) ?? null);
}

/**
 * One of a shopper's orders: from the live view, or from Postgres where Redis has no view of it or
 * is unavailable. Null where neither knows it. An order in line is only in Redis, so while that is
 * unavailable the silence of Postgres means nothing: that is an outage.
 *
 * A standby may lag, and no shopper may see an older order than before. So it is asked only where
 * it is known which version they have seen, and believed only with that one or a later one.
 */
export async function readOrder(
  parts: OrderReaderParts,
  shopperId: string,
  orderId: string,
  seenVersion: number | null = null,
  { view: readIt, find, findAtReplica }: Sources = alone(parts),
): Promise<Order | null> {
  let outage: unknown = null;
  let least = seenVersion;
  try {
    const view = await readIt(shopperId, orderId);
    if (view && !isOverdue(view)) return view;
    if (view) least = Math.max(least ?? 0, view.version + 1); // it missed the change
  } catch (error) {
    if (!isOutage(error)) throw error;
    outage = error;
  }
  if (least !== null) {
    const order = await findAtReplica(orderId);
    if (order?.shopperId === shopperId && order.version >= least) return order;
  }
  const order = await find(orderId);
  if (order?.shopperId === shopperId) return order;
  if (outage !== null) throw outage;
  return null;
}

const overdueMs = 15_000; // the sweeper settles a hold that ended within ten seconds or so

/** A hold that ended a while ago is settled: its view missed the change, so Postgres is asked. */
function isOverdue(view: Order): boolean {
  return view.status === "reserved" && view.holdExpiresAtMs !== null && view.holdExpiresAtMs + overdueMs < Date.now();
}

/**
 * A page of a shopper's own orders, newest first: those in line from Redis, the decided ones from
 * Postgres, or a standby of it; what it does not have yet, from Redis too.
 * @returns `next` is where the page behind it begins; null on the last one
 */
export async function listOrders(
  parts: OrderReaderParts,
  shopperId: string,
  limit: number,
  after: Cursor | null,
): Promise<{ orders: Order[]; next: string | null }> {
  // One after the other: an order that is decided in between is in both, and never in neither.
  const views = new Map((await readShopperViews(parts, shopperId)).map((view) => [view.id, view]));
  const found = await readAnywhere(parts, (db) => findDecided(db, shopperId, limit + 1, after));
  const decided = found.map((order) => {
    const view = views.get(order.id);
    views.delete(order.id);
    return view && view.version > order.version ? view : order;
  });
  const inPage = (order: Order) => after === null || isBehind(order, after);
  const all = [...[...views.values()].filter(inPage), ...decided].sort(newestFirst);
  const orders = all.slice(0, limit);
  const last = orders.at(-1);
  return { orders, next: last && all.length > limit ? writeCursor(last) : null };
}

async function findDecided(db: Database, shopperId: string, limit: number, after: Cursor | null): Promise<Order[]> {
  // First where they are, then where they go: one that is archived in between is in both.
  const kept = await findIn("orders");
  const archived = await findIn("archived_as_orders");
  const all = new Map([...archived, ...kept].map((order) => [order.id, order]));
  return [...all.values()].sort(newestFirst).slice(0, limit);

  async function findIn(table: "orders" | "archived_as_orders"): Promise<Order[]> {
    let query = db.selectFrom(table).select(orderColumns).where("shopper_id", "=", shopperId);
    if (after !== null) {
      const placedAt = new Date(after.placedAtMs);
      query = query
        .where("placed_at", "<=", placedAt) // what the index begins at
        .where(sql<boolean>`(placed_at, id) < (${placedAt}::timestamptz, ${after.orderId}::uuid)`);
    }
    const rows = await query.orderBy("placed_at", "desc").orderBy("id", "desc").limit(limit).execute();
    return rows.map(orderFromRow);
  }
}
