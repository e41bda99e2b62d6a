import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { invariant } from "@holdfast/shared/invariant.ts";
import type { PaymentStatus } from "@holdfast/shared/order.ts";
import type Stripe from "stripe";
import { classifyError, classifyIntent, type PaymentOutcome } from "./classify-payment.ts";

/**
 * Every call to the payment provider, each returning what it came to. No database transaction is ever open around one.
 *
 * An order has at most one PaymentIntent, which can succeed once: another card is tried on the same intent. The key of an attempt is
 * made of the order's id and the attempt's number, so a repeat of the call is the same payment.
 */

/** An order as its payment needs it. */
export interface PayableOrder {
  readonly id: string;
  readonly itemId: string;
  readonly amountMinor: number;
  readonly currency: string;
  readonly paymentMethod: string;
  readonly attempt: number;
  readonly paymentStatus: PaymentStatus | null;
  readonly paymentIntentId: string | null;
  /** When the current attempt was first sent; null where it was not. */
  readonly startedAtMs: number | null;
}

const maxPagesSearched = 500; // 50,000 payments: half an hour of selling at full rate around one lost answer

/** Sends the order's current attempt: creates and confirms in one call, or tries another card on the order's intent. */
export async function sendCharge(stripe: Stripe, order: PayableOrder): Promise<PaymentOutcome> {
  const options = { idempotencyKey: `${order.id}-${order.attempt}` };
  const { paymentMethod: payment_method } = order;
  return outcomeOf("charge", () =>
    order.paymentIntentId === null
      ? stripe.paymentIntents.create(
          {
            amount: order.amountMinor,
            currency: order.currency,
            payment_method,
            confirm: true,
            // Cards and wallets that stay on the page: a redirect would need an address to come back to.
            automatic_payment_methods: { enabled: true, allow_redirects: "never" },
            metadata: { orderId: order.id, itemId: order.itemId },
          },
          options,
        )
      : stripe.paymentIntents.confirm(order.paymentIntentId, { payment_method }, options),
  );
}

/** Stripe remembers a key for at least 24 h, and a repeat after that would be a second payment: so 20 h, to be safe. */
const keyRememberedMs = 20 * 3_600_000;

/**
 * What has become of the order's payment. While the answer to an attempt is missing, the same request is sent under the same key: it is
 * answered with what it did, or does what never arrived: the shopper's own order, for a unit that is held for them.
 */
export async function askOutcome(stripe: Stripe, order: PayableOrder): Promise<PaymentOutcome> {
  const { paymentIntentId, startedAtMs } = order;
  const unanswered = order.paymentStatus === "pending" || order.paymentStatus === "unknown";
  const repeatable = startedAtMs !== null && Date.now() - startedAtMs < keyRememberedMs;
  if (unanswered && repeatable) {
    const repeated = await sendCharge(stripe, order);
    switch (repeated.kind) {
      case "needs_shopper":
      case "processing":
        return retrieve(stripe, repeated.paymentIntentId); // the saved answer may be old
      case "unknown":
        if (paymentIntentId !== null) return repeated.keySpent ? retrieveFor(stripe, order, paymentIntentId) : repeated;
        return findOutcome(stripe, order, startedAtMs, repeated.keySpent);
      case "paid":
      case "declined":
      case "canceled":
      case "never_made":
        return repeated;
    }
  }
  if (paymentIntentId !== null) return retrieve(stripe, paymentIntentId);
  invariant(startedAtMs !== null, `order ${order.id} has a payment to ask about only once an attempt was sent`);
  return findOutcome(stripe, order, startedAtMs, true);
}

/** What an intent says of the order's current card: a decline of an earlier one means that this one was never tried. */
async function retrieveFor(stripe: Stripe, order: PayableOrder, paymentIntentId: string): Promise<PaymentOutcome> {
  try {
    const intent = await stripe.paymentIntents.retrieve(paymentIntentId);
    const declinedCard = intent.last_payment_error?.payment_method?.id;
    const waiting = intent.status === "requires_payment_method";
    return waiting && declinedCard !== order.paymentMethod ? { kind: "never_made" } : classifyIntent(intent);
  } catch (error) {
    return classifyError(error, "question");
  }
}

function retrieve(stripe: Stripe, paymentIntentId: string): Promise<PaymentOutcome> {
  return outcomeOf("question", () => stripe.paymentIntents.retrieve(paymentIntentId));
}

/**
 * Looks for the order's payment among those that were made since its attempt was first sent: the last resort, where the provider only repeats
 * a saved failure and no webhook told of the payment.
 */
async function findOutcome(
  stripe: Stripe,
  order: PayableOrder,
  sinceMs: number,
  keySpent: boolean,
): Promise<PaymentOutcome> {
  let pages = 0;
  try {
    // From the time of the first sending on, minute by minute: that is where it is, however much was sold since.
    for (let fromMs = sinceMs - clockDriftMs; fromMs < Date.now() + clockDriftMs; fromMs += sliceMs) {
      const created = { gte: Math.floor(fromMs / 1000), lt: Math.floor((fromMs + sliceMs) / 1000) };
      let starting_after: string | undefined;
      for (let more = true; more; pages++) {
        if (pages === maxPagesSearched) return searchedInVain("not among the payments that were searched", keySpent);
        const query = { created, limit: 100, ...(starting_after && { starting_after }) };
        const list = await withPatience(() => stripe.paymentIntents.list(query));
        const found = list.data.find((intent) => intent.metadata.orderId === order.id);
        if (found) return classifyIntent(found);
        starting_after = list.data.at(-1)?.id;
        more = list.has_more;
      }
    }
    // All were seen. Under a spent key none can come any more; otherwise a request may still be on its way.
    return keySpent ? { kind: "never_made" } : searchedInVain("not there (yet)", keySpent);
  } catch (error) {
    return classifyError(error, "question");
  }
}

function searchedInVain(why: string, keySpent: boolean): PaymentOutcome {
  return { kind: "unknown", why, keySpent, paymentIntentId: null };
}

const clockDriftMs = 60_000; // a minute for clocks that differ
const sliceMs = 60_000;

const pageTries = 4; // a search of many pages must not start again for one that failed
const pagePauseMs = 200;

async function withPatience<T>(read: () => Promise<T>): Promise<T> {
  for (let failures = 1; ; failures++) {
    try {
      return await read();
    } catch (error) {
      if (failures === pageTries) throw error;
      await sleep(pagePauseMs * failures);
    }
  }
}

/** Calls the order's payment off. The answer says what it is now: canceled, or what it became before. */
export async function callOff(stripe: Stripe, order: PayableOrder): Promise<PaymentOutcome> {
  // Declined without a payment having been made, such as for a card that does not exist: there is nothing to call off.
  if (order.paymentStatus === "declined" && order.paymentIntentId === null) return { kind: "never_made" };
  const known = order.paymentIntentId === null ? await askOutcome(stripe, order) : null;
  if (known !== null && !isOpen(known)) return known;
  const paymentIntentId = order.paymentIntentId ?? (known && "paymentIntentId" in known ? known.paymentIntentId : null);
  if (paymentIntentId === null) return known ?? { kind: "never_made" };
  return callOffIntent(stripe, order.id, paymentIntentId);
}

/** Calls a payment off by its id. */
export function callOffIntent(stripe: Stripe, orderId: string, paymentIntentId: string): Promise<PaymentOutcome> {
  // Canceling twice is refused with the status, so it needs no lasting key; a saved 500 under one would stand in the way for a day.
  const options = { idempotencyKey: `${orderId}-cancel-${randomUUID()}` };
  return outcomeOf("question", () => stripe.paymentIntents.cancel(paymentIntentId, {}, options));
}

/** Whether the payment may still be paid: a declined one too, since its intent waits for another card. */
function isOpen(outcome: PaymentOutcome): boolean {
  return ["declined", "needs_shopper", "processing", "unknown"].includes(outcome.kind);
}

export type RefundOutcome = "refunded" | "unknown";

/** Gives all of a payment back, once: an intent that was refunded before is refunded. */
export async function refundPayment(stripe: Stripe, orderId: string, paymentIntentId: string): Promise<RefundOutcome> {
  const create = async (idempotencyKey: string): Promise<RefundOutcome | "key_spent"> => {
    try {
      const refund = await stripe.refunds.create(
        { payment_intent: paymentIntentId, metadata: { orderId } },
        { idempotencyKey },
      );
      return refund.status === "failed" || refund.status === "canceled" ? "unknown" : "refunded";
    } catch (error) {
      if ((error as { code?: string }).code === "charge_already_refunded") return "refunded";
      const outcome = classifyError(error, "question");
      return outcome.kind === "unknown" && outcome.keySpent ? "key_spent" : "unknown";
    }
  };
  const refunded = await create(`${paymentIntentId}-refund`);
  if (refunded !== "key_spent") return refunded;
  // The provider repeats a saved failure. A second refund in full is refused, so another key is safe.
  return (await create(`${paymentIntentId}-refund-${randomUUID()}`)) === "refunded" ? "refunded" : "unknown";
}

async function outcomeOf(
  asked: "charge" | "question",
  call: () => Promise<Stripe.PaymentIntent>,
): Promise<PaymentOutcome> {
  try {
    return classifyIntent(await call());
  } catch (error) {
    return classifyError(error, asked);
  }
}
