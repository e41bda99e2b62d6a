import type { Dispute } from "./disputes.ts";
import shapes from "./object-shapes.json" with { type: "json" };
import type { PaymentIntent } from "./payment-intents.ts";
import { type Refund, refundedAmount } from "./refunds.ts";

/**
 * https://docs.stripe.com/api/charges/object, without its refunds: Stripe shows them only where
 * they are asked for.
 */
export interface Charge {
  id: string | null;
  object: "charge";
  amount: number;
  amount_refunded: number;
  refunded: boolean;
  disputed: boolean;
  payment_intent: string;
  [field: string]: unknown;
}

/** What is known of a payment beside its intent. */
export interface ChargeFacts {
  readonly refunds: readonly Refund[];
  readonly dispute: Dispute | undefined;
  readonly createdSeconds: number;
}

/** The latest charge of an intent, as its state says. */
export function chargeOf(intent: PaymentIntent, facts: ChargeFacts): Charge {
  const { refunds: _onDemand, ...shape } = shapes.resources.charge;
  const paid = intent.status === "succeeded";
  const amount_refunded = refundedAmount(facts.refunds);
  return {
    ...shape,
    balance_transaction: null,
    billing_details: { address: null, email: null, name: null, phone: null, tax_id: null },
    description: null,
    outcome: null,
    receipt_url: null,
    shipping: null,
    source: null,
    transfer_data: null,
    id: intent.latest_charge,
    object: "charge",
    amount: intent.amount,
    amount_captured: intent.amount_received,
    amount_refunded,
    captured: paid,
    created: facts.createdSeconds,
    currency: intent.currency,
    disputed: facts.dispute !== undefined,
    metadata: intent.metadata,
    paid,
    payment_intent: intent.id,
    payment_method: intent.payment_method,
    refunded: paid && amount_refunded === intent.amount_received,
    status: paid ? "succeeded" : "failed",
  };
}

/** A list of refunds inside of another object, newest first. */
export function refundsOf(charge: Charge, refunds: readonly Refund[]): object {
  return { object: "list", data: [...refunds].reverse(), has_more: false, url: `/v1/charges/${charge.id}/refunds` };
}
