import type { Database } from "@holdfast/shared/database.ts";
import type { OrderStatus } from "@holdfast/shared/order.ts";
import { appendEvent } from "@holdfast/shared/rows.ts";
import type { Tables } from "@holdfast/shared/tables.ts";
import { type RawBuilder, sql, type Transaction } from "kysely";
import { appendAudit } from "./audit.ts";
import type { Operator } from "./ops-guard.ts";

/** What operations ask for: whether its units are on sale again afterwards, and why. */
export interface RefundRequest {
  readonly returnUnits: boolean;
  readonly reason: string | null;
}

/** A refund that was asked for. */
export interface RequestedRefund extends RefundRequest {
  readonly requestedAt: Date;
}

export type RefundAnswer =
  /** Asked for, now or before; null of an order that was refunded at the provider. */
  | { readonly kind: "requested"; readonly status: OrderStatus; readonly refund: RequestedRefund | null }
  | { readonly kind: "not_found" }
  | { readonly kind: "not_refundable"; readonly why: string };

/**
 * Asks for the refund of an order, once however often it is asked for. All that is done here is to
 * write that down, with the time at which a worker looks at the payment: whoever adds the job may
 * die before, the sweeper goes by that time.
 */
export async function requestRefund(
  db: Database,
  operator: Operator,
  orderId: string,
  request: RefundRequest,
): Promise<RefundAnswer> {
  return db.transaction().execute(async (trx) => {
    const order = await lockForRefund(trx, orderId);
    if (!order) return { kind: "not_found" };
    const { status } = order;
    const asked = requested(order);
    if (asked !== null && asked.returnUnits !== request.returnUnits) {
      const units = asked.returnUnits ? "with its units on sale again" : "without its units on sale again";
      return { kind: "not_refundable", why: `Its refund was asked for before, ${units}.` };
    }
    if (status === "refunded" && order.refunded_minor < order.amount_minor) {
      const why = "It was refunded, and that has failed since. Pay back at the provider what is still owed.";
      return { kind: "not_refundable", why };
    }
    if (asked !== null || status === "refunded") return { kind: "requested", status, refund: asked };
    if (status !== "confirmed") return { kind: "not_refundable", why: `The order is ${status}, not confirmed.` };
    if (order.disputed) {
      return {
        kind: "not_refundable",
        why: "The shopper's bank has disputed the payment and decides about the money.",
      };
    }
    const { refund_requested_at: requestedAt } = await trx
      .updateTable("orders")
      .set({
        refund_requested_at: sql<Date>`now()`,
        refund_returns_units: request.returnUnits,
        refund_reason: request.reason,
        ...dueNow,
      })
      .where("id", "=", orderId)
      .returning("refund_requested_at")
      .executeTakeFirstOrThrow();
    const detail = { by: operator.name, returnUnits: request.returnUnits, reason: request.reason };
    await appendEvent(trx, orderId, "refund_requested", { from: status, to: status }, detail);
    const after = { returnUnits: request.returnUnits, reason: request.reason };
    const subject = `order ${orderId}`;
    await appendAudit(trx, operator, { action: "order.refund", subject, before: { status }, after });
    return { kind: "requested", status, refund: { ...request, requestedAt: requestedAt ?? new Date() } };
  });
}

/** Has the order's payment looked at by the next worker that sees it. */
const dueNow = {
  payment_due_at: sql<Date>`now()`,
  payment_looks: 0,
  payment_hints: sql<number>`payment_hints + 1`,
};

function lockForRefund(trx: Transaction<Tables>, orderId: string) {
  return trx
    .selectFrom("orders")
    .select(["status", "disputed", "amount_minor", "refunded_minor"])
    .select(["refund_requested_at", "refund_returns_units", "refund_reason"])
    .where("id", "=", orderId)
    .forUpdate()
    .executeTakeFirst();
}

/** The refund that was asked for of an order's row; null where none was. */
export function requested(row: {
  readonly refund_requested_at: Date | null;
  readonly refund_returns_units: boolean | null;
  readonly refund_reason: string | null;
}): RequestedRefund | null {
  const { refund_requested_at: requestedAt, refund_returns_units: returnUnits, refund_reason: reason } = row;
  return requestedAt === null || returnUnits === null ? null : { requestedAt, returnUnits, reason };
}

/**
 * Has the provider asked again now about all that is open of an order's money.
 * @returns the order's status; null where there is no such order
 */
export async function recheckOrder(db: Database, operator: Operator, orderId: string): Promise<OrderStatus | null> {
  return db.transaction().execute(async (trx) => {
    const row = await trx
      .selectFrom("orders")
      .select(["status", "payment_status", "payment_intent_id"])
      .where("id", "=", orderId)
      .forUpdate()
      .executeTakeFirst();
    if (!row) return null;
    const { status } = row;
    const hasPayment = status === "reserved" || (row.payment_intent_id !== null && status !== "cancelled");
    if (hasPayment) await trx.updateTable("orders").set(dueNow).where("id", "=", orderId).execute();
    await trx
      .updateTable("unmatched_payments")
      .set({ due_at: sql<Date>`now()`, looks: 0, hints: sql<number>`hints + 1` })
      .where("order_id", "=", orderId)
      .where("outcome", "is", null)
      .execute();
    const subject = `order ${orderId}`;
    const before = { status, payment: row.payment_status };
    await appendAudit(trx, operator, { action: "order.recheck", subject, before, after: null });
    return status;
  });
}

const mostRechecked = 1_000; // of each kind in one go: the provider's rate has to take them

/**
 * Has the provider asked again now about everything that is held up: payments without an outcome,
 * refunds that are not done, payments that no order goes by.
 * @returns the orders they belong to
 */
export async function recheckHeldUp(db: Database, operator: Operator): Promise<string[]> {
  return db.transaction().execute(async (trx) => {
    const dueOrders = (which: RawBuilder<unknown>) =>
      sql<{ id: string }>`
      update orders set payment_due_at = now(), payment_looks = 0, payment_hints = payment_hints + 1
      where id = any(array(select id from orders where ${which} limit ${mostRechecked} for update skip locked))
      returning id`.execute(trx);
    const unknown = await dueOrders(sql`payment_unknown_since is not null order by payment_unknown_since`);
    const refunds = await dueOrders(
      sql`refund_requested_at is not null and status = 'confirmed' order by refund_requested_at`,
    );
    const others = await sql<{ id: string }>`
      update unmatched_payments set due_at = now(), looks = 0, hints = hints + 1
      where id = any(array(
        select id from unmatched_payments where outcome is null and next_step <> 'search'
        order by noticed_at limit ${mostRechecked} for update skip locked
      ))
      returning order_id as id`.execute(trx);
    const ids = [...new Set([...unknown.rows, ...refunds.rows, ...others.rows].map(({ id }) => id))];
    const after = { orders: ids.length };
    await appendAudit(trx, operator, { action: "payments.recheck", subject: "payments", before: null, after });
    return ids;
  });
}
