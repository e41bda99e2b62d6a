import { createHash } from "node:crypto";
import { chargeQueueEntry } from "@holdfast/shared/charge-job.ts";
import type { Database } from "@holdfast/shared/database.ts";
import { isFinal, type Order } from "@holdfast/shared/order.ts";
import { publishOrders } from "@holdfast/shared/order-view.ts";
import { isOutage } from "@holdfast/shared/outage.ts";
import type { ChargeQueue } from "@holdfast/shared/queues.ts";
import { appendEvent, findOrder, orderColumns, orderFromRow, placedColumns } from "@holdfast/shared/rows.ts";
import { sql } from "kysely";
import { Problem } from "../http/problems.ts";
import { comparedCard } from "./order-id.ts";
import { type OrderReaderParts, readOrder } from "./order-reader.ts";
import { unknownOrder } from "./unknown-order.ts";

export interface ChangeParts extends OrderReaderParts {
  readonly charges: ChargeQueue;
  /** Told of each order that its shopper cancelled in line. */
  readonly cancelledInLine?: () => void;
  /**
   * How long a cancelling shopper waits for the provider's word. Overrides the default; for tests.
   */
  readonly decisionWaitMs?: number;
}

/**
 * Pays with another card while the hold lasts: after a decline, or instead of the bank's question,
 * where the item has a try left. Of two at the same moment one wins. Under an Idempotency-Key the
 * same card again is the same try.
 * @throws Problem 404; 409 where no other card is expected; 422 where the key was used for another
 *   card
 */
export async function payWithAnotherCard(
  parts: ChangeParts,
  shopperId: string,
  orderId: string,
  card: string,
  idempotencyKey: string | null = null,
): Promise<Order> {
  const changed = await parts.db.transaction().execute(async (trx) => {
    const known = idempotencyKey === null ? null : await findTry(trx, shopperId, orderId, idempotencyKey);
    if (known !== null && comparedCard(known) !== comparedCard(card)) {
      throw new Problem("idempotency_key_reused", "The same Idempotency-Key came with another card.");
    }
    if (known !== null) return { order: await findOrder(trx, orderId), attempt: null };
    const row = await changeCard(trx, shopperId, orderId, card);
    if (!row) return null;
    const detail = {
      attempt: row.attempt,
      paymentMethod: card,
      key: idempotencyKey === null ? null : keyDigest(idempotencyKey),
    };
    await appendEvent(trx, orderId, "card_changed", { from: "reserved", to: "reserved" }, detail);
    return row;
  });
  if (changed === null) {
    const current = await readOrder(parts, shopperId, orderId);
    if (current === null) throw await unknownOrder(parts);
    throw new Problem("payment_not_expected", "No other card is expected for this order now.");
  }
  await tellOfCard(parts, changed).catch((error: unknown) => {
    // It is in Postgres: the sweeper finds an attempt that was never sent, and publishes it then.
    if (!isOutage(error)) throw error;
  });
  return changed.order;
}

async function tellOfCard(parts: ChangeParts, changed: { order: Order; attempt: number | null }): Promise<void> {
  const { order, attempt } = changed;
  await publishOrders(parts, [order]);
  if (attempt === null) return;
  // Before those whose hold's clock does not run yet: this shopper waits in front of the page.
  const job = chargeQueueEntry("charge", order.id, attempt);
  await parts.charges.add(job.name, job.data, { ...job.opts, lifo: true });
}

const sendWithinMs = 5_000; // past this the sweeper takes it that the job was lost

/**
 * All of it in one condition: what would be checked first and changed later could be changed by
 * another in between.
 */
async function changeCard(trx: Database, shopperId: string, orderId: string, card: string) {
  const row = await trx
    .updateTable("orders")
    .from("items")
    .set({
      payment_method: card,
      payment_status: "pending",
      payment_attempt: sql<number>`payment_attempt + 1`,
      payment_cards: sql<number>`payment_cards + 1`,
      payment_started_at: null,
      payment_key_exhausted: false,
      payment_unknown_since: null,
      payment_due_at: sql<Date>`now() + ${sendWithinMs} * interval '1 millisecond'`,
      payment_looks: 0,
      decline_code: null,
    })
    .where("orders.id", "=", orderId)
    .where("orders.shopper_id", "=", shopperId)
    .whereRef("items.id", "=", "orders.item_id")
    .where("orders.status", "=", "reserved")
    .where("orders.release_reason", "is", null)
    .where("orders.payment_status", "in", ["declined", "requires_action"])
    .where(sql<boolean>`orders.payment_cards - orders.payment_untried <= items.payment_retries`)
    .where(sql<boolean>`coalesce(orders.hold_expires_at > now(), false)`) // bare, the planner may look through all holds
    .returning([...orderColumns.map((column) => `orders.${column}` as const), "orders.payment_attempt"])
    .executeTakeFirst();
  return row ? { order: orderFromRow(row), attempt: row.payment_attempt } : null;
}

/**
 * The card of an earlier try under the same key. Whoever comes at the same moment waits for the
 * order's row, and finds it.
 */
async function findTry(trx: Database, shopperId: string, orderId: string, key: string): Promise<string | null> {
  const order = await trx
    .selectFrom("orders")
    .select("id")
    .where("id", "=", orderId)
    .where("shopper_id", "=", shopperId)
    .forUpdate()
    .executeTakeFirst();
  if (!order) return null;
  const event = await trx
    .selectFrom("order_events")
    .select(sql<string>`detail ->> 'paymentMethod'`.as("card"))
    .where("order_id", "=", orderId)
    .where("event", "=", "card_changed")
    .where(sql<string>`detail ->> 'key'`, "=", keyDigest(key))
    .executeTakeFirst();
  return event?.card ?? null;
}

/** A key is the shopper's own text: what is kept of it tells it from others, and nothing more. */
function keyDigest(key: string): string {
  return createHash("sha256").update(key).digest("base64url");
}

function orderSettled(): Problem {
  return new Problem("order_settled", "The order is settled and cannot be cancelled any more.");
}

const decisionWaitMs = 8_000; // canceling a payment takes a second or two; longer, and the shopper is told to ask again
const decisionPollMs = 100;

/**
 * Cancels an order that is in line, or held and unpaid. A payment under way is not interrupted.
 * @returns the cancelled order
 * @throws Problem 404, or 409 where the order is settled or a payment is under way
 */
export async function cancelOrder(parts: ChangeParts, shopperId: string, orderId: string): Promise<Order> {
  let order = await readOrder(parts, shopperId, orderId);
  if (order === null) throw await unknownOrder(parts);
  if (order.status === "queued") {
    const cancelled = await cancelInLine(parts, order);
    if (cancelled !== null) return cancelled;
  }
  // One that was refused because Postgres would not have it is over in the live view alone.
  if (order.status === "rejected") throw orderSettled();
  if (await requestRelease(parts.db, orderId)) {
    const job = chargeQueueEntry("release", orderId, "by-shopper");
    await parts.charges.add(job.name, job.data, { ...job.opts, lifo: true });
    order = await untilSettled(parts.db, orderId, parts.decisionWaitMs ?? decisionWaitMs);
  } else {
    order = await findOrder(parts.db, orderId);
  }
  if (order.status === "cancelled") return order;
  if (isFinal(order.status)) throw orderSettled();
  throw new Problem("payment_in_progress", "A payment is under way. Ask again when it is decided.", {
    retryAfterSeconds: 2,
  });
}

/**
 * Notes that a hold is to be released, unless its payment is under way. From here on no attempt is
 * begun for it; should the job get lost, the sweeper goes on.
 */
async function requestRelease(db: Database, orderId: string): Promise<boolean> {
  const row = await db
    .updateTable("orders")
    .set({
      release_reason: "by_shopper",
      payment_due_at: sql<Date>`now()`,
      payment_looks: 0,
      payment_hints: sql<number>`payment_hints + 1`,
    })
    .where("id", "=", orderId)
    .where("status", "=", "reserved")
    .where((eb) =>
      eb.or([
        eb("payment_status", "in", ["declined", "requires_action"]),
        eb.and([eb("payment_status", "=", "pending"), eb("payment_started_at", "is", null)]),
      ]),
    )
    .returning("id")
    .executeTakeFirst();
  return row !== undefined;
}

/**
 * Cancels an order that no worker has decided yet, by writing its row: the worker that comes to it
 * finds it there and leaves it. Null where a worker was first.
 */
async function cancelInLine(parts: ChangeParts, order: Order): Promise<Order | null> {
  const now = new Date();
  const cancelled = await parts.db.transaction().execute(async (trx) => {
    // Behind a worker that is deciding this item right now, instead of in each other's way.
    await sql`select 1 from items where id = ${order.itemId} for share`.execute(trx);
    const row = await trx
      .insertInto("orders")
      .values({ ...placedColumns(order), status: "cancelled", reason: "by_shopper", settled_at: now })
      .onConflict((conflict) => conflict.column("id").doNothing())
      .returning(orderColumns)
      .executeTakeFirst();
    if (!row) return null;
    await appendEvent(trx, order.id, "cancelled", { from: "queued", to: "cancelled" }, { reason: "by_shopper" });
    return orderFromRow(row);
  });
  if (cancelled === null) return null;
  parts.cancelledInLine?.();
  await publishOrders(parts, [cancelled]);
  return cancelled;
}

async function untilSettled(db: Database, orderId: string, waitMs: number): Promise<Order> {
  const deadline = Date.now() + waitMs;
  let order = await findOrder(db, orderId);
  while (order.status === "reserved" && Date.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, decisionPollMs));
    order = await findOrder(db, orderId);
  }
  return order;
}
