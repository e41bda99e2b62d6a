import shapes from "./object-shapes.json" with { type: "json" };
import { newId, type PaymentIntent } from "./payment-intents.ts";
import { invalidRequest } from "./stripe-error.ts";

/** https://docs.stripe.com/api/refunds/object */
export interface Refund {
  id: string;
  object: "refund";
  amount: number;
  currency: string;
  payment_intent: string;
  charge: string | null;
  status: "pending" | "succeeded" | "failed";
  reason: string | null;
  failure_reason?: string;
  created: number;
  metadata: Record<string, string>;
  [field: string]: unknown;
}

export interface RefundParameters {
  payment_intent?: string;
  amount?: string | number;
  reason?: string;
  metadata?: Record<string, string>;
}

const reasons = ["duplicate", "fraudulent", "requested_by_customer"];

/** What counts as refunded: a failed refund's money went back to the account. */
export function refundedAmount(refunds: readonly Refund[]): number {
  return refunds.filter((refund) => refund.status !== "failed").reduce((sum, refund) => sum + refund.amount, 0);
}

/**
 * Checks the parameters and makes a refund of what is left, or of a part of it.
 * @param before the payment's refunds so far
 * @throws 400 as Stripe does where nothing can be refunded
 */
export function createRefund(
  intent: PaymentIntent,
  before: readonly Refund[],
  parameters: RefundParameters,
  status: Refund["status"],
  nowSeconds: number,
): Refund {
  if (intent.status !== "succeeded") {
    throw invalidRequest(`This PaymentIntent (${intent.id}) does not have a successful charge to refund.`);
  }
  const left = intent.amount_received - refundedAmount(before);
  if (left === 0) {
    const message = `Charge ${intent.latest_charge} has already been refunded.`;
    throw invalidRequest(message, { code: "charge_already_refunded" });
  }
  const amount = parameters.amount === undefined ? left : Number(parameters.amount);
  if (!Number.isInteger(amount) || amount < 1) {
    throw invalidRequest(`Invalid positive integer: ${amount}`, { code: "parameter_invalid_integer", param: "amount" });
  }
  if (amount > left) {
    const message = `Refund amount (${amount}) is greater than unrefunded amount on charge (${left}).`;
    throw invalidRequest(message, { param: "amount" });
  }
  const { reason = null } = parameters;
  if (reason !== null && !reasons.includes(reason)) {
    throw invalidRequest(`Invalid reason: must be one of ${reasons.join(", ")}`, { param: "reason" });
  }
  const refund: Refund = {
    ...shapes.resources.refund,
    id: newId("re"),
    object: "refund",
    amount,
    currency: intent.currency,
    payment_intent: intent.id,
    charge: intent.latest_charge,
    status: "pending",
    reason,
    created: nowSeconds,
    metadata: parameters.metadata ?? {},
  };
  if (status !== "pending") settleRefund(refund, status);
  return refund;
}

/**
 * The bank's word on a refund. One that succeeded may fail later, when the bank sends the money
 * back: https://docs.stripe.com/refunds#failed-refunds
 */
export function settleRefund(
  refund: Refund,
  status: "succeeded" | "failed",
  failureReason = "expired_or_canceled_card",
): void {
  if (refund.status === "failed" || refund.status === status) {
    throw invalidRequest(`The refund ${refund.id} is ${refund.status} already.`);
  }
  refund.status = status;
  if (status === "failed") {
    refund.failure_reason = failureReason;
    refund.failure_balance_transaction = newId("txn");
  }
}
