import { randomUUID } from "node:crypto";
import type Stripe from "stripe";
import { askProvider } from "./ask-provider.ts";
import type { PaymentOutcome } from "./classify-payment.ts";

/**
 * Cancels a payment, so that a hold can be released: `canceled` says that nothing can be paid under
 * it any more; otherwise it is what it became before.
 */
export function cancelPayment(stripe: Stripe, orderId: string, paymentIntentId: string): Promise<PaymentOutcome> {
  // Canceling twice is refused with the status, so it needs no lasting key; a saved 500 under one
  // would stand in the way for a day.
  const options = { idempotencyKey: `${orderId}-cancel-${randomUUID()}` };
  return askProvider("question", () => stripe.paymentIntents.cancel(paymentIntentId, {}, options));
}
