import { type Selectable, sql } from "kysely";
import type { Database } from "./database.ts";
import type { Item } from "./item.ts";
import type { Order, OrderStatus } from "./order.ts";
import type { Tables } from "./tables.ts";

export const orderColumns = [
  "id",
  "shopper_id",
  "item_id",
  "quantity",
  "amount_minor",
  "currency",
  "status",
  "reason",
  "payment_status",
  "decline_code",
  "fingerprint",
  "metadata",
  "placed_at",
  "reserved_at",
  "settled_at",
  "hold_expires_at",
  "version",
] as const;

type OrderRow = Pick<Selectable<Tables["orders"]>, (typeof orderColumns)[number]>;

/** A row of `orders` in the words of the program. */
export function orderFromRow(row: OrderRow): Order {
  return {
    id: row.id,
    shopperId: row.shopper_id,
    itemId: row.item_id,
    quantity: row.quantity,
    amountMinor: row.amount_minor,
    currency: row.currency,
    status: row.status,
    reason: row.reason,
    paymentStatus: row.payment_status,
    declineCode: row.decline_code,
    placedAtMs: row.placed_at.getTime(),
    reservedAtMs: row.reserved_at?.getTime() ?? null,
    settledAtMs: row.settled_at?.getTime() ?? null,
    holdExpiresAtMs: row.hold_expires_at?.getTime() ?? null,
    version: row.version,
    place: null,
    fingerprint: row.fingerprint,
    metadata: row.metadata,
    clientSecret: null,
  };
}

/**
 * What the row of an order that was in line has of it: who wants what, for how much, since when.
 */
export function placedColumns(order: Order) {
  return {
    id: order.id,
    shopper_id: order.shopperId,
    item_id: order.itemId,
    quantity: order.quantity,
    amount_minor: order.amountMinor,
    currency: order.currency,
    fingerprint: order.fingerprint,
    metadata: order.metadata,
    placed_at: new Date(order.placedAtMs),
  };
}

/** Orders by id, those that there are, archived ones too; in one statement, however many. */
export function findOrders(db: Database, ids: readonly string[]): Promise<Map<string, Order>> {
  return findIn(db, "orders_ever", ids);
}

/** The same of those that were archived. */
export function findArchivedOrders(db: Database, ids: readonly string[]): Promise<Map<string, Order>> {
  return findIn(db, "archived_as_orders", ids);
}

async function findIn(
  db: Database,
  view: "orders_ever" | "archived_as_orders",
  ids: readonly string[],
): Promise<Map<string, Order>> {
  const rows = await db
    .selectFrom(view)
    .select(orderColumns)
    .where("id", "=", sql<string>`any(${ids}::uuid[])`)
    .execute();
  return new Map(rows.map((row) => [row.id, orderFromRow(row)]));
}

/** Notes something that happened to an order, in the transaction that makes it happen. */
export async function appendEvent(db: Database, ...event: Parameters<typeof eventRow>): Promise<void> {
  await db
    .insertInto("order_events")
    .values(eventRow(...event))
    .execute();
}

/** An event as a row, without what is not known of it. */
export function eventRow(
  orderId: string,
  event: string,
  change: { readonly from: OrderStatus; readonly to: OrderStatus },
  detail: Record<string, unknown> = {},
) {
  const known = Object.fromEntries(Object.entries(detail).filter(([, value]) => value !== null));
  return { order_id: orderId, event, from_status: change.from, to_status: change.to, detail: known };
}

/** A row of `items` in the words of the program. */
export function itemFromRow(row: Selectable<Tables["items"]>): Item {
  return {
    id: row.id,
    name: row.name,
    priceMinor: row.price_minor,
    currency: row.currency,
    stocked: row.stocked,
    inventory: row.inventory,
    opensAtMs: row.opens_at?.getTime() ?? null,
    closesAtMs: row.closes_at?.getTime() ?? null,
    holdSeconds: row.hold_seconds,
    paymentRetries: row.payment_retries,
    maxPerShopper: row.max_per_shopper,
    paused: row.paused_at !== null,
    version: row.version,
  };
}

/** The order with this id, be it archived. @throws where there is none */
export async function findOrder(db: Database, orderId: string): Promise<Order> {
  const row = await db
    .selectFrom("orders_ever")
    .select(orderColumns)
    .where("id", "=", orderId)
    .executeTakeFirstOrThrow();
  return orderFromRow(row);
}
