import type { RaiseAlarm } from "@holdfast/shared/alarm.ts";
import type { Database } from "@holdfast/shared/database.ts";
import { isRehearsal } from "@holdfast/shared/item.ts";
import { publishItems } from "@holdfast/shared/item-view.ts";
import { publishOrders } from "@holdfast/shared/order-view.ts";
import type { Store } from "@holdfast/shared/redis.ts";
import type Stripe from "stripe";
import type { WorkerMetrics } from "../metrics/worker-metrics.ts";
import { askAboutUnmatched } from "./ask-unmatched.ts";
import { cancelPayment } from "./cancel-payment.ts";
import { checkPayment, retrievePayment } from "./check-payment.ts";
import type { PaymentOutcome } from "./classify-payment.ts";
import { fits } from "./decide-settlement.ts";
import { findPayments } from "./find-payment.ts";
import { awaitsAnswer, type Call, keyRememberedMs, nextCall } from "./next-call.ts";
import { idleMs, putOff } from "./put-off.ts";
import { type Payment, readPayment, type UnmatchedPayment } from "./read-payment.ts";
import { refundPayment } from "./refund-payment.ts";
import { refuseRefund } from "./refuse-refund.ts";
import { declinedUnsent, noteRepeat, sendCharge, startAttempt } from "./send-charge.ts";
import { type Settlement, settleOrder } from "./settle-order.ts";
import { noteFound, settleRefund, settleSearch } from "./settle-unmatched.ts";

export interface PaymentParts extends Store {
  readonly db: Database;
  readonly stripe: Stripe;
  readonly raiseAlarm: RaiseAlarm;
  /** Is given what came of each charge (unknown-cards.ts). */
  readonly watchCards?: (outcome: PaymentOutcome) => void;
  readonly metrics?: WorkerMetrics | undefined;
  /** Whether charges move money: then none is sent of a rehearsal's item. */
  readonly chargesMoveMoney?: boolean;
}

const maxCalls = 8; // an order needs one or two; more only where somebody else changes it under our hands
const freshMs = 1_000; // the longest that a payment's ages stay usable: a search has ten seconds of slack
const restlessMs = 5_000; // until one that needs more is looked at again

/**
 * Looks after an order's payment until nothing is to be done about it now: look at Postgres, call
 * the provider, settle by what it said, look again. It may stop anywhere and run again, in any
 * number of processes: what is to be done is always in Postgres before it is tried. No transaction
 * is open while the provider is called.
 * @param ranBefore whether the same job ran before: the answer to what that run sent is not on its
 *   way any more
 * @returns in how many ms it is to be looked at again; null where nothing is open
 */
export async function settlePayment(parts: PaymentParts, orderId: string, ranBefore = false): Promise<number | null> {
  let published = false;
  let { order, payment } = await readPayment(parts.db, orderId);
  if (ranBefore) payment = withoutAnswer(payment);
  for (let calls = 0; ; calls++) {
    const call = calls < maxCalls ? nextCall(payment) : null;
    if (call === null) {
      // A worker that died after its commit has published nothing.
      if (!published) await publishOrders(parts, [order]);
      return calls < maxCalls ? await restUntil(parts.db, payment) : restlessMs;
    }
    const settled = await carryOut(parts, payment, call);
    const settledAtMs = performance.now();
    if (settled !== null) await publish(parts, settled);
    published ||= settled !== null;
    // A payment's ages are of the moment it was settled. Publishing waits for Redis, however long
    // it is unavailable; a search for a payment must not begin that much too late.
    const isFresh = performance.now() - settledAtMs < freshMs;
    ({ order, payment } = settled !== null && isFresh ? settled : await readPayment(parts.db, orderId));
  }
}

/**
 * An attempt that was sent and not answered is due at once. Its worker died, or Postgres could not
 * take the answer. Should another job have sent it and wait still, the same key makes this no
 * second charge. So is one that waits for its shopper: the worker may have died before they were
 * given the client secret, which the provider alone has then.
 */
function withoutAnswer(payment: Payment): Payment {
  const { status, paymentStatus, firstSentMsAgo } = payment;
  const unanswered = paymentStatus === "pending" && firstSentMsAgo !== null;
  const unasked = paymentStatus === "requires_action";
  return status === "reserved" && (unanswered || unasked) ? { ...payment, dueInMs: 0 } : payment;
}

/** Makes the call and settles by its answer. Null where nothing of the order has changed. */
async function carryOut(parts: PaymentParts, payment: Payment, call: Call): Promise<Settled | null> {
  const { db, stripe } = parts;
  switch (call.do) {
    case "send":
      if (call.first && !(await startAttempt(db, payment))) return null;
      if (!call.first) await noteRepeat(db, payment);
      return settleCharge(parts, payment);
    case "check":
      return settleOwn(parts, payment, await checkPayment(stripe, payment, call.paymentIntentId));
    case "find":
      return settleOwn(parts, payment, await findOwn(parts, payment));
    case "release":
      return settleOwn(parts, payment, await cancelPayment(stripe, payment.orderId, call.paymentIntentId));
    case "let_go":
      return settleOwn(parts, payment, { kind: "never_made" }, true);
    case "refund":
      return refundOwn(parts, payment, call.paymentIntentId);
    case "settle_unmatched":
      return carryOutUnmatched(parts, payment, call.unmatched);
  }
}

async function settleCharge(parts: PaymentParts, payment: Payment): Promise<Settled> {
  if (parts.chargesMoveMoney && isRehearsal(payment.itemId)) return settleOwn(parts, payment, declinedUnsent(payment));
  const sentAtMs = performance.now();
  const outcome = await sendCharge(parts.stripe, payment);
  parts.metrics?.charged(outcome.kind, (performance.now() - sentAtMs) / 1000);
  parts.watchCards?.(outcome);
  return settleOwn(parts, payment, outcome);
}

async function settleOwn(
  parts: PaymentParts,
  payment: Payment,
  outcome: PaymentOutcome,
  withoutCall = false,
): Promise<Settled> {
  alarmIfRefused(parts, outcome);
  const { attempt, hints } = payment;
  const seen = { attempt, hints, outcome, unmatched: null, withoutCall };
  const settlement = await settleOrder(parts.db, payment.orderId, seen);
  countSettled(parts, settlement);
  alarmIfKept(parts, settlement);
  alarmIfAnotherAmount(parts, settlement, outcome);
  return withSecret(settlement, outcome);
}

function countSettled({ metrics }: PaymentParts, { step, item }: Settlement): void {
  if (step.do === "confirm") metrics?.settled("confirmed", null);
  else if (step.do === "cancel") metrics?.settled("cancelled", step.reason);
  // Its units move once; the provider may tell of the refund again, or of a dispute after it.
  else if (step.do === "note_refund" && item !== null) metrics?.settled("refunded", null);
}

/**
 * The order's own payment, found by its metadata. Others that are found under them are written down
 * first.
 */
async function findOwn({ db, stripe }: PaymentParts, payment: Payment): Promise<PaymentOutcome> {
  const firstMsAgo = payment.firstSentMsAgo ?? 0;
  const lastMsAgo = payment.lastSentMsAgo ?? firstMsAgo;
  const { payments, complete, completeInMs, failure } = await findPayments(stripe, payment.orderId, {
    firstMsAgo,
    lastMsAgo,
  });
  const fitting = payments.filter((found) => fits(payment, found));
  const own =
    fitting.find(({ kind }) => kind === "paid") ?? // by whatever attempt: the order is paid
    fitting.find((found) => "madeByAttempt" in found && found.madeByAttempt === payment.attempt);
  const others = payments
    .filter((found) => found !== own)
    .flatMap(({ paymentIntentId: id }) => (id === null ? [] : [id]));
  await noteFound(db, payment.orderId, others);
  if (own) return own;
  if (failure !== null) return failure;
  // Under a key that makes no payments any more none can come; otherwise a request may still be on
  // its way.
  if (complete && (payment.keyExhausted || firstMsAgo > keyRememberedMs)) return { kind: "never_made" };
  const why = "not among the provider's payments (yet)";
  const again = completeInMs === null ? {} : { againInMs: Math.max(completeInMs, 1_000) };
  return { kind: "unknown", cause: "not_found", why, keyExhausted: false, paymentIntentId: null, ...again };
}

/**
 * Refunds a paid order, as operations asked. What counts is what the provider says of the payment
 * afterwards: it may have been refunded there before, in part or in full, or the refund may be
 * pending. *Dies in between:* the same look is repeated under the same key.
 */
async function refundOwn(parts: PaymentParts, payment: Payment, paymentIntentId: string): Promise<Settled> {
  const { db, stripe } = parts;
  const { orderId, hints, looks } = payment;
  const refund = await refundPayment(stripe, orderId, paymentIntentId, `${orderId}-refund-${hints}-${looks}`);
  alarmIfNotRefunded(parts, orderId, refund);
  if (refund.kind === "unknown") return settleOwn(parts, payment, refund);
  if (refund.kind === "disputed") await refuseRefund(db, orderId, "the shopper's bank has taken the payment back");
  return settleOwn(parts, payment, await retrievePayment(stripe, paymentIntentId));
}

async function carryOutUnmatched(
  parts: PaymentParts,
  payment: Payment,
  unmatched: UnmatchedPayment,
): Promise<Settled | null> {
  const { db, stripe } = parts;
  const { orderId, attempt } = payment;
  const answer = await askAboutUnmatched(stripe, orderId, unmatched);
  switch (answer.step) {
    case "ask":
    case "cancel": {
      alarmIfRefused(parts, answer.outcome);
      const seen = { attempt, hints: payment.hints, outcome: answer.outcome, unmatched, withoutCall: false };
      const settlement = await settleOrder(db, orderId, seen);
      countSettled(parts, settlement);
      return withSecret(settlement, answer.outcome);
    }
    case "refund":
      alarmIfNotRefunded(parts, orderId, answer.outcome);
      await settleRefund(db, orderId, unmatched, answer.outcome);
      break;
    case "search":
      if (answer.failure) alarmIfRefused(parts, answer.failure);
      await settleSearch(db, orderId, unmatched, answer);
      break;
  }
  return { ...(await readPayment(db, orderId)), item: null };
}

/** What is published, and the payment to go on with. */
type Settled = Omit<Settlement, "step">;

/** The client secret goes to the shopper's browser, and never into Postgres. */
function withSecret({ order, payment, item }: Settlement, outcome: PaymentOutcome): Settled {
  const waits = outcome.kind === "needs_shopper" && order.paymentStatus === "requires_action";
  return { order: waits ? { ...order, clientSecret: outcome.clientSecret } : order, payment, item };
}

async function publish({ redis, keys }: PaymentParts, { order, item }: Settled): Promise<void> {
  await publishOrders({ redis, keys }, [order]);
  if (item !== null) await publishItems({ redis, keys }, [item]);
}

/**
 * In how many ms the payment is to be looked at again. What is due, and has nothing to be done,
 * waits on.
 */
async function restUntil(db: Database, payment: Payment): Promise<number | null> {
  const own = awaitsAnswer(payment) ? null : payment.dueInMs; // what waits for another answer is due with that
  const idle = own !== null && own <= 0;
  if (idle) await putOff(db, payment);
  const all = [...payment.unmatched.map((one) => one.dueInMs), ...(own === null ? [] : [idle ? idleMs : own])];
  return all.length === 0 ? null : Math.max(0, Math.min(...all));
}

function alarmIfRefused({ raiseAlarm }: PaymentParts, outcome: PaymentOutcome): void {
  if (outcome.kind !== "unknown" || outcome.cause !== "refused") return;
  raiseAlarm("provider_refuses", `It says: ${outcome.why}.`);
}

/** The refund of a refunded order failed since: its shopper has neither the goods nor the money. */
function alarmIfKept({ raiseAlarm }: PaymentParts, { order, step }: Settlement): void {
  if (step.do !== "note_refund" || step.full || order.status !== "refunded") return;
  raiseAlarm(
    `refund_failed:${order.id}`,
    `Order ${order.id}: it failed after it was counted as done, so the shopper has neither goods nor money.`,
    { orderId: order.id },
  );
}

function alarmIfAnotherAmount(
  { raiseAlarm }: PaymentParts,
  { order, step }: Settlement,
  { kind }: PaymentOutcome,
): void {
  if (kind !== "paid" || step.do !== "wait" || order.status !== "reserved") return;
  raiseAlarm(`paid_another_amount:${order.id}`, `Order ${order.id}.`, { orderId: order.id });
}

function alarmIfNotRefunded(
  { raiseAlarm }: PaymentParts,
  orderId: string,
  outcome: { kind: string; why?: string },
): void {
  if (outcome.kind === "failed" || outcome.kind === "disputed") {
    raiseAlarm(`refund_failed:${orderId}`, `Order ${orderId}: the refund is ${outcome.kind}.`, { orderId });
  } else if (outcome.kind === "unknown" && "cause" in outcome && outcome.cause === "refused") {
    raiseAlarm("refund_refused", `Order ${orderId}, it says: ${outcome.why}.`, { orderId });
  }
}
