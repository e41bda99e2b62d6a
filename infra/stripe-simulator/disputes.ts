import { newId, type PaymentIntent } from "./payment-intents.ts";
import { invalidRequest } from "./stripe-error.ts";

/** https://docs.stripe.com/api/disputes/object */
export interface Dispute {
  id: string;
  object: "dispute";
  amount: number;
  currency: string;
  charge: string;
  payment_intent: string;
  reason: string;
  status: "needs_response" | "won" | "lost";
  created: number;
  [field: string]: unknown;
}

const responseSeconds = 7 * 24 * 3_600; // how long the account has to answer: days, by the card's network

/**
 * A shopper takes their money back through their bank.
 * @throws 400 where there is no payment, or a dispute already
 */
export function openDispute(intent: PaymentIntent, before: Dispute | undefined, nowSeconds: number): Dispute {
  if (intent.status !== "succeeded" || intent.latest_charge === null) {
    throw invalidRequest(`The PaymentIntent ${intent.id} has no successful charge to dispute.`);
  }
  if (before) throw invalidRequest(`The PaymentIntent ${intent.id} is disputed already.`);
  return {
    id: newId("du"),
    object: "dispute",
    amount: intent.amount_received,
    balance_transactions: [],
    charge: intent.latest_charge,
    created: nowSeconds,
    currency: intent.currency,
    enhanced_eligibility_types: [],
    evidence: {},
    evidence_details: {
      due_by: nowSeconds + responseSeconds,
      has_evidence: false,
      past_due: false,
      submission_count: 0,
    },
    is_charge_refundable: false,
    livemode: false,
    metadata: {},
    payment_intent: intent.id,
    reason: "general",
    status: "needs_response",
  };
}

/** The bank's last word. @throws 400 where it was spoken before */
export function closeDispute(dispute: Dispute, status: "won" | "lost"): void {
  if (dispute.status !== "needs_response")
    throw invalidRequest(`The dispute ${dispute.id} is ${dispute.status} already.`);
  dispute.status = status;
}

/** @throws 400 where the bank took the money: a refund would pay the shopper twice */
export function refuseDisputed(dispute: Dispute | undefined): void {
  if (!dispute || dispute.status === "won") return;
  const message = `Charge ${dispute.charge} has been charged back; cannot issue a refund.`;
  throw invalidRequest(message, { code: "charge_disputed" });
}
