import type { ChargeJob } from "@holdfast/shared/charge-job.ts";
import { type Database, findOrder } from "@holdfast/shared/database.ts";
import { invariant } from "@holdfast/shared/invariant.ts";
import type Stripe from "stripe";
import { classifyError, classifyIntent, type PaymentOutcome } from "./classify-payment.ts";
import { cancelOrder, confirmOrder, type Settlement } from "./settle-order.ts";

/** The outcome of a charge is not known: the job is to be tried again with the same key. */
export class PaymentOutcomeUnknown extends Error {
  constructor(orderId: string, why: string) {
    super(`The payment of order ${orderId} is not decided: ${why}`);
    this.name = "PaymentOutcomeUnknown";
  }
}

/**
 * Charges a reserved order and settles it: paid → confirmed, declined → the units back and the order cancelled. Run again
 * at any point, it charges nothing twice: the provider answers the same key with the same payment.
 * @returns the order as it is now
 * @throws PaymentOutcomeUnknown where nobody can tell yet; then nothing was released
 */
export async function chargeOrder(db: Database, stripe: Stripe, job: ChargeJob): Promise<Settlement> {
  const order = await findChargeable(db, job);
  if (!order) return { order: await findOrder(db, job.orderId), item: null };

  const outcome = await charge(stripe, order, job.attempt); // no transaction is open here
  switch (outcome.kind) {
    case "paid":
      invariant(outcome.amountMinor === order.amount_minor, `order ${order.id} was paid with another amount`);
      return confirmOrder(db, order.id, outcome.paymentIntentId);
    case "declined": {
      const { paymentIntentId, declineCode } = outcome;
      return cancelOrder(db, order.id, { reason: "payment_failed", paymentIntentId, declineCode });
    }
    case "needs_shopper":
    case "processing":
    case "canceled":
      throw new PaymentOutcomeUnknown(order.id, outcome.kind);
    case "unknown":
      throw new PaymentOutcomeUnknown(order.id, outcome.why);
  }
}

interface ChargeableOrder {
  id: string;
  item_id: string;
  amount_minor: number;
  currency: string;
  payment_method: string;
}

async function findChargeable(db: Database, job: ChargeJob): Promise<ChargeableOrder | undefined> {
  return db
    .selectFrom("orders")
    .select(["id", "item_id", "amount_minor", "currency", "payment_method"])
    .where("id", "=", job.orderId)
    .where("payment_attempt", "=", job.attempt)
    .where("status", "=", "reserved")
    .executeTakeFirst();
}

/** One call that creates and confirms the payment, under a key made of the order's id and the attempt. */
async function charge(stripe: Stripe, order: ChargeableOrder, attempt: number): Promise<PaymentOutcome> {
  try {
    const intent = await stripe.paymentIntents.create(
      {
        amount: order.amount_minor,
        currency: order.currency,
        payment_method: order.payment_method,
        confirm: true,
        // Cards and wallets that stay on the page: a redirect would need an address to come back to.
        automatic_payment_methods: { enabled: true, allow_redirects: "never" },
        metadata: { orderId: order.id, itemId: order.item_id },
      },
      { idempotencyKey: `${order.id}-${attempt}` },
    );
    return classifyIntent(intent);
  } catch (error) {
    return classifyError(error);
  }
}
