import type { OrderStatus } from "@holdfast/shared/order.ts";
import { eventRow } from "@holdfast/shared/rows.ts";
import type { Tables } from "@holdfast/shared/tables.ts";
import { sql, type Transaction, type UpdateObject } from "kysely";
import type { OrderAtHand } from "./decide-settlement.ts";

/** An order whose row is locked until its transaction ends, with what settling needs of it. */
export interface LockedOrder extends OrderAtHand {
  readonly id: string;
  readonly itemId: string;
  readonly quantity: number;
  readonly declineCode: string | null;
  readonly looks: number;
  readonly hints: number;
  readonly holdSeconds: number;
  /** What operations asked for: whether the units of its refund are put on sale again. */
  readonly refund: { readonly returnsUnits: boolean } | null;
  /** When the current attempt was last sent. */
  readonly lastSentAt: Date | null;
}

/** Of the first card since the order was placed, of another since it was given. */
const cardAgeMs = sql<number>`extract(epoch from now() - coalesce(
  (select max(at) from order_events where order_id = orders.id and event = 'card_changed'), orders.placed_at
))::double precision * 1000`;

/** Locks an order's row: whoever comes second waits, and finds it as the first one left it. */
export async function lockOrder(trx: Transaction<Tables>, orderId: string): Promise<LockedOrder> {
  const row = await trx
    .selectFrom("orders")
    .innerJoin("items", "items.id", "orders.item_id")
    .select(["orders.id", "item_id", "quantity", "amount_minor", "orders.currency", "status", "payment_status"])
    .select(["payment_intent_id", "decline_code", "payment_attempt", "payment_cards", "payment_started_at"])
    .select(["payment_sent_at", "payment_hints", "payment_untried", "refund_returns_units"])
    .select(["payment_looks", "release_reason", "refunded_minor", "disputed", "payment_retries", "hold_seconds"])
    .select(sql<boolean>`coalesce(hold_expires_at <= now(), false)`.as("hold_expired"))
    .select(cardAgeMs.as("card_age_ms"))
    .where("orders.id", "=", orderId)
    .forUpdate("orders")
    .executeTakeFirstOrThrow();
  return {
    id: row.id,
    itemId: row.item_id,
    quantity: row.quantity,
    amountMinor: row.amount_minor,
    currency: row.currency,
    status: row.status,
    paymentStatus: row.payment_status,
    paymentIntentId: row.payment_intent_id,
    declineCode: row.decline_code,
    attempt: row.payment_attempt,
    cards: row.payment_cards,
    untried: row.payment_untried,
    cardAgeMs: row.card_age_ms,
    lastSentAt: row.payment_sent_at ?? row.payment_started_at,
    sent: row.payment_started_at !== null,
    looks: row.payment_looks,
    hints: row.payment_hints,
    releasing: row.release_reason ?? (row.hold_expired ? "hold_expired" : null),
    refundedMinor: row.refunded_minor,
    disputed: row.disputed,
    paymentRetries: row.payment_retries,
    holdSeconds: row.hold_seconds,
    refund: row.refund_returns_units === null ? null : { returnsUnits: row.refund_returns_units },
  };
}

interface Event {
  readonly name: string;
  /** Where the order goes with it; its status stays otherwise. */
  readonly to?: OrderStatus;
  readonly detail: Record<string, unknown>;
}

/** Changes an order and adds its event, in one statement. */
export async function updateOrder(
  trx: Transaction<Tables>,
  order: LockedOrder,
  change: UpdateObject<Tables, "orders">,
  event: Event | null = null,
): Promise<void> {
  if (event === null) {
    await trx.updateTable("orders").set(change).where("id", "=", order.id).execute();
    return;
  }
  const row = eventRow(order.id, event.name, { from: order.status, to: event.to ?? order.status }, event.detail);
  await trx
    .with("event", (cte) => cte.insertInto("order_events").values(row))
    .updateTable("orders")
    .set(change)
    .where("id", "=", order.id)
    .execute();
}
