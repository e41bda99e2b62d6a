import { randomUUID } from "node:crypto";
import { askProvider, withRefunds } from "@holdfast/worker/payment/ask-provider.ts";
import type { PaymentOutcome } from "@holdfast/worker/payment/classify-payment.ts";
import { confirmWith, newPayment } from "@holdfast/worker/payment/send-charge.ts";
import type Stripe from "stripe";
import { expect } from "vitest";

export interface OpenProvider {
  /** Connected as the worker connects it. */
  readonly stripe: Stripe;
  /** What only a simulator can: be the shopper at their bank, and let time pass. */
  answerBank?(clientSecret: string, succeed: boolean): Promise<unknown>;
  advanceClock?(byMs: number): Promise<void>;
  close?(): Promise<void>;
}

export const amount = 1_999;
export const currency = "eur";
/** What the worker reads of every payment that is made here. */
export const about = { madeByAttempt: 1, amountMinor: amount, currency };

/** The calls that the worker makes, and their parameters: see send-charge.ts. */
export class ProviderCalls {
  /** Whether it has a switch for the shopper's bank and for time. */
  readonly simulated: boolean;
  readonly #open: () => Promise<OpenProvider>;
  #provider: OpenProvider | null = null;
  constructor(simulated: boolean, open: () => Promise<OpenProvider>) {
    this.simulated = simulated;
    this.#open = open;
  }

  async open(): Promise<void> {
    this.#provider = await this.#open();
  }

  async close(): Promise<void> {
    await this.#provider?.close?.();
  }

  get stripe(): Stripe {
    return this.#provider?.stripe ?? expect.unreachable("the provider is not open");
  }

  async token(payment_method: string): Promise<string> {
    return (await this.stripe.testHelpers.confirmationTokens.create({ payment_method })).id;
  }

  /** As the worker does it. @param method the provider's name for a card or a token */
  create(method: string, key: string = randomUUID(), terms: { amount?: number } = {}) {
    const payment = { orderId: key, itemId: "contract", amountMinor: amount, currency, attempt: 1 };
    return this.stripe.paymentIntents.create({ ...newPayment(payment, method), ...terms }, { idempotencyKey: key });
  }

  confirm(id: string, method: string) {
    return this.stripe.paymentIntents.confirm(id, confirmWith(method), { idempotencyKey: randomUUID() });
  }

  read(id: string) {
    return this.stripe.paymentIntents.retrieve(id, withRefunds);
  }

  async answerBank(clientSecret: string | null, succeed: boolean): Promise<void> {
    await this.#provider?.answerBank?.(clientSecret ?? "", succeed);
  }

  async advanceClock(byMs: number): Promise<void> {
    await this.#provider?.advanceClock?.(byMs);
  }
}

/** What the worker makes of a charge's answer. */
export function outcomeOf(call: () => Promise<Stripe.PaymentIntent>): Promise<PaymentOutcome> {
  return askProvider("charge", call);
}

export async function failure(call: Promise<unknown>): Promise<Stripe.errors.StripeError> {
  return call.then(
    () => expect.unreachable("was answered without an error"),
    (error: Stripe.errors.StripeError) => error,
  );
}

export function intentOf(outcome: PaymentOutcome): string {
  if (!("paymentIntentId" in outcome) || outcome.paymentIntentId === null) return expect.unreachable(outcome.kind);
  return outcome.paymentIntentId;
}
