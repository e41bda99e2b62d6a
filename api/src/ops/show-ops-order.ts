import type { Database } from "@holdfast/shared/database.ts";
import { moneyText } from "@holdfast/shared/money.ts";
import type { OrderStatus } from "@holdfast/shared/order.ts";
import { orderColumns, orderFromRow } from "@holdfast/shared/rows.ts";
import { showOrder } from "@holdfast/shared/show-order.ts";
import type { ArchivedEvent } from "@holdfast/shared/tables.ts";
import { sql } from "kysely";
import { tellEvent } from "./order-story.ts";
import { type RequestedRefund, requested } from "./refund-order.ts";

/** What operations see of an order beside what its shopper sees. */
const moneyColumns = [
  "payment_intent_id",
  "payment_attempt",
  "refunded_minor",
  "disputed",
  "refund_requested_at",
  "refund_returns_units",
  "refund_reason",
] as const;

/** Orders with all that operations see of them, archived ones too. */
export function selectOpsOrders(db: Database) {
  return db.selectFrom("orders_ever").select(orderColumns).select(moneyColumns).select("archived");
}

export type OpsOrderRow = Awaited<ReturnType<ReturnType<typeof selectOpsOrders>["executeTakeFirstOrThrow"]>>;

/**
 * An order as operations see it: without what carries a payment out, which is its shopper's alone.
 */
export function showOpsOrder(row: OpsOrderRow) {
  const order = orderFromRow(row);
  const { payment, ...shown } = showOrder(order, null);
  const refund = requested(row);
  return {
    ...shown,
    payment: { status: payment.status, declineCode: payment.declineCode },
    shopperId: order.shopperId,
    paymentIntent: row.payment_intent_id,
    attempts: row.payment_attempt,
    refundedAmount: row.refunded_minor,
    disputed: row.disputed,
    refund: refund && showRefund(refund),
  };
}

export function showRefund({ requestedAt, returnUnits, reason }: RequestedRefund) {
  return { requestedAt: requestedAt.toISOString(), returnUnits, reason };
}

/** An order's whole story; null where there is none in Postgres. */
export async function readOpsOrder(db: Database, orderId: string) {
  const row = await selectOpsOrders(db).where("id", "=", orderId).executeTakeFirst();
  if (!row) return null;
  const [story] = await readStories(db, [row]);
  return story ?? null;
}

const mostOrders = 1_000; // of a shopper, in one answer

/** A shopper's orders with their stories, newest first. */
export async function readShopperOrders(db: Database, shopperId: string) {
  const rows = await newestOfShopper(db, shopperId, mostOrders + 1);
  return { orders: await readStories(db, rows.slice(0, mostOrders)), more: rows.length > mostOrders };
}

const mostEvents = 100_000; // together; a shopper who tries twenty cards has some eighty of an order

/** The orders with all that happened to them, by two statements however many there are. */
async function readStories(db: Database, orders: readonly OpsOrderRow[]) {
  const ids = orders.map(({ id }) => id);
  const ofOrders = sql<boolean>`order_id = any(${ids}::uuid[])`;
  const [events, archived, payments] = await Promise.all([
    db
      .selectFrom("order_events")
      .select(["order_id", "event", "from_status", "to_status", "detail", "at"])
      .where(ofOrders)
      .orderBy(sql`id`)
      .limit(mostEvents)
      .execute(),
    orders.some((order) => order.archived)
      ? db
          .selectFrom("archived_orders")
          .select(["id", "status", "settled_at", "events"])
          .where("id", "=", sql<string>`any(${ids}::uuid[])`)
          .execute()
      : [],
    db
      .selectFrom("unmatched_payments")
      .select(["order_id", "payment_intent_id", "next_step", "outcome", "noticed_at"])
      .where(ofOrders)
      .orderBy("id")
      .limit(mostEvents)
      .execute(),
  ]);
  const kept = archived.flatMap(eventsOfArchived);
  const eventsOf = Map.groupBy([...events, ...kept], (event) => event.order_id);
  const paymentsOf = Map.groupBy(payments, (payment) => payment.order_id);
  return orders.map((order) => {
    const money = (minor: number) => moneyText(minor, order.currency);
    return {
      ...showOpsOrder(order),
      events: (eventsOf.get(order.id) ?? []).map(({ event, from_status: from, to_status: to, detail, at }) => {
        return { at: at.toISOString(), event, from, to, detail, sentence: tellEvent({ event, detail }, money) };
      }),
      otherPayments: (paymentsOf.get(order.id) ?? []).map((other) => ({
        paymentIntent: other.payment_intent_id,
        nextStep: other.outcome === null ? other.next_step : null,
        outcome: other.outcome,
        noticedAt: other.noticed_at.toISOString(),
      })),
    };
  });
}

function eventsOfArchived(order: {
  id: string;
  status: OrderStatus;
  settled_at: Date;
  events: ArchivedEvent[] | null;
}) {
  const { id, status, settled_at, events } = order;
  const plain = { event: status, from: "queued" as const, to: status, detail: {}, at: settled_at.toISOString() };
  return (events ?? [plain]).map(({ from, to, at, ...event }) => {
    return { ...event, order_id: id, from_status: from, to_status: to, at: new Date(at) };
  });
}

async function newestOfShopper(db: Database, shopperId: string, limit: number): Promise<OpsOrderRow[]> {
  const ids: string[] = [];
  // First where they are, then where they go: one that is archived in between is in both.
  for (const table of ["orders", "archived_as_orders"] as const) {
    const newest = db.selectFrom(table).select("id").where("shopper_id", "=", shopperId);
    const found = await newest.orderBy("placed_at", "desc").orderBy("id", "desc").limit(limit).execute();
    ids.push(...found.map(({ id }) => id));
  }
  const rows = await selectOpsOrders(db).where("id", "=", sql<string>`any(${ids}::uuid[])`).execute();
  return rows
    .toSorted((a, b) => b.placed_at.getTime() - a.placed_at.getTime() || (a.id < b.id ? 1 : -1))
    .slice(0, limit);
}
