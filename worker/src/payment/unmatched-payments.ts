import type { Database } from "@holdfast/shared/database.ts";
import type { OrderStatus } from "@holdfast/shared/order.ts";
import { appendEvent } from "@holdfast/shared/rows.ts";
import type { Tables, UnmatchedStep } from "@holdfast/shared/tables.ts";
import { sql, type Transaction } from "kysely";
import { lookAgainMs, type WaitingFor } from "./look-again.ts";

/**
 * Payments that their orders do not go by, as Postgres knows them. Each is written down before
 * anything is tried about it, and stays open until it is settled.
 */

const inMs = (ms: number) => sql<Date>`now() + ${ms} * interval '1 millisecond'`;

/**
 * Writes a payment down as open, with what is to be done about it; one that was settled before is
 * opened again.
 */
export async function noteUnmatched(
  trx: Transaction<Tables>,
  orderId: string,
  paymentIntentId: string,
  nextStep: Exclude<UnmatchedStep, "search">,
  hint: { readonly dueInMs: number } | null = null,
): Promise<void> {
  const dueInMs = hint?.dueInMs ?? 0;
  const open = { next_step: nextStep, due_at: inMs(dueInMs), outcome: null };
  await trx
    .insertInto("unmatched_payments")
    .values({ order_id: orderId, payment_intent_id: paymentIntentId, sent_at: null, ...open })
    .onConflict((conflict) =>
      conflict.column("payment_intent_id").doUpdateSet({
        ...open,
        // The same step again is another try of it, with another key.
        looks: sql<number>`unmatched_payments.looks + 1`,
        ...(hint && { hints: sql<number>`unmatched_payments.hints + 1` }),
      }),
    )
    .execute();
}

const firstSearchMs = 60_000; // the provider's lists have caught up by then

/** Has a payment asked about again where somebody said so since it was looked at. */
export async function heedHints(
  trx: Transaction<Tables>,
  { id, hints }: { readonly id: number; readonly hints: number },
): Promise<void> {
  await trx
    .updateTable("unmatched_payments")
    .set({ next_step: "ask", due_at: inMs(0), outcome: null })
    .where("id", "=", id)
    .where("hints", "<>", hints)
    .where("payment_intent_id", "is not", null)
    .execute();
}

/** Has a payment searched for that an attempt may have made, whose answer is lost for good. */
export async function searchFor(trx: Transaction<Tables>, orderId: string, sentAt: Date): Promise<void> {
  await trx
    .insertInto("unmatched_payments")
    .values({
      order_id: orderId,
      payment_intent_id: null,
      sent_at: sentAt,
      next_step: "search",
      due_at: inMs(firstSearchMs),
      outcome: null,
    })
    // The search that goes on finds all payments of the order; it has to go on for longer.
    .onConflict((conflict) =>
      conflict
        .column("order_id")
        .where("outcome", "is", null)
        .where("next_step", "=", "search")
        .doUpdateSet({ sent_at: sentAt, due_at: inMs(firstSearchMs), looks: 0 }),
    )
    .execute();
}

/**
 * Notes that a payment is the one its order goes by: nothing is to be done about it beside the
 * order.
 */
export async function markMatched(trx: Transaction<Tables>, paymentIntentId: string): Promise<void> {
  await trx
    .updateTable("unmatched_payments")
    .set({ outcome: "matched", due_at: null })
    .where("payment_intent_id", "=", paymentIntentId)
    .where("outcome", "is", null)
    .execute();
}

/**
 * Notes that nothing can come of a payment any more. A cancelled order whose money went back says
 * so.
 */
export async function closeUnmatched(
  trx: Transaction<Tables>,
  order: { readonly id: string; readonly status: OrderStatus },
  paymentIntentId: string,
  outcome: "canceled" | "refunded" | "disputed",
): Promise<void> {
  const closed = await trx
    .updateTable("unmatched_payments")
    .set({ outcome, due_at: null })
    .where("payment_intent_id", "=", paymentIntentId)
    .where("outcome", "is", null)
    .returning("id")
    .executeTakeFirst();
  if (!closed || outcome === "canceled") return;
  const detail = { paymentIntent: paymentIntentId };
  await appendEvent(trx, order.id, `unmatched_${outcome}`, { from: order.status, to: order.status }, detail);
  if (outcome !== "refunded") return;
  await trx
    .updateTable("orders")
    .set({ payment_status: "refunded" })
    .where("id", "=", order.id)
    .where("status", "=", "cancelled")
    .execute();
}

/** Has it looked at again, later each time. */
export async function waitForUnmatched(
  trx: Transaction<Tables>,
  id: number,
  waitingFor: WaitingFor,
  nextStep?: UnmatchedStep,
): Promise<void> {
  const row = await trx
    .selectFrom("unmatched_payments")
    .select("looks")
    .where("id", "=", id)
    .where("outcome", "is", null)
    .forUpdate()
    .executeTakeFirst();
  if (!row) return;
  await trx
    .updateTable("unmatched_payments")
    .set({
      due_at: inMs(lookAgainMs(waitingFor, row.looks)),
      looks: row.looks + 1,
      ...(nextStep && { next_step: nextStep }),
    })
    .where("id", "=", id)
    .where("outcome", "is", null)
    .execute();
}

/** Ends the search for payments: what was not found by now was never made. */
export async function endSearch(db: Database, id: number): Promise<void> {
  await db
    .updateTable("unmatched_payments")
    .set({ outcome: "never_made", due_at: null })
    .where("id", "=", id)
    .where("outcome", "is", null)
    .execute();
}
