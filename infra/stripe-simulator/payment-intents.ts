import { randomBytes } from "node:crypto";
import shapes from "./object-shapes.json" with { type: "json" };
import { invalidRequest, StripeApiError } from "./stripe-error.ts";
import { behaviourOf } from "./test-cards.ts";

export interface PaymentIntent {
  id: string;
  object: "payment_intent";
  amount: number;
  amount_received: number;
  currency: string;
  status: "requires_payment_method" | "requires_confirmation" | "succeeded" | "canceled";
  payment_method: string | null;
  latest_charge: string | null;
  last_payment_error: object | null;
  canceled_at: number | null;
  cancellation_reason: string | null;
  client_secret: string;
  created: number;
  metadata: Record<string, string>;
  [field: string]: unknown;
}

export interface CreateParameters {
  amount?: string;
  currency?: string;
  payment_method?: string;
  confirm?: string;
  metadata?: Record<string, string>;
}

const maxAmountMinor = 99_999_999; // https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts

export function newId(prefix: string): string {
  return `${prefix}_${randomBytes(12).toString("hex")}`;
}

/** Checks the parameters and makes a PaymentIntent that is not yet confirmed. */
export function createIntent(parameters: CreateParameters, nowMs: number): PaymentIntent {
  const amount = Number(parameters.amount);
  if (!/^\d+$/.test(parameters.amount ?? "") || amount < 1) {
    const code = parameters.amount === undefined ? "parameter_missing" : "parameter_invalid_integer";
    throw invalidRequest(`Invalid integer: ${parameters.amount ?? ""}`, { code, param: "amount" });
  }
  if (amount > maxAmountMinor) {
    throw invalidRequest("Amount must be no more than 999,999.99", { code: "amount_too_large", param: "amount" });
  }
  if (!/^[a-z]{3}$/i.test(parameters.currency ?? "")) {
    throw invalidRequest(`Invalid currency: ${parameters.currency ?? ""}`, { param: "currency" });
  }
  if (parameters.payment_method !== undefined) requireMethod(parameters.payment_method);
  const id = newId("pi");
  return {
    ...shapes.resources.payment_intent,
    id,
    object: "payment_intent",
    amount,
    amount_received: 0,
    currency: (parameters.currency ?? "").toLowerCase(),
    status: parameters.payment_method ? "requires_confirmation" : "requires_payment_method",
    payment_method: parameters.payment_method ?? null,
    client_secret: `${id}_secret_${randomBytes(12).toString("hex")}`,
    latest_charge: null,
    last_payment_error: null,
    next_action: null,
    processing: null,
    canceled_at: null,
    cancellation_reason: null,
    created: Math.floor(nowMs / 1000),
    metadata: parameters.metadata ?? {},
  };
}

/** Tries to collect the payment. @throws the 402 of a declined card; the intent then waits for another method */
export function confirmIntent(intent: PaymentIntent, paymentMethod: string | undefined): void {
  if (intent.status === "succeeded" || intent.status === "canceled") throw unexpectedState(intent, "confirm");
  const method = paymentMethod ?? intent.payment_method;
  if (!method) throw invalidRequest("You cannot confirm this PaymentIntent because it's missing a payment method.");
  const card = requireMethod(method);
  intent.payment_method = method;
  intent.latest_charge = newId("ch");
  switch (card.kind) {
    case "succeeds":
      intent.status = "succeeded";
      intent.amount_received = intent.amount;
      intent.last_payment_error = null;
      return;
    case "declines": {
      const error = {
        type: "card_error" as const,
        code: card.code,
        decline_code: card.declineCode,
        message: "Your card was declined.",
        payment_method: { id: method, object: "payment_method", type: "card" },
      };
      intent.status = "requires_payment_method";
      intent.payment_method = null;
      intent.last_payment_error = error;
      throw new StripeApiError(402, { ...error, payment_intent: { ...intent } });
    }
  }
}

/** Calls a payment off. @throws 400 where it has succeeded or was canceled before */
export function cancelIntent(intent: PaymentIntent, reason: string | undefined, nowMs: number): void {
  if (intent.status === "succeeded" || intent.status === "canceled") throw unexpectedState(intent, "cancel");
  intent.status = "canceled";
  intent.canceled_at = Math.floor(nowMs / 1000);
  intent.cancellation_reason = reason ?? null;
}

function requireMethod(paymentMethod: string) {
  const behaviour = behaviourOf(paymentMethod);
  if (behaviour) return behaviour;
  const message = `No such PaymentMethod: '${paymentMethod}'`;
  throw invalidRequest(message, { code: "resource_missing", param: "payment_method" });
}

function unexpectedState(intent: PaymentIntent, verb: string): StripeApiError {
  const message = `You cannot ${verb} this PaymentIntent because it has a status of ${intent.status}.`;
  return invalidRequest(message, { code: "payment_intent_unexpected_state", payment_intent: { ...intent } });
}
