import type { Database } from "@holdfast/shared/database.ts";
import type { Item } from "@holdfast/shared/item.ts";
import { appendEvent } from "@holdfast/shared/rows.ts";
import type { Tables } from "@holdfast/shared/tables.ts";
import { sql, type Transaction } from "kysely";
import { returnUnits, withdrawUnits } from "../reserve/item-units.ts";
import { decideSettlement, type Observation } from "./decide-settlement.ts";
import { type LockedOrder, lockOrder, updateOrder } from "./locked-order.ts";
import { lookAgainMs, type WaitingFor } from "./look-again.ts";
import { type OrderAndPayment, readPayment } from "./read-payment.ts";
import type { Step } from "./settlement-step.ts";
import {
  closeUnmatched,
  heedHints,
  markMatched,
  noteUnmatched,
  searchFor,
  waitForUnmatched,
} from "./unmatched-payments.ts";

/**
 * What an order and its payment look like now, its item where its units moved, and what was
 * decided.
 */
export interface Settlement extends OrderAndPayment {
  readonly item: Item | null;
  readonly step: Step;
}

/**
 * Decides on what the provider said of a payment and carries it out, in one transaction under the
 * order's row lock: whoever comes second, be it a webhook, a charge job or the sweeper, finds the
 * order as the first one left it. What follows at the provider (a refund, say) is written down here
 * as open, and done by the next look.
 */
export async function settleOrder(db: Database, orderId: string, seen: Observation): Promise<Settlement> {
  return db.transaction().execute(async (trx) => {
    const order = await lockOrder(trx, orderId);
    const step = decideSettlement(order, seen);
    const item = await takeStep(trx, order, step, seen.unmatched?.id ?? null);
    // Somebody said meanwhile that there is something to look at, which this answer may be too old
    // for.
    if (order.hints !== seen.hints) await updateOrder(trx, order, { payment_due_at: now });
    if (seen.unmatched !== null) {
      // Noted while the order came to go by it.
      const own = seen.outcome.kind === "paid" && seen.outcome.paymentIntentId === order.paymentIntentId;
      if (own && (order.status === "confirmed" || order.status === "refunded")) {
        await markMatched(trx, seen.outcome.paymentIntentId);
      }
      await heedHints(trx, seen.unmatched);
    }
    return { ...(await readPayment(trx, orderId)), item, step };
  });
}

const now = sql<Date>`now()`;

/** @returns the item as it is now where its units moved */
async function takeStep(
  trx: Transaction<Tables>,
  order: LockedOrder,
  step: Step,
  unmatchedId: number | null,
): Promise<Item | null> {
  switch (step.do) {
    case "confirm":
      await confirm(trx, order, step);
      return null;
    case "cancel":
      return cancel(trx, order, step);
    case "note":
      await note(trx, order, step);
      return null;
    case "replace_key":
      await replaceKey(trx, order, step.search);
      return null;
    case "unmatch":
      await noteUnmatched(trx, order.id, step.paymentIntentId, step.nextStep);
      if (unmatchedId === null) await restAfter(trx, order);
      return null;
    case "close":
      await closeUnmatched(trx, order, step.paymentIntentId, step.outcome);
      if (unmatchedId === null && order.status !== "reserved") await restAfter(trx, order);
      return null;
    case "note_refund":
      return noteRefund(trx, order, step);
    case "look_again":
      await updateOrder(trx, order, { payment_due_at: now });
      return null;
    case "wait":
      if (unmatchedId !== null) await waitForUnmatched(trx, unmatchedId, step.unknown?.cause ?? "provider");
      else if (step.unknown !== null) await waitForPayment(trx, order, waitingFor(order, step.unknown.cause));
      else if (order.status !== "reserved") await restAfter(trx, order);
      return null;
  }
}

async function confirm(
  trx: Transaction<Tables>,
  order: LockedOrder,
  { paymentIntentId, other, checkRefunds, search }: Extract<Step, { do: "confirm" }>,
): Promise<void> {
  await markMatched(trx, paymentIntentId);
  const detail = { paymentIntent: paymentIntentId, amount: order.amountMinor, attempt: order.attempt };
  await updateOrder(
    trx,
    order,
    {
      status: "confirmed",
      payment_status: "succeeded",
      payment_intent_id: paymentIntentId,
      decline_code: null,
      settled_at: now,
      payment_due_at: checkRefunds ? now : null,
      payment_looks: 0,
      payment_unknown_since: null,
    },
    { name: "confirmed", to: "confirmed", detail },
  );
  if (other !== null) await noteUnmatched(trx, order.id, other, "ask");
  if (search && order.lastSentAt !== null) await searchFor(trx, order.id, order.lastSentAt);
}

/**
 * The order's end and the return of its units are one: neither happens without the other. The
 * item's row is locked first.
 */
async function cancel(
  trx: Transaction<Tables>,
  order: LockedOrder,
  { reason, declineCode, open, search, paymentIntentId: stepIntentId }: Extract<Step, { do: "cancel" }>,
): Promise<Item> {
  const item = await returnUnits(trx, order.itemId, order.quantity);
  const paymentIntentId = stepIntentId ?? order.paymentIntentId;
  const detail = { reason, paymentIntent: paymentIntentId, declineCode };
  await updateOrder(
    trx,
    order,
    {
      status: "cancelled",
      reason,
      payment_status: declineCode === null ? null : "declined",
      payment_intent_id: paymentIntentId,
      decline_code: declineCode,
      settled_at: now,
      payment_due_at: null,
      payment_looks: 0,
      payment_unknown_since: null,
    },
    { name: "cancelled", to: "cancelled", detail },
  );
  if (open && paymentIntentId !== null) await noteUnmatched(trx, order.id, paymentIntentId, "cancel");
  if (search && order.lastSentAt !== null) await searchFor(trx, order.id, order.lastSentAt);
  return item;
}

/**
 * What the provider said of a hold that goes on; said twice, it is noted once. The first answer
 * about the shopper's payment starts the hold's clock: what came before was our own queue, or
 * nobody's answer.
 */
async function note(trx: Transaction<Tables>, order: LockedOrder, step: Extract<Step, { do: "note" }>): Promise<void> {
  const { paymentStatus, declineCode, unknown } = step;
  const paymentIntentId = step.paymentIntentId ?? order.paymentIntentId;
  const same =
    paymentStatus === order.paymentStatus &&
    paymentIntentId === order.paymentIntentId &&
    declineCode === order.declineCode;
  const looks = same ? order.looks + 1 : 0;
  const answered = paymentStatus !== "unknown";
  const lookMs = unknown?.againInMs ?? lookAgainMs(unknown?.cause ?? "shopper", unknown ? order.looks : looks);
  if (paymentIntentId !== null) await markMatched(trx, paymentIntentId);
  const detail = { paymentIntent: paymentIntentId, declineCode, attempt: order.attempt, why: unknown?.why ?? null };
  const event = same ? null : { name: `payment_${paymentStatus}`, detail };
  await updateOrder(
    trx,
    order,
    {
      payment_status: paymentStatus,
      payment_intent_id: paymentIntentId,
      decline_code: declineCode,
      ...(step.untried && !same && { payment_untried: sql<number>`payment_untried + 1` }),
      payment_looks: unknown ? order.looks + 1 : looks,
      ...(unknown?.keyExhausted && { payment_key_exhausted: true }),
      ...(answered && { hold_expires_at: holdEnd(order) }),
      payment_unknown_since: answered ? null : sql<Date>`coalesce(payment_unknown_since, now())`,
      payment_due_at: answered ? nextLook(order, paymentStatus, lookMs) : inMs(unknown?.keyExhausted ? 0 : lookMs),
    },
    event,
  );
}

const inMs = (ms: number) => sql<Date>`now() + ${ms} * interval '1 millisecond'`;
const holdEnd = ({ holdSeconds }: LockedOrder) =>
  sql<Date>`coalesce(hold_expires_at, now() + ${holdSeconds} * interval '1 second')`;

/**
 * A declined payment is looked at when its hold ends, other payments earlier; once the hold is
 * over, only the back-off counts.
 */
function nextLook(order: LockedOrder, paymentStatus: string, lookMs: number) {
  const soonest = paymentStatus === "declined" ? holdEnd(order) : sql<Date>`least(${inMs(lookMs)}, ${holdEnd(order)})`;
  return sql<Date>`case when ${holdEnd(order)} > now() then ${soonest} else ${inMs(lookMs)} end`;
}

/**
 * The first other key at once, each further one later: a provider that saves failures may go on.
 */
async function replaceKey(trx: Transaction<Tables>, order: LockedOrder, search: boolean): Promise<void> {
  const attempt = order.attempt + 1;
  const replacedBefore = order.attempt - order.cards;
  await updateOrder(
    trx,
    order,
    {
      payment_attempt: attempt,
      payment_status: "pending",
      payment_started_at: null,
      payment_key_exhausted: false,
      payment_due_at: replacedBefore <= 0 ? now : inMs(lookAgainMs("not_found", replacedBefore)),
      payment_looks: 0,
    },
    { name: "key_replaced", detail: { attempt } },
  );
  if (search && order.lastSentAt !== null) await searchFor(trx, order.id, order.lastSentAt);
}

/**
 * A refund that somebody made at the provider never puts units on sale again: nobody knows whether
 * the goods came back. Operations can restock the item. Of one that they asked for here, they said
 * so. It stays asked for until all of the money went back.
 */
async function noteRefund(
  trx: Transaction<Tables>,
  order: LockedOrder,
  { full, refundedMinor, disputed, pending }: Extract<Step, { do: "note_refund" }>,
): Promise<Item | null> {
  const becomesRefunded = full && order.status === "confirmed";
  const moveUnits = order.refund?.returnsUnits ? returnUnits : withdrawUnits;
  const item = becomesRefunded ? await moveUnits(trx, order.itemId, order.quantity) : null;
  const open = !becomesRefunded && isRefundOpen(order);
  const changed = refundedMinor !== order.refundedMinor;
  await updateOrder(trx, order, {
    refunded_minor: refundedMinor,
    disputed,
    ...(becomesRefunded && { status: "refunded", payment_status: "refunded", settled_at: now }),
    payment_due_at: pending || open ? inMs(lookAgainMs(pending ? "provider" : "refund", order.looks)) : null,
    payment_looks: pending || open ? order.looks + 1 : 0,
  });
  const detail = { paymentIntent: order.paymentIntentId, refunded: refundedMinor };
  if (disputed && !order.disputed) await appendEvent(trx, order.id, "disputed", unchanged(order), detail);
  if (becomesRefunded) await appendEvent(trx, order.id, "refunded", { from: "confirmed", to: "refunded" }, detail);
  else if (changed) {
    const event = refundedMinor > order.refundedMinor ? "partly_refunded" : "refund_failed";
    await appendEvent(trx, order.id, event, unchanged(order), detail);
  }
  return item;
}

/**
 * What the order itself has open after an answer that changed nothing about it: a hold, a refund,
 * or nothing.
 */
async function restAfter(trx: Transaction<Tables>, order: LockedOrder): Promise<void> {
  if (order.status === "reserved") await waitForPayment(trx, order, "undecided");
  else if (isRefundOpen(order)) await waitForPayment(trx, order, "refund");
  else await updateOrder(trx, order, { payment_due_at: null });
}

async function waitForPayment(trx: Transaction<Tables>, order: LockedOrder, waitingFor: WaitingFor): Promise<void> {
  await trx
    .updateTable("orders")
    .set({
      payment_due_at: inMs(lookAgainMs(waitingFor, order.looks)),
      payment_looks: sql<number>`payment_looks + 1`,
    })
    .where("id", "=", order.id)
    .where("payment_due_at", "is not", null)
    .execute();
}

/** A refund that the provider refuses is people's to make possible: asking often only uses up its rate. */
function waitingFor(order: LockedOrder, cause: WaitingFor): WaitingFor {
  return cause === "refused" && isRefundOpen(order) ? "refund" : cause;
}

function isRefundOpen({ status, refund }: LockedOrder): boolean {
  return status === "confirmed" && refund !== null;
}

function unchanged(order: LockedOrder) {
  return { from: order.status, to: order.status };
}
