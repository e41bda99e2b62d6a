import { chargeQueueEntry } from "@holdfast/shared/charge-job.ts";
import { appendEvent, type Database, findOrder, orderColumns, orderFromRow } from "@holdfast/shared/database.ts";
import { isFinal, type OrderRecord } from "@holdfast/shared/order.ts";
import { publishOrders } from "@holdfast/shared/order-view.ts";
import type { ChargeQueue } from "@holdfast/shared/queues.ts";
import { sql } from "kysely";
import { type OrderReaderParts, readOrder } from "./order-reader.ts";
import { Problem } from "./problems.ts";
import { unknownOrder } from "./unknown-order.ts";

export interface ChangeParts extends OrderReaderParts {
  readonly charges: ChargeQueue;
}

/**
 * Another card for an order whose last one was declined, while its hold lasts and its item allows it. Of two at the same moment one wins.
 * @throws Problem 404, or 409 where no other card is expected
 */
export async function payWithAnotherCard(
  parts: ChangeParts,
  shopperId: string,
  orderId: string,
  paymentMethod: string,
): Promise<OrderRecord> {
  const order = await parts.db.transaction().execute(async (trx) => {
    // All of it in one condition: what would be checked first and changed later could be changed by another in between.
    const row = await trx
      .updateTable("orders")
      .from("items")
      .set({
        payment_method: paymentMethod,
        payment_status: "pending",
        payment_attempt: sql<number>`payment_attempt + 1`,
        payment_cards: sql<number>`payment_cards + 1`,
        payment_started_at: null,
        payment_checked_at: sql<Date>`now()`,
        decline_code: null,
      })
      .where("orders.id", "=", orderId)
      .where("orders.shopper_id", "=", shopperId)
      .whereRef("items.id", "=", "orders.item_id")
      .where("orders.status", "=", "reserved")
      .where("orders.payment_status", "=", "declined")
      .whereRef("orders.payment_cards", "<=", "items.payment_retries")
      .where("orders.hold_expires_at", ">", sql<Date>`now()`)
      .returning([...orderColumns.map((column) => `orders.${column}` as const), "orders.payment_attempt"])
      .executeTakeFirst();
    if (!row) return null;
    const attempt = row.payment_attempt;
    await appendEvent(trx, orderId, "card_changed", { from: "reserved", to: "reserved" }, { attempt, paymentMethod });
    return { record: orderFromRow(row), attempt };
  });
  if (order === null) {
    const current = await readOrder(parts, shopperId, orderId);
    if (current === null) throw await unknownOrder(parts);
    throw new Problem("payment_not_expected", "No other card is expected for this order now.");
  }
  await publishOrders(parts.redis, parts.keys, [order.record]);
  // Should this get lost, the sweeper finds an attempt that was never sent.
  const job = chargeQueueEntry({ kind: "charge", orderId, attempt: order.attempt });
  await parts.charges.add(job.name, job.data, job.opts);
  return order.record;
}

function orderSettled(): Problem {
  return new Problem("order_settled", "The order is settled and cannot be cancelled any more.");
}

const decisionWaitMs = 8_000; // calling a payment off takes a second or two; longer, and the shopper is told to ask again
const decisionPollMs = 100;

/**
 * Cancels an order that is in line, or held and unpaid. A payment under way is not interrupted.
 * @returns the cancelled order
 * @throws Problem 404, or 409 where the order is settled or a payment is under way
 */
export async function cancelOrder(parts: ChangeParts, shopperId: string, orderId: string): Promise<OrderRecord> {
  let order = await readOrder(parts, shopperId, orderId);
  if (order === null) throw await unknownOrder(parts);
  if (order.status === "queued") {
    const cancelled = await cancelInLine(parts, order);
    if (cancelled !== null) return cancelled;
  }
  // One that was refused because the record would not have it is over in the live view alone.
  if (order.status === "rejected") throw orderSettled();
  order = await findOrder(parts.db, orderId);
  const inFlight = order.status === "reserved" && (await isPaymentInFlight(parts.db, orderId));
  if (inFlight)
    throw new Problem("payment_in_progress", "A payment is under way. Ask again when it is decided.", {
      retryAfterSeconds: 2,
    });
  if (order.status === "reserved") {
    const job = chargeQueueEntry({ kind: "release", orderId, reason: "by_shopper" });
    await parts.charges.add(job.name, job.data, { ...job.opts, lifo: true });
    order = await untilSettled(parts.db, orderId);
  }
  if (order.status === "cancelled") return order;
  if (isFinal(order.status)) throw orderSettled();
  throw new Problem("payment_in_progress", "The payment is being called off. Ask again in a moment.", {
    retryAfterSeconds: 2,
  });
}

/**
 * Cancels an order that no worker has decided yet, by writing its row: the worker that comes to it finds it there and leaves it.
 * Null where a worker was first.
 */
async function cancelInLine(parts: ChangeParts, order: OrderRecord): Promise<OrderRecord | null> {
  const now = new Date();
  const cancelled = await parts.db.transaction().execute(async (trx) => {
    // Behind a worker that is deciding this item right now, instead of in each other's way.
    await sql`select 1 from items where id = ${order.itemId} for share`.execute(trx);
    const row = await trx
      .insertInto("orders")
      .values({
        id: order.id,
        shopper_id: order.shopperId,
        item_id: order.itemId,
        quantity: order.quantity,
        amount_minor: order.amountMinor,
        currency: order.currency,
        status: "cancelled",
        reason: "by_shopper",
        fingerprint: order.fingerprint,
        placed_at: new Date(order.placedAtMs),
        settled_at: now,
        payment_closed_at: now,
      })
      .onConflict((conflict) => conflict.column("id").doNothing())
      .returning(orderColumns)
      .executeTakeFirst();
    if (!row) return null;
    await appendEvent(trx, order.id, "cancelled", { from: "queued", to: "cancelled" }, { reason: "by_shopper" });
    return orderFromRow(row);
  });
  if (cancelled !== null) await publishOrders(parts.redis, parts.keys, [cancelled]);
  return cancelled;
}

async function isPaymentInFlight(db: Database, orderId: string): Promise<boolean> {
  const row = await db
    .selectFrom("orders")
    .select(["payment_status", "payment_started_at"])
    .where("id", "=", orderId)
    .executeTakeFirstOrThrow();
  const unanswered = row.payment_status === "pending" && row.payment_started_at !== null;
  return unanswered || row.payment_status === "unknown" || row.payment_status === "processing";
}

async function untilSettled(db: Database, orderId: string): Promise<OrderRecord> {
  const deadline = Date.now() + decisionWaitMs;
  let order = await findOrder(db, orderId);
  while (order.status === "reserved" && Date.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, decisionPollMs));
    order = await findOrder(db, orderId);
  }
  return order;
}
