import {
  appendEvent,
  type Database,
  itemFromRow,
  orderColumns,
  orderFromRow,
  type Tables,
} from "@holdfast/shared/database.ts";
import type { Item } from "@holdfast/shared/item.ts";
import type { CancelReason, OrderRecord } from "@holdfast/shared/order.ts";
import { sql, type Transaction, type UpdateObject } from "kysely";
import { decideSettlement, type Observation, type OrderAtHand, type Step } from "./decide-settlement.ts";

/** What an order looks like now, its item where units went back, and what was decided. */
export interface Settlement {
  readonly order: OrderRecord;
  readonly item: Item | null;
  readonly step: Step;
}

export type Ending = "hold_expired" | "by_shopper";

/**
 * Decides on what the provider said and carries it out, in one transaction under the order's row lock: whoever comes second, be it
 * a webhook, a charge job or the sweeper, finds the order as the first one left it. What is to be done at the provider (a refund,
 * say) is left to the caller, after the commit.
 */
export async function settleOrder(
  db: Database,
  orderId: string,
  observation: Observation,
  ending: Ending | null,
): Promise<Settlement> {
  return db.transaction().execute(async (trx) => {
    const order = await lockOrder(trx, orderId);
    const step = decideSettlement(order, observation, ending);
    const item = await takeStep(trx, order, step);
    return { order: await readOrder(trx, orderId), item, step };
  });
}

/**
 * Gives up a hold for which nothing was ever sent to the provider.
 * @returns null where an attempt was sent: then the provider is to be asked first
 */
export async function releaseUnpaid(db: Database, orderId: string, reason: Ending): Promise<Settlement | null> {
  return db.transaction().execute(async (trx) => {
    const order = await lockOrder(trx, orderId);
    const untouched = order.status === "reserved" && order.paymentIntentId === null && !order.started;
    if (!untouched) return null;
    const step: Step = { do: "cancel", reason, paymentIntentId: null, declineCode: null, closed: true };
    const item = await takeStep(trx, order, step);
    return { order: await readOrder(trx, orderId), item, step };
  });
}

/**
 * Notes that a payment that came too late was given back. An order that was refunded before and has an open payment again is closed
 * again: otherwise the sweeper would look at it for ever.
 */
export async function recordRefund(db: Database, orderId: string, paymentIntentId: string): Promise<OrderRecord> {
  const change = {
    payment_status: "refunded",
    payment_intent_id: paymentIntentId,
    payment_closed_at: sql<Date>`now()`,
  } as const;
  return db.transaction().execute(async (trx) => {
    const refunded = await trx
      .updateTable("orders")
      .set(change)
      .where("id", "=", orderId)
      .where("status", "=", "cancelled")
      .where((eb) => eb.or([eb("payment_status", "is distinct from", "refunded"), eb("payment_closed_at", "is", null)]))
      .returning("amount_minor")
      .executeTakeFirst();
    if (refunded) {
      const detail = { paymentIntent: paymentIntentId, amount: refunded.amount_minor };
      await appendEvent(trx, orderId, "refunded", { from: "cancelled", to: "cancelled" }, detail);
    }
    return readOrder(trx, orderId);
  });
}

/** Notes that a payment was given back that its order does not go by. */
export async function recordStrayRefund(db: Database, orderId: string, paymentIntentId: string): Promise<OrderRecord> {
  return db.transaction().execute(async (trx) => {
    const order = await lockOrder(trx, orderId);
    await appendEvent(trx, orderId, "stray_refunded", unchanged(order), { paymentIntent: paymentIntentId });
    return readOrder(trx, orderId);
  });
}

interface LockedOrder extends OrderAtHand {
  readonly id: string;
  readonly itemId: string;
  readonly quantity: number;
  readonly amountMinor: number;
  readonly declineCode: string | null;
  readonly started: boolean;
}

async function lockOrder(trx: Transaction<Tables>, orderId: string): Promise<LockedOrder> {
  const row = await trx
    .selectFrom("orders")
    .innerJoin("items", "items.id", "orders.item_id")
    .select(["orders.id", "item_id", "quantity", "amount_minor", "status", "payment_status", "payment_intent_id"])
    .select(["decline_code", "payment_attempt", "payment_cards", "payment_started_at", "payment_retries"])
    .select(sql<boolean>`coalesce(hold_expires_at <= now(), false)`.as("hold_expired"))
    .where("orders.id", "=", orderId)
    .forUpdate("orders")
    .executeTakeFirstOrThrow();
  return {
    id: row.id,
    itemId: row.item_id,
    quantity: row.quantity,
    amountMinor: row.amount_minor,
    status: row.status,
    paymentStatus: row.payment_status,
    paymentIntentId: row.payment_intent_id,
    declineCode: row.decline_code,
    attempt: row.payment_attempt,
    cards: row.payment_cards,
    started: row.payment_started_at !== null,
    paymentRetries: row.payment_retries,
    holdExpired: row.hold_expired,
  };
}

/** @returns the item as it is now where units went back to it */
async function takeStep(trx: Transaction<Tables>, order: LockedOrder, step: Step): Promise<Item | null> {
  switch (step.do) {
    case "confirm":
      await confirm(trx, order, step.paymentIntentId);
      return null;
    case "cancel":
      return cancel(trx, order, step);
    case "note":
      await note(trx, order, step);
      return null;
    case "charge_again":
      await update(trx, order.id, {
        payment_attempt: order.attempt + 1,
        payment_status: "pending",
        payment_started_at: null,
      });
      await appendEvent(trx, order.id, "key_replaced", unchanged(order), { attempt: order.attempt + 1 });
      return null;
    case "refund":
      // From here on the sweeper knows of the payment, and has it given back if we die before.
      await update(trx, order.id, { payment_intent_id: step.paymentIntentId, payment_closed_at: null });
      await appendEvent(trx, order.id, "paid_too_late", unchanged(order), { paymentIntent: step.paymentIntentId });
      return null;
    case "close":
      await update(trx, order.id, { payment_closed_at: sql<Date>`coalesce(payment_closed_at, now())` });
      return null;
    case "nothing":
      return null;
  }
}

async function confirm(trx: Transaction<Tables>, order: LockedOrder, paymentIntentId: string): Promise<void> {
  await update(trx, order.id, {
    status: "confirmed",
    payment_status: "succeeded",
    payment_intent_id: paymentIntentId,
    decline_code: null,
    settled_at: sql<Date>`now()`,
  });
  const detail = { paymentIntent: paymentIntentId, amount: order.amountMinor, attempt: order.attempt };
  await appendEvent(trx, order.id, "confirmed", { from: "reserved", to: "confirmed" }, detail);
}

/** The order's end and the units' return are one: neither happens without the other. */
async function cancel(
  trx: Transaction<Tables>,
  order: LockedOrder,
  step: Extract<Step, { do: "cancel" }>,
): Promise<Item> {
  const { reason, declineCode, closed } = step;
  const paymentIntentId = step.paymentIntentId ?? order.paymentIntentId;
  await update(trx, order.id, {
    status: "cancelled",
    reason,
    payment_status: declineCode === null ? null : "declined",
    payment_intent_id: paymentIntentId,
    decline_code: declineCode,
    settled_at: sql<Date>`now()`,
    payment_closed_at: closed ? sql<Date>`now()` : null,
  });
  const detail: { reason: CancelReason } & Record<string, unknown> = {
    reason,
    paymentIntent: paymentIntentId,
    declineCode,
  };
  await appendEvent(trx, order.id, "cancelled", { from: "reserved", to: "cancelled" }, detail);
  const item = await trx
    .updateTable("items")
    .set({ inventory: sql<number>`inventory + ${order.quantity}` })
    .where("id", "=", order.itemId)
    .returningAll()
    .executeTakeFirstOrThrow();
  return itemFromRow(item);
}

/** What the provider said of a hold that goes on; said twice, it is noted once. */
async function note(trx: Transaction<Tables>, order: LockedOrder, step: Extract<Step, { do: "note" }>): Promise<void> {
  const { paymentStatus, declineCode } = step;
  const paymentIntentId = step.paymentIntentId ?? order.paymentIntentId;
  const same =
    paymentStatus === order.paymentStatus &&
    paymentIntentId === order.paymentIntentId &&
    declineCode === order.declineCode;
  if (same) return;
  await update(trx, order.id, {
    payment_status: paymentStatus,
    payment_intent_id: paymentIntentId,
    decline_code: declineCode,
  });
  const detail = { paymentIntent: paymentIntentId, declineCode, attempt: order.attempt, why: step.why };
  await appendEvent(trx, order.id, `payment_${paymentStatus}`, unchanged(order), detail);
}

function unchanged(order: LockedOrder) {
  return { from: order.status, to: order.status };
}

async function update(
  trx: Transaction<Tables>,
  orderId: string,
  change: UpdateObject<Tables, "orders">,
): Promise<void> {
  await trx.updateTable("orders").set(change).where("id", "=", orderId).execute();
}

async function readOrder(trx: Transaction<Tables>, orderId: string): Promise<OrderRecord> {
  const row = await trx.selectFrom("orders").select(orderColumns).where("id", "=", orderId).executeTakeFirstOrThrow();
  return orderFromRow(row);
}
