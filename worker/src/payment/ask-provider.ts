import type Stripe from "stripe";
import { classifyError, classifyIntent, type PaymentOutcome } from "./classify-payment.ts";

/** A payment with what was refunded or disputed of it. */
export const withRefunds = { expand: ["latest_charge.refunds"] };

/**
 * Carries out one call to the payment provider. It never throws: whatever came of it is an outcome.
 */
export async function askProvider(
  asked: "charge" | "question",
  call: () => Promise<Stripe.PaymentIntent>,
): Promise<PaymentOutcome> {
  try {
    return classifyIntent(await call());
  } catch (error) {
    return classifyError(error, asked);
  }
}
