import type { Database } from "@holdfast/shared/database.ts";
import { type OrderStatus, orderStatuses } from "@holdfast/shared/order.ts";
import { sql } from "kysely";
import { type Cursor, newestFirst, writeCursor } from "../orders/page.ts";
import { type OpsOrderRow, selectOpsOrders } from "./show-ops-order.ts";

/** Which orders operations look for; what is not named is not looked at. */
export interface OrderFilter {
  readonly item?: string | undefined;
  readonly status?: OrderStatus | undefined;
  readonly shopper?: string | undefined;
  /** The provider's id of a payment, pi_…, also of one that its order does not go by. */
  readonly payment?: string | undefined;
}

export interface OrderPage {
  readonly orders: readonly OpsOrderRow[];
  /** Where the page behind it begins; null on the last one. */
  readonly next: string | null;
}

/**
 * A page of the orders in Postgres, newest first. However many there are, it reads a page's worth
 * along an index: a shopper's, a payment's, or that of each item and status.
 */
export async function listOpsOrders(
  db: Database,
  filter: OrderFilter,
  limit: number,
  after: Cursor | null,
): Promise<OrderPage> {
  const ids = filter.payment === undefined ? null : await ordersOfPayment(db, filter.payment);
  const keys =
    ids === null && filter.shopper === undefined
      ? await newestAlongItems(db, filter, limit + 1, after)
      : await newestOf(db, filter, ids, limit + 1, after);
  const page = keys.slice(0, limit);
  const rows = await selectOpsOrders(db).where("id", "=", sql<string>`any(${page}::uuid[])`).execute();
  const orders = rows.toSorted((a, b) => newestFirst(placed(a), placed(b)));
  const last = orders.at(-1);
  return { orders, next: last && keys.length > limit ? writeCursor(placed(last)) : null };
}

const placed = ({ id, placed_at }: OpsOrderRow) => ({ id, placedAtMs: placed_at.getTime() });

async function ordersOfPayment(db: Database, payment: string): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`
    select id from orders where payment_intent_id = ${payment}
    union select order_id from unmatched_payments where payment_intent_id = ${payment}`.execute(db);
  return rows.map(({ id }) => id);
}

/** Behind the last one of the page before; the first condition is what an index begins at. */
function behind(after: Cursor | null) {
  if (after === null) return sql<boolean>`true`;
  const at = new Date(after.placedAtMs);
  // The cursor has milliseconds, as every order that we place has.
  return sql<boolean>`placed_at <= ${at} and (placed_at, id) < (${at}::timestamptz, ${after.orderId}::uuid)`;
}

/** Of one shopper, or of some ids. */
async function newestOf(
  db: Database,
  { item, status, shopper }: OrderFilter,
  ids: readonly string[] | null,
  limit: number,
  after: Cursor | null,
): Promise<string[]> {
  const found: { id: string; placed_at: Date }[] = [];
  // First where they are, then where they go: one that is archived in between is in both.
  for (const table of ["orders", "archived_as_orders"] as const) {
    let query = db.selectFrom(table).select(["id", "placed_at"]).where(behind(after));
    if (shopper !== undefined) query = query.where("shopper_id", "=", shopper);
    if (ids !== null) query = query.where("id", "=", sql<string>`any(${ids}::uuid[])`);
    if (item !== undefined) query = query.where("item_id", "=", item);
    if (status !== undefined) query = query.where("status", "=", status);
    found.push(...(await query.orderBy("placed_at", "desc").orderBy("id", "desc").limit(limit).execute()));
  }
  const byAge = found.toSorted((a, b) => b.placed_at.getTime() - a.placed_at.getTime() || (a.id < b.id ? 1 : -1));
  return [...new Set(byAge.map(({ id }) => id))].slice(0, limit);
}

const decidedStatuses = orderStatuses.filter((status) => status !== "queued");

/**
 * Of each item and status the newest, and of all these the newest: an index has each of them in
 * order, and none has all.
 */
async function newestAlongItems(
  db: Database,
  { item, status }: OrderFilter,
  limit: number,
  after: Cursor | null,
): Promise<string[]> {
  const statuses = status === undefined ? decidedStatuses : [status];
  // An order for an item that there never was has no row in items.
  const items = item === undefined ? sql`select id from items` : sql`select ${item}::text as id`;
  const { rows } = await sql<{ id: string }>`
    select o.id from (${items}) i
    cross join unnest(${statuses}::text[]) s(status)
    cross join lateral (
      select id, placed_at from orders
      where item_id = i.id and status = s.status and ${behind(after)}
      order by placed_at desc, id desc limit ${limit}
    ) o
    order by o.placed_at desc, o.id desc limit ${limit}`.execute(db);
  return rows.map(({ id }) => id);
}
