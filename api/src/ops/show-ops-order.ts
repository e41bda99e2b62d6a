import { type Database, orderColumns, orderFromRow } from "@holdfast/shared/database.ts";
import { moneyText } from "@holdfast/shared/money.ts";
import { showOrder } from "@holdfast/shared/show-order.ts";
import { sql } from "kysely";
import { tellEvent } from "./order-story.ts";
import { requested } from "./refund-order.ts";

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

/** Orders with all that operations see of them. */
export function selectOpsOrders(db: Database) {
  return db.selectFrom("orders").select(orderColumns).select(moneyColumns);
}

export type OpsOrderRow = Awaited<ReturnType<ReturnType<typeof selectOpsOrders>["executeTakeFirstOrThrow"]>>;

/** An order as operations see it: without what carries a payment out, which is its shopper's alone. */
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
    refund: refund && { ...refund, requestedAt: refund.requestedAt.toISOString() },
  };
}

const mostEvents = 1_000; // of an order; a shopper who tries twenty cards has some eighty

/** An order's whole story; null where there is none in Postgres. */
export async function readOpsOrder(db: Database, orderId: string) {
  const row = await selectOpsOrders(db).where("id", "=", orderId).executeTakeFirst();
  if (!row) return null;
  const [events, others] = await Promise.all([
    readEvents(db, row),
    db
      .selectFrom("unmatched_payments")
      .select(["payment_intent_id", "next_step", "outcome", "noticed_at"])
      .where("order_id", "=", orderId)
      .orderBy("id")
      .limit(mostEvents)
      .execute(),
  ]);
  const otherPayments = others.map((other) => ({
    paymentIntent: other.payment_intent_id,
    nextStep: other.outcome === null ? other.next_step : null,
    outcome: other.outcome,
    noticedAt: other.noticed_at.toISOString(),
  }));
  return { ...showOpsOrder(row), events, otherPayments };
}

const mostOrders = 1_000; // of a shopper, in one answer

/** A shopper's orders with their stories, newest first. */
export async function readShopperOrders(db: Database, shopperId: string) {
  const rows = await db
    .selectFrom("orders")
    .select("id")
    .where("shopper_id", "=", shopperId)
    .orderBy("placed_at", "desc")
    .limit(mostOrders + 1)
    .execute();
  const orders = [];
  for (const { id } of rows.slice(0, mostOrders)) {
    const order = await readOpsOrder(db, id);
    if (order !== null) orders.push(order);
  }
  return { orders, more: rows.length > mostOrders };
}

async function readEvents(db: Database, { id, currency }: OpsOrderRow) {
  const rows = await db
    .selectFrom("order_events")
    .select(["event", "from_status", "to_status", "detail", "at"])
    .where("order_id", "=", id)
    .orderBy(sql`id`)
    .limit(mostEvents)
    .execute();
  const money = (minor: number) => moneyText(minor, currency);
  return rows.map(({ event, from_status: from, to_status: to, detail, at }) => {
    return { at: at.toISOString(), event, from, to, detail, sentence: tellEvent({ event, detail }, money) };
  });
}
