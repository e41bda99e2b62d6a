import { type Charge, chargeOf, refundsOf } from "./charges.ts";
import type { Clock } from "./clock.ts";
import { ConfirmationTokens } from "./confirmation-tokens.ts";
import { closeDispute, type Dispute, openDispute, refuseDisputed } from "./disputes.ts";
import shapes from "./object-shapes.json" with { type: "json" };
import {
  type ConfirmParameters,
  type CreateParameters,
  cancelIntent,
  confirmIntent,
  createIntent,
  newId,
  type PaymentIntent,
  requireConfirmable,
  resolveIntent,
} from "./payment-intents.ts";
import { createRefund, type Refund, type RefundParameters, refundedAmount, settleRefund } from "./refunds.ts";
import type { Rules } from "./settings.ts";
import { invalidRequest, StripeApiError } from "./stripe-error.ts";

/** An event as it is sent to webhooks: the object as it was at that moment. */
export interface ProviderEvent {
  id: string;
  object: "event";
  type: string;
  created: number;
  data: { object: object };
  [field: string]: unknown;
}

/** One payment as an auditor wants it. Amounts in minor units; `created` in seconds since 1970. */
export interface LedgerEntry {
  id: string;
  orderId: string | null;
  itemId: string | null;
  amount: number;
  amountReceived: number;
  /** Succeeded and pending refunds; what failed is not refunded. */
  amountRefunded: number;
  currency: string;
  status: PaymentIntent["status"];
  disputed: boolean;
  refunds: { id: string; amount: number; status: Refund["status"] }[];
  created: number;
}

/** All that a simulator remembers of payments. Maps are written as their entries. */
interface Snapshot {
  intents: [string, PaymentIntent][];
  refunds: [string, Refund[]][];
  disputes?: [string, Dispute][];
  createdAtMs?: [string, number][];
  chargedAtSeconds?: [string, number][];
  tokens?: object;
}

/**
 * The provider's own books: intents, confirmation tokens, refunds, disputes, and the events about
 * them. Each change happens at once and announces itself to `onEvent`; wire format, keys, faults
 * and delivery are others' business.
 */
export class Provider {
  readonly tokens: ConfirmationTokens;
  readonly #intents = new Map<string, PaymentIntent>();
  /** By their payment. */
  readonly #refunds = new Map<string, Refund[]>();
  readonly #disputes = new Map<string, Dispute>();
  /** More exact than the seconds that an intent shows. */
  readonly #createdAtMs = new Map<string, number>();
  readonly #chargedAtSeconds = new Map<string, number>();
  readonly #clock: Clock;
  readonly #rules: Readonly<Rules>;
  readonly #onEvent: (event: ProviderEvent) => void;
  constructor(clock: Clock, rules: Readonly<Rules>, onEvent: (event: ProviderEvent) => void) {
    this.tokens = new ConfirmationTokens(clock, rules);
    this.#clock = clock;
    this.#rules = rules;
    this.#onEvent = onEvent;
  }

  create(parameters: CreateParameters): PaymentIntent {
    const { confirm, confirmation_token: token } = parameters;
    const intent = createIntent(parameters, this.#clock.nowSeconds(), this.#rules.currencies);
    if (token !== undefined) this.tokens.requireUsable(token); // now: a refusal leaves no payment behind
    this.#intents.set(intent.id, intent);
    this.#createdAtMs.set(intent.id, this.#clock.nowMs());
    this.announce("payment_intent.created", intent);
    if (confirm === "true") this.confirm(intent.id, token === undefined ? {} : { confirmation_token: token });
    return intent;
  }

  confirm(id: string, parameters: ConfirmParameters): PaymentIntent {
    const intent = this.find(id);
    requireConfirmable(intent, parameters);
    const { confirmation_token: token, payment_method } = parameters;
    const method = token === undefined ? payment_method : this.tokens.use(token, id);
    try {
      confirmIntent(intent, method);
    } catch (error) {
      // A decline changes the intent; a refusal changes nothing, and is no event.
      if (error instanceof StripeApiError && error.status === 402) this.#announceStatus(intent);
      throw error;
    }
    this.#announceStatus(intent);
    return intent;
  }

  cancel(id: string, reason: string | undefined): PaymentIntent {
    const intent = this.find(id);
    cancelIntent(intent, reason, this.#clock.nowSeconds());
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

  /** Refunds a payment, whoever asked for it. */
  refund(parameters: RefundParameters, status: Refund["status"] = this.#rules.refundStatus): Refund {
    const id = parameters.payment_intent ?? "";
    const intent = this.#intents.get(id);
    if (!intent) throw missing("payment_intent", id, "payment_intent");
    refuseDisputed(this.#disputes.get(id));
    const before = this.#refunds.get(id) ?? [];
    const refund = createRefund(intent, before, parameters, status, this.#clock.nowSeconds());
    this.#refunds.set(id, [...before, refund]);
    this.announce("refund.created", refund);
    if (refund.status === "failed") this.announce("refund.failed", refund);
    else this.announce("charge.refunded", this.chargeOf(intent));
    return refund;
  }

  settleRefund(id: string, status: "succeeded" | "failed", failureReason?: string): Refund {
    const refund = this.findRefund(id);
    settleRefund(refund, status, failureReason);
    this.announce("refund.updated", refund);
    if (status === "failed") this.announce("refund.failed", refund);
    return refund;
  }

  findRefund(id: string): Refund {
    const refund = this.listRefunds().find((one) => one.id === id);
    if (refund) return refund;
    throw missing("refund", id, "id");
  }

  /** Newest first; of one payment, or all. */
  listRefunds(intentId?: string): Refund[] {
    const refunds = intentId === undefined ? [...this.#refunds.values()].flat() : (this.#refunds.get(intentId) ?? []);
    return refunds.toReversed().sort((a, b) => b.created - a.created);
  }

  dispute(intentId: string): Dispute {
    const dispute = openDispute(this.find(intentId), this.#disputes.get(intentId), this.#clock.nowSeconds());
    this.#disputes.set(intentId, dispute);
    this.announce("charge.dispute.created", dispute);
    return dispute;
  }

  closeDispute(id: string, status: "won" | "lost"): Dispute {
    const dispute = [...this.#disputes.values()].find((one) => one.id === id);
    if (!dispute) throw missing("dispute", id, "dispute");
    closeDispute(dispute, status);
    this.announce("charge.dispute.closed", dispute);
    return dispute;
  }

  find(id: string): PaymentIntent {
    const intent = this.#intents.get(id);
    if (intent) return intent;
    throw missing("payment_intent", id, "intent");
  }

  findBySecret(clientSecret: string): PaymentIntent {
    const intent = this.find(clientSecret.split("_secret_")[0] ?? "");
    if (intent.client_secret === clientSecret) return intent;
    throw invalidRequest("The client_secret does not match.", { param: "client_secret" });
  }

  /** Newest first, as Stripe lists them, without those that are younger than `lagMs`. */
  list(lagMs: number): PaymentIntent[] {
    const seenUntilMs = this.#clock.nowMs() - lagMs;
    const intents = [...this.#intents.values()].reverse();
    return intents.filter(({ id, created }) => (this.#createdAtMs.get(id) ?? created * 1_000) <= seenUntilMs);
  }

  chargeOf(intent: PaymentIntent): Charge {
    return chargeOf(intent, {
      refunds: this.#refunds.get(intent.id) ?? [],
      dispute: this.#disputes.get(intent.id),
      createdSeconds: this.#chargedAtSeconds.get(intent.latest_charge ?? "") ?? intent.created,
    });
  }

  /**
   * An intent with its charge, and the charge's refunds, where asked:
   * https://docs.stripe.com/expand
   */
  expanded(intent: PaymentIntent, wanted: readonly string[]): object {
    const paths = wanted.map((path) => path.replace(/^data\./, ""));
    if (intent.latest_charge === null || !paths.some((path) => path.startsWith("latest_charge"))) return intent;
    const charge = this.chargeOf(intent);
    const refunds = refundsOf(charge, this.#refunds.get(intent.id) ?? []);
    return { ...intent, latest_charge: paths.includes("latest_charge.refunds") ? { ...charge, refunds } : charge };
  }

  ledger(): LedgerEntry[] {
    return [...this.#intents.values()].map((intent) => {
      const refunds = this.#refunds.get(intent.id) ?? [];
      return {
        id: intent.id,
        orderId: intent.metadata.orderId ?? null,
        itemId: intent.metadata.itemId ?? null,
        amount: intent.amount,
        amountReceived: intent.amount_received,
        amountRefunded: refundedAmount(refunds),
        currency: intent.currency,
        status: intent.status,
        disputed: this.#disputes.has(intent.id),
        refunds: refunds.map(({ id, amount, status }) => ({ id, amount, status })),
        created: intent.created,
      };
    });
  }

  /** Makes an event known, as it is at this moment. */
  announce(type: string, object: object): ProviderEvent {
    const created = this.#clock.nowSeconds();
    const data = { object: structuredClone(object) };
    const event: ProviderEvent = {
      ...shapes.resources.event,
      id: newId("evt"),
      object: "event",
      type,
      created,
      data,
    };
    this.#onEvent(event);
    return event;
  }

  /** Everything it knows, to be read back by `restore`. */
  snapshot(): object {
    const snapshot: Snapshot = {
      intents: [...this.#intents],
      refunds: [...this.#refunds],
      disputes: [...this.#disputes],
      createdAtMs: [...this.#createdAtMs],
      chargedAtSeconds: [...this.#chargedAtSeconds],
      tokens: this.tokens.snapshot(),
    };
    return snapshot;
  }

  restore(snapshot: object): void {
    const {
      intents,
      refunds,
      disputes = [],
      createdAtMs = [],
      chargedAtSeconds = [],
      tokens = [],
    } = snapshot as Snapshot;
    for (const [id, intent] of intents) this.#intents.set(id, intent);
    for (const [id, list] of refunds) this.#refunds.set(id, list);
    for (const [id, dispute] of disputes) this.#disputes.set(id, dispute);
    for (const [id, ms] of createdAtMs) this.#createdAtMs.set(id, ms);
    for (const [id, seconds] of chargedAtSeconds) this.#chargedAtSeconds.set(id, seconds);
    this.tokens.restore(tokens);
  }

  #announceStatus(intent: PaymentIntent): void {
    const charge = intent.latest_charge;
    if (charge !== null && !this.#chargedAtSeconds.has(charge)) {
      this.#chargedAtSeconds.set(charge, this.#clock.nowSeconds());
    }
    const failed = intent.status === "requires_payment_method";
    this.announce(`payment_intent.${failed ? "payment_failed" : intent.status}`, intent);
  }
}

function missing(object: string, id: string, param: string): StripeApiError {
  return invalidRequest(`No such ${object}: '${id}'`, { code: "resource_missing", param }, 404);
}
