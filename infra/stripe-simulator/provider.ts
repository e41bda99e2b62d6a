import shapes from "./object-shapes.json" with { type: "json" };
import {
  type CreateParameters,
  cancelIntent,
  confirmIntent,
  createIntent,
  newId,
  type PaymentIntent,
  resolveIntent,
} from "./payment-intents.ts";
import { invalidRequest } from "./stripe-error.ts";

export interface Refund {
  id: string;
  object: "refund";
  amount: number;
  payment_intent: string;
  charge: string | null;
  status: "succeeded";
  created: number;
  [field: string]: unknown;
}

/** An event as it is sent to webhooks: the object as it was at that moment. */
export interface ProviderEvent {
  id: string;
  object: "event";
  type: string;
  created: number;
  data: { object: object };
  [field: string]: unknown;
}

/** One payment as an auditor wants it. */
export interface LedgerEntry {
  id: string;
  orderId: string | null;
  itemId: string | null;
  amount: number;
  amountReceived: number;
  amountRefunded: number;
  currency: string;
  status: PaymentIntent["status"];
}

/**
 * The provider's own books: intents, refunds, and the events about them. Each change happens at once and announces itself to
 * `onEvent`; wire format, keys, faults and delivery are others' business.
 */
export class Provider {
  readonly #intents = new Map<string, PaymentIntent>();
  readonly #refunds = new Map<string, Refund[]>();
  readonly #onEvent: (event: ProviderEvent) => void;
  constructor(onEvent: (event: ProviderEvent) => void) {
    this.#onEvent = onEvent;
  }

  create(parameters: CreateParameters): PaymentIntent {
    const intent = createIntent(parameters, Date.now());
    this.#intents.set(intent.id, intent);
    this.#announce("payment_intent.created", intent);
    if (parameters.confirm === "true") this.confirm(intent.id, undefined);
    return intent;
  }

  confirm(id: string, paymentMethod: string | undefined): PaymentIntent {
    const intent = this.find(id);
    try {
      confirmIntent(intent, paymentMethod);
    } finally {
      this.#announceStatus(intent);
    }
    return intent;
  }

  cancel(id: string, reason: string | undefined): PaymentIntent {
    const intent = this.find(id);
    cancelIntent(intent, reason, Date.now());
    this.#announceStatus(intent);
    return intent;
  }

  /** The shopper's or the bank's answer that an intent has been waiting for. */
  resolve(id: string, succeeded: boolean): PaymentIntent {
    const intent = this.find(id);
    resolveIntent(intent, succeeded);
    this.#announceStatus(intent);
    return intent;
  }

  refund(id: string, amountText: string | undefined): Refund {
    const intent = this.find(id);
    const left = intent.amount_received - this.refunded(id);
    if (intent.status !== "succeeded")
      throw invalidRequest("This PaymentIntent does not have a successful charge to refund.");
    if (left === 0) throw invalidRequest("Charge has already been refunded.", { code: "charge_already_refunded" });
    const amount = amountText === undefined ? left : Number(amountText);
    if (!(amount >= 1 && amount <= left))
      throw invalidRequest("Refund amount is greater than what is left.", { param: "amount" });
    const created = Math.floor(Date.now() / 1000);
    const refund: Refund = {
      ...shapes.resources.refund,
      id: newId("re"),
      object: "refund",
      amount,
      payment_intent: id,
      charge: intent.latest_charge,
      status: "succeeded",
      created,
    };
    this.#refunds.set(id, [...(this.#refunds.get(id) ?? []), refund]);
    this.#announce("charge.refunded", this.chargeOf(intent));
    return refund;
  }

  find(id: string): PaymentIntent {
    const intent = this.#intents.get(id);
    if (intent) return intent;
    throw invalidRequest(`No such payment_intent: '${id}'`, { code: "resource_missing", param: "intent" }, 404);
  }

  findBySecret(clientSecret: string): PaymentIntent {
    const intent = this.find(clientSecret.split("_secret_")[0] ?? "");
    if (intent.client_secret === clientSecret) return intent;
    throw invalidRequest("The client_secret does not match.", { param: "client_secret" });
  }

  /** Newest first, as Stripe lists them. */
  list(): PaymentIntent[] {
    return [...this.#intents.values()].reverse();
  }

  refunded(id: string): number {
    return (this.#refunds.get(id) ?? []).reduce((sum, refund) => sum + refund.amount, 0);
  }

  chargeOf(intent: PaymentIntent): object {
    const amount_refunded = this.refunded(intent.id);
    const { id: payment_intent, latest_charge: id, amount, currency, metadata } = intent;
    const refunded = amount_refunded > 0 && amount_refunded === intent.amount_received;
    return { id, object: "charge", amount, amount_refunded, refunded, currency, payment_intent, metadata };
  }

  ledger(): LedgerEntry[] {
    return [...this.#intents.values()].map((intent) => ({
      id: intent.id,
      orderId: intent.metadata.orderId ?? null,
      itemId: intent.metadata.itemId ?? null,
      amount: intent.amount,
      amountReceived: intent.amount_received,
      amountRefunded: this.refunded(intent.id),
      currency: intent.currency,
      status: intent.status,
    }));
  }

  /** Everything it knows, to be read back by `restore`. */
  snapshot(): object {
    return { intents: [...this.#intents], refunds: [...this.#refunds] };
  }

  restore(snapshot: object): void {
    const { intents, refunds } = snapshot as { intents: [string, PaymentIntent][]; refunds: [string, Refund[]][] };
    for (const [id, intent] of intents) this.#intents.set(id, intent);
    for (const [id, list] of refunds) this.#refunds.set(id, list);
  }

  #announceStatus(intent: PaymentIntent): void {
    const failed = intent.status === "requires_payment_method";
    this.#announce(`payment_intent.${failed ? "payment_failed" : intent.status}`, intent);
  }

  #announce(type: string, object: object): void {
    const created = Math.floor(Date.now() / 1000);
    const data = { object: structuredClone(object) };
    this.#onEvent({ ...shapes.resources.event, id: newId("evt"), object: "event", type, created, data });
  }
}
