import type { OrderStatus, PaymentStatus } from "@holdfast/shared/order.ts";
import { untriedCode } from "@holdfast/shared/show-order.ts";
import type { Paid, PaymentOutcome, Unknown } from "./classify-payment.ts";
import type { ReleaseReason } from "./read-payment.ts";
import type { Step } from "./settlement-step.ts";

/** What is known of the order when the provider has spoken. */
export interface OrderAtHand {
  readonly status: OrderStatus;
  readonly paymentStatus: PaymentStatus | null;
  readonly amountMinor: number;
  readonly currency: string;
  /** The payment the order goes by, where one is known. */
  readonly paymentIntentId: string | null;
  /** Which attempt is under way or was the last. */
  readonly attempt: number;
  /** Whether that was sent. */
  readonly sent: boolean;
  /** How many cards the shopper has tried. */
  readonly cards: number;
  /** How many of them could not even be tried. */
  readonly untried: number;
  /** How long ago the shopper gave the last one. */
  readonly cardAgeMs: number;
  /** How many more the item allows after the first. */
  readonly paymentRetries: number;
  readonly releasing: ReleaseReason | null;
  readonly refundedMinor: number;
  readonly disputed: boolean;
}

/** What the provider said, and about what it was asked. */
export interface Observation {
  /** The attempt that was under way when it was asked. */
  readonly attempt: number;
  readonly outcome: PaymentOutcome;
  /** The row of the payment it was asked about, where the order did not go by that. */
  readonly unmatched: { readonly id: number; readonly hints: number } | null;
  /** Whether nothing was asked, because nothing had been sent. */
  readonly withoutCall: boolean;
  /** How often somebody had said that there is something to look at, when it was asked. */
  readonly hints: number;
}

/**
 * Decides what follows from a payment's outcome, for an order in any state. Units are returned only
 * on the provider's definite word; a cancelled order stays cancelled, and money that comes for it
 * later is refunded.
 */
export function decideSettlement(order: OrderAtHand, seen: Observation): Step {
  const { attempt, outcome } = seen;
  const unmatched = seen.unmatched !== null;
  if (unmatched && outcome.kind === "unknown") return stepForUnclear(order, outcome);
  const paymentIntentId = outcome.kind === "never_made" ? null : outcome.paymentIntentId;
  switch (order.status) {
    case "reserved":
      if (outcome.kind === "paid") return stepForPaid(order, outcome);
      if (paymentIntentId !== null && order.paymentIntentId !== null && paymentIntentId !== order.paymentIntentId) {
        return stepForOther(outcome, unmatched);
      }
      if (unmatched && !isCurrent(order, outcome)) return stepForOther(outcome, unmatched);
      if (attempt !== order.attempt) return stepForEarlierAttempt(order, outcome);
      if (unmatched) return stepForClaimed(order, outcome);
      // Between the look and now it was sent: that nothing had been is no answer to it.
      if (seen.withoutCall && order.sent && isUnanswered(order)) return wait;
      return stepForHeld(order, outcome);
    case "confirmed":
    case "refunded":
      if (outcome.kind === "paid" && paymentIntentId === order.paymentIntentId) return stepForRefunds(order, outcome);
      return paymentIntentId === order.paymentIntentId ? wait : stepForOther(outcome, unmatched);
    case "queued":
    case "cancelled":
    case "out_of_stock":
    case "rejected":
      return stepForOther(outcome, unmatched);
  }
}

const wait: Step = { do: "wait", unknown: null };

/** Whether a payment was made by the attempt whose answer the order waits for. */
function isCurrent(order: OrderAtHand, outcome: PaymentOutcome): boolean {
  if (!("madeByAttempt" in outcome) || !fits(order, outcome)) return false;
  return isUnanswered(order) && order.sent && outcome.madeByAttempt === order.attempt;
}

function isUnanswered({ paymentStatus }: OrderAtHand): boolean {
  return paymentStatus === "pending" || paymentStatus === "unknown";
}

/**
 * Whether a payment is of an order's amount: one that is not was not made by us, or was changed
 * since.
 */
export function fits(
  order: Pick<OrderAtHand, "amountMinor" | "currency">,
  payment: { readonly amountMinor?: number | null; readonly currency?: string | null },
): boolean {
  return payment.amountMinor === order.amountMinor && payment.currency === order.currency;
}

/**
 * A payment of any attempt is taken, if it is the order's amount: the order is paid, whoever told
 * of it.
 */
function stepForPaid(order: OrderAtHand, paid: Paid): Step {
  const { paymentIntentId } = paid;
  if (!fits(order, paid)) {
    // Our own, changed at the provider: people have to say what the shopper gets for it. Once it
    // was refunded, it pays for nothing any more.
    const own = paymentIntentId === order.paymentIntentId;
    if (own && paid.refundsSeen && paid.refundedMinor >= paid.amountMinor) {
      const reason = order.releasing ?? "payment_failed";
      return { do: "cancel", reason, paymentIntentId, declineCode: null, open: false, search: false };
    }
    return own
      ? { do: "wait", unknown: paidAnotherAmount(paid) }
      : { do: "unmatch", paymentIntentId, nextStep: "refund" };
  }
  const other = order.paymentIntentId === paymentIntentId ? null : order.paymentIntentId;
  const checkRefunds = !paid.refundsSeen || paid.refundedMinor > 0 || paid.refundPending || paid.disputed;
  const search = order.paymentIntentId === null && isUnanswered(order) && paid.madeByAttempt !== order.attempt;
  return { do: "confirm", paymentIntentId, other, checkRefunds, search };
}

function paidAnotherAmount({ paymentIntentId, amountMinor, currency }: Paid): Unknown {
  const why = `paid with another amount: ${amountMinor} ${currency}`;
  return { kind: "unknown", cause: "not_found", why, keyExhausted: false, paymentIntentId };
}

/**
 * An answer to an attempt that was replaced says nothing of the one under way, unless it is about
 * the order's payment as a whole.
 */
function stepForEarlierAttempt(order: OrderAtHand, outcome: Exclude<PaymentOutcome, { kind: "paid" }>): Step {
  if (outcome.kind === "never_made") return wait;
  const { paymentIntentId } = outcome;
  if (paymentIntentId === null) return wait;
  if (paymentIntentId !== order.paymentIntentId) return stepForOther(outcome, false);
  return outcome.kind === "canceled" ? stepForHeld(order, outcome) : wait;
}

function stepForHeld(order: OrderAtHand, outcome: Exclude<PaymentOutcome, { kind: "paid" }>): Step {
  switch (outcome.kind) {
    case "declined":
      return stepForDeclined(order, outcome.paymentIntentId ?? order.paymentIntentId, outcome.declineCode);
    case "untried":
      return stepForUntried(order, outcome.paymentIntentId ?? order.paymentIntentId, outcome.missing);
    case "needs_shopper":
      return note("requires_action", outcome.paymentIntentId);
    case "processing":
      return note("processing", outcome.paymentIntentId);
    case "canceled": {
      const { paymentIntentId } = outcome;
      const reason = order.releasing ?? "payment_failed";
      return { do: "cancel", reason, paymentIntentId, declineCode: null, open: false, search: false };
    }
    case "never_made":
      return stepForNeverMade(order);
    case "unknown":
      // Where the provider has spoken before, or nothing was sent that it could answer, its silence
      // changes nothing.
      if (!isUnanswered(order) || !order.sent) return { do: "wait", unknown: outcome };
      return { ...note("unknown", outcome.paymentIntentId), unknown: outcome };
  }
}

function stepForDeclined(order: OrderAtHand, paymentIntentId: string | null, declineCode: string): Step {
  const anotherCard = order.cards - order.untried <= order.paymentRetries && order.releasing === null;
  if (anotherCard) return note("declined", paymentIntentId, declineCode);
  const open = paymentIntentId !== null;
  return { do: "cancel", reason: "payment_failed", paymentIntentId, declineCode, open, search: false };
}

const mostUntried = 3; // cards; a shopper whose line was long has one, and each is a request of the provider's rate
const tokenLifeMs = 10 * 60_000; // no token is forgotten sooner; Stripe's pages say fifteen minutes at least

/**
 * The unit waits for the card once more, whatever the item allows after a decline: it was our line
 * that took so long. A token that the provider does not know though it is young never was one.
 */
function stepForUntried(order: OrderAtHand, paymentIntentId: string | null, missing: boolean): Step {
  const madeUp = missing && order.cardAgeMs < tokenLifeMs;
  if (madeUp || order.untried >= mostUntried) return stepForDeclined(order, paymentIntentId, "resource_missing");
  if (order.releasing === null) return { ...note("declined", paymentIntentId, untriedCode), untried: true };
  const open = paymentIntentId !== null;
  return { do: "cancel", reason: order.releasing, paymentIntentId, declineCode: untriedCode, open, search: false };
}

/**
 * With the hold being released there is nothing left to cancel; otherwise the attempt gets a new
 * key.
 */
function stepForNeverMade(order: OrderAtHand): Step {
  const { paymentIntentId } = order;
  const search = paymentIntentId === null && isUnanswered(order) && order.sent;
  if (order.releasing === null) return { do: "replace_key", search };
  const open = paymentIntentId !== null;
  return { do: "cancel", reason: order.releasing, paymentIntentId, declineCode: null, open, search };
}

/**
 * A payment that says of itself that it is the one whose answer is missing. Should the order end
 * with it, the attempt may have made another all the same: that one is searched for, and refunded.
 */
function stepForClaimed(order: OrderAtHand, outcome: Exclude<PaymentOutcome, { kind: "paid" }>): Step {
  const step = stepForHeld(order, outcome);
  return step.do === "cancel" ? { ...step, search: order.paymentIntentId === null } : step;
}

function note(
  paymentStatus: PaymentStatus,
  paymentIntentId: string | null,
  declineCode: string | null = null,
): Extract<Step, { do: "note" }> {
  return { do: "note", unknown: null, untried: false, paymentStatus, paymentIntentId, declineCode };
}

/**
 * A payment that the order does not go by, and that nobody has tried to pay yet. It is canceled,
 * unless it may be the one that the order's attempt is making.
 */
function stepForUnclear(order: OrderAtHand, outcome: Unknown): Step {
  const mayBeCurrent =
    order.status === "reserved" && order.sent && isUnanswered(order) && order.paymentIntentId === null;
  const { cause, paymentIntentId } = outcome;
  if (cause !== "undecided" || paymentIntentId === null || mayBeCurrent) return { do: "wait", unknown: outcome };
  return { do: "unmatch", paymentIntentId, nextStep: "cancel" };
}

/**
 * A payment that the order does not go by is refunded where it was paid, and canceled where it can
 * still be.
 */
function stepForOther(outcome: PaymentOutcome, unmatched: boolean): Step {
  switch (outcome.kind) {
    case "paid": {
      const { paymentIntentId, refundPending } = outcome;
      if (refundPending) return wait;
      if (outcome.refundedMinor >= outcome.amountMinor) return { do: "close", paymentIntentId, outcome: "refunded" };
      return { do: "unmatch", paymentIntentId, nextStep: "refund" };
    }
    case "canceled":
      return { do: "close", paymentIntentId: outcome.paymentIntentId, outcome: "canceled" };
    case "declined":
    case "untried":
    case "needs_shopper": {
      const { paymentIntentId } = outcome;
      return paymentIntentId === null ? wait : { do: "unmatch", paymentIntentId, nextStep: "cancel" };
    }
    case "processing": // cannot be canceled; the bank's answer is waited for
      return unmatched ? wait : { do: "unmatch", paymentIntentId: outcome.paymentIntentId, nextStep: "ask" };
    case "never_made":
      return wait;
    case "unknown": {
      const { paymentIntentId } = outcome;
      if (paymentIntentId !== null) return { do: "unmatch", paymentIntentId, nextStep: "ask" };
      return { do: "wait", unknown: outcome };
    }
  }
}

/**
 * What the provider says of a paid order's own payment: it may have been refunded or disputed
 * there.
 */
function stepForRefunds(order: OrderAtHand, paid: Paid): Step {
  if (!paid.refundsSeen) return { do: "look_again" };
  const { refundedMinor, disputed, refundPending: pending } = paid;
  const full = refundedMinor >= order.amountMinor;
  if (refundedMinor === order.refundedMinor && disputed === order.disputed && !pending) return wait;
  return { do: "note_refund", full, refundedMinor, disputed, pending };
}
