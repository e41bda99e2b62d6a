import { isConfirmationToken } from "@holdfast/shared/card.ts";
import type { Database } from "@holdfast/shared/database.ts";
import { invariant } from "@holdfast/shared/invariant.ts";
import { sql } from "kysely";
import type Stripe from "stripe";
import { askProvider, withRefunds } from "./ask-provider.ts";
import type { PaymentOutcome } from "./classify-payment.ts";
import { keyRememberedMs } from "./next-call.ts";
import type { Payment } from "./read-payment.ts";

const answerLateMs = 20_000; // a charge takes one to three seconds; one without an answer by then lost its worker

/**
 * Notes that the order's current attempt is sent, before it is: from here on its hold is released
 * only on the provider's word.
 * @returns false where it is not to be sent any more: another card, a release or somebody else's
 *   sending came first
 */
export async function startAttempt(db: Database, { orderId, attempt }: Payment): Promise<boolean> {
  // One statement: each round trip of a charge is one that another could have used.
  const { rows } = await sql`
    with started as (
      update orders set
        payment_started_at = now(), payment_sent_at = now(), payment_looks = 0,
        payment_due_at = now() + ${answerLateMs} * interval '1 millisecond'
      where id = ${orderId} and status = 'reserved' and payment_attempt = ${attempt} and payment_status = 'pending'
        and payment_started_at is null and release_reason is null and coalesce(hold_expires_at > now(), true)
      returning id, amount_minor, currency, payment_method
    )
    insert into order_events (order_id, event, from_status, to_status, detail)
    select id, 'charge_started', 'reserved', 'reserved', jsonb_strip_nulls(jsonb_build_object(
      'attempt', ${attempt}::integer, 'amount', amount_minor, 'currency', currency, 'paymentMethod', payment_method))
    from started
    returning id`.execute(db);
  return rows.length > 0;
}

/** Notes that the current attempt is sent again, before it is: what it makes may be that young. */
export async function noteRepeat(db: Database, { orderId, attempt }: Payment): Promise<void> {
  await db
    .updateTable("orders")
    .set({ payment_sent_at: sql<Date>`now()` })
    .where("id", "=", orderId)
    .where("payment_attempt", "=", attempt)
    .execute();
}

/**
 * Sends the order's current attempt: creates and confirms a payment in one call, or tries another
 * card on the order's payment. The key is made of the order's id and the attempt's number, so a
 * repeat is the same payment, for as long as the provider remembers the key.
 */
export async function sendCharge(stripe: Stripe, payment: Payment): Promise<PaymentOutcome> {
  const { orderId, attempt, method, paymentIntentId, firstSentMsAgo } = payment;
  invariant(method !== null, `order ${orderId} has a card to charge`);
  invariant(
    firstSentMsAgo === null || firstSentMsAgo < keyRememberedMs,
    `the key of order ${orderId} is still remembered`,
  );
  const options = { idempotencyKey: `${orderId}-${attempt}` };
  const outcome = await askProvider("charge", () =>
    paymentIntentId === null
      ? stripe.paymentIntents.create(newPayment(payment, method), options)
      : stripe.paymentIntents.confirm(paymentIntentId, confirmWith(method), options),
  );
  // Of a payment that was made a moment ago nothing was refunded; a repeated answer may be a day
  // old.
  if (outcome.kind === "paid" && firstSentMsAgo === null) return { ...outcome, refundsSeen: true };
  const mayBeOld = firstSentMsAgo !== null && (outcome.kind === "needs_shopper" || outcome.kind === "processing");
  if (!mayBeOld) return outcome;
  return askProvider("question", () => stripe.paymentIntents.retrieve(outcome.paymentIntentId, withRefunds));
}

/** What a rehearsal's order comes to where a charge would move money: declined, without a call. */
export function declinedUnsent(payment: Payment): PaymentOutcome {
  const { attempt: madeByAttempt, amountMinor, currency, paymentIntentId } = payment;
  return {
    kind: "declined",
    declineCode: "rehearsal_not_charged",
    paymentIntentId,
    madeByAttempt,
    amountMinor,
    currency,
  };
}

/** The parameters of a new payment. */
export function newPayment({ orderId, itemId, amountMinor, currency, attempt }: NewPayment, card: string) {
  return {
    amount: amountMinor,
    currency,
    ...confirmWith(card),
    confirm: true,
    // Cards and wallets that stay on the page: a redirect would need an address to come back to.
    automatic_payment_methods: { enabled: true, allow_redirects: "never" },
    metadata: { orderId, itemId, attempt: String(attempt) },
  } satisfies Stripe.PaymentIntentCreateParams;
}

type NewPayment = Pick<Payment, "orderId" | "itemId" | "amountMinor" | "currency" | "attempt">;

/**
 * A card as a charge names it. The bank's question (3-D Secure) is carried out by the provider's
 * script in the shopper's browser: https://docs.stripe.com/payments/finalize-payments-on-the-server
 */
export function confirmWith(card: string) {
  const named = isConfirmationToken(card) ? { confirmation_token: card } : { payment_method: card };
  return { ...named, use_stripe_sdk: true };
}
