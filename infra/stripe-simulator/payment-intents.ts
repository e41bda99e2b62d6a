import { randomBytes } from "node:crypto";
import { isCurrency, minimumAmountMinor } from "./currencies.ts";
import shapes from "./object-shapes.json" with { type: "json" };
import { invalidRequest, StripeApiError } from "./stripe-error.ts";
import { cardOf, type TestCard } from "./test-cards.ts";

export interface PaymentIntent {
  id: string;
  object: "payment_intent";
  amount: number;
  amount_received: number;
  currency: string;
  status:
    | "requires_payment_method"
    | "requires_confirmation"
    | "requires_action"
    | "processing"
    | "succeeded"
    | "canceled";
  payment_method: string | null;
  latest_charge: string | null;
  last_payment_error: object | null;
  next_action: object | null;
  canceled_at: number | null;
  cancellation_reason: string | null;
  client_secret: string;
  created: number;
  metadata: Record<string, string>;
  [field: string]: unknown;
}

/** What a payment is confirmed with; its own method without either. */
export interface ConfirmParameters {
  payment_method?: string;
  confirmation_token?: string;
}

export interface CreateParameters extends ConfirmParameters {
  amount?: string;
  currency?: string;
  confirm?: string;
  metadata?: Record<string, string>;
}

const maxAmountMinor = 99_999_999; // https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts

export function newId(prefix: string): string {
  return `${prefix}_${randomBytes(12).toString("hex")}`;
}

/**
 * Checks the parameters and makes a PaymentIntent that is not yet confirmed.
 * @param currencies those that the account can charge in; null for all
 */
export function createIntent(
  parameters: CreateParameters,
  nowSeconds: number,
  currencies: readonly string[] | null,
): PaymentIntent {
  const amount = requireAmount(parameters.amount);
  const currency = requireCurrency(parameters.currency, currencies);
  if (amount < minimumAmountMinor(currency)) {
    const message = `Amount must be at least ${minimumAmountMinor(currency)} in the minor unit of ${currency}.`;
    throw invalidRequest(message, { code: "amount_too_small", param: "amount" });
  }
  if (parameters.payment_method !== undefined) requireCard(parameters.payment_method);
  requireOneMethod(parameters);
  if (parameters.confirmation_token !== undefined && parameters.confirm !== "true") {
    throw invalidRequest("A confirmation_token can only be used with confirm=true.", { param: "confirm" });
  }
  const id = newId("pi");
  return {
    ...shapes.resources.payment_intent,
    id,
    object: "payment_intent",
    amount,
    amount_received: 0,
    currency,
    status: parameters.payment_method ? "requires_confirmation" : "requires_payment_method",
    payment_method: parameters.payment_method ?? null,
    client_secret: `${id}_secret_${randomBytes(12).toString("hex")}`,
    latest_charge: null,
    last_payment_error: null,
    next_action: null,
    processing: null,
    canceled_at: null,
    cancellation_reason: null,
    created: nowSeconds,
    metadata: parameters.metadata ?? {},
  };
}

function requireAmount(given: string | undefined): number {
  const amount = Number(given);
  if (!/^\d+$/.test(given ?? "") || amount < 1) {
    const code = given === undefined ? "parameter_missing" : "parameter_invalid_integer";
    throw invalidRequest(`Invalid integer: ${given ?? ""}`, { code, param: "amount" });
  }
  if (amount > maxAmountMinor) {
    throw invalidRequest("Amount must be no more than 999,999.99", { code: "amount_too_large", param: "amount" });
  }
  return amount;
}

function requireCurrency(given: string | undefined, activated: readonly string[] | null): string {
  const currency = (given ?? "").toLowerCase();
  if (!isCurrency(currency)) {
    throw invalidRequest(`Invalid currency: ${currency}`, { param: "currency" });
  }
  if (activated !== null && !activated.includes(currency)) {
    const message = `Your account cannot charge in ${currency}: the currency is not activated.`;
    throw invalidRequest(message, { param: "currency" });
  }
  return currency;
}

/**
 * Tries to collect a payment that is confirmable; it then has succeeded, or waits for the shopper
 * or the bank.
 * @throws the 402 of a declined card; the intent then waits for another method
 */
export function confirmIntent(intent: PaymentIntent, paymentMethod: string | undefined): void {
  const method = paymentMethod ?? intent.payment_method;
  if (!method) throw invalidRequest("You cannot confirm this PaymentIntent because it's missing a payment method.");
  const { behaviour } = requireCard(method);
  intent.payment_method = method;
  intent.next_action = null;
  switch (behaviour.kind) {
    case "succeeds":
      succeedIntent(intent);
      return;
    case "authenticates":
      intent.status = "requires_action";
      intent.next_action = { type: "use_stripe_sdk", use_stripe_sdk: { type: "three_d_secure_redirect" } };
      return;
    case "processes":
      intent.status = "processing";
      return;
    case "declines":
      throw failIntent(intent, behaviour.code, behaviour.declineCode, "Your card was declined.");
  }
}

/** @throws 400 where the payment is beyond being confirmed, or two methods are named */
export function requireConfirmable(intent: PaymentIntent, parameters: ConfirmParameters): void {
  if (["succeeded", "canceled", "processing"].includes(intent.status)) throw unexpectedState(intent, "confirm");
  requireOneMethod(parameters);
}

/**
 * Stripe lets the request's `payment_method` win over the token's
 * (https://docs.stripe.com/api/payment_intents/confirm); a shop that sends both has a mistake to
 * find, so here it is refused, and not as a card's fault.
 */
function requireOneMethod({ payment_method, confirmation_token }: ConfirmParameters): void {
  if (payment_method === undefined || confirmation_token === undefined) return;
  throw invalidRequest("You may only specify one of these parameters: payment_method, confirmation_token.");
}

/** What the shopper said to their bank, or the bank to Stripe, while the intent waited for it. */
export function resolveIntent(intent: PaymentIntent, succeeded: boolean): void {
  if (intent.status !== "requires_action" && intent.status !== "processing") throw unexpectedState(intent, "resolve");
  if (succeeded) succeedIntent(intent);
  else failIntent(intent, "payment_intent_authentication_failure", undefined, "The payment was not authenticated.");
}

function succeedIntent(intent: PaymentIntent): void {
  intent.status = "succeeded";
  intent.amount_received = intent.amount;
  intent.latest_charge = newId("ch");
  intent.last_payment_error = null;
  intent.next_action = null;
}

function failIntent(
  intent: PaymentIntent,
  code: string,
  declineCode: string | undefined,
  message: string,
): StripeApiError {
  const error = {
    type: "card_error" as const,
    code,
    ...(declineCode && { decline_code: declineCode }),
    message,
    payment_method: { id: intent.payment_method, object: "payment_method", type: "card" },
  };
  intent.status = "requires_payment_method";
  intent.payment_method = null;
  intent.next_action = null;
  intent.latest_charge = newId("ch");
  intent.last_payment_error = error;
  return new StripeApiError(402, { ...error, payment_intent: structuredClone(intent) });
}

/** Cancels a payment. @throws 400 where it has succeeded or was canceled before */
export function cancelIntent(intent: PaymentIntent, reason: string | undefined, nowSeconds: number): void {
  if (["succeeded", "canceled", "processing"].includes(intent.status)) throw unexpectedState(intent, "cancel");
  intent.status = "canceled";
  intent.canceled_at = nowSeconds;
  intent.cancellation_reason = reason ?? null;
  intent.next_action = null;
}

/** @throws 400 where there is no such payment method */
export function requireCard(paymentMethod: string): TestCard {
  const card = cardOf(paymentMethod);
  if (card) return card;
  const message = `No such PaymentMethod: '${paymentMethod}'`;
  throw invalidRequest(message, { code: "resource_missing", param: "payment_method" });
}

function unexpectedState(intent: PaymentIntent, verb: string): StripeApiError {
  const message = `You cannot ${verb} this PaymentIntent because it has a status of ${intent.status}.`;
  return invalidRequest(message, { code: "payment_intent_unexpected_state", payment_intent: { ...intent } });
}
