import { faultKinds } from "@holdfast/infra/stripe-simulator/faults.ts";
import type { LedgerEntry, ProviderEvent } from "@holdfast/infra/stripe-simulator/provider.ts";
import type { TestSimulator } from "@holdfast/testing/simulator.ts";
import type { Dice } from "./dice.ts";

export const cards = [
  "pm_card_visa",
  "pm_card_visa",
  "pm_card_chargeDeclined",
  "pm_card_authenticationRequired",
  "pm_simulator_processing",
  "pm_that_does_not_exist",
];
const second = 1_000;
const minute = 60 * second;
const hour = 60 * minute;

const healthy = {
  outage: false,
  secretKey: null,
  currencies: null,
  listLagMs: 0,
  searchLagMs: null,
  refundStatus: "succeeded",
  confirmationTokenLifeMs: 15 * minute,
} as const;

/** What we take for granted of the provider's lists is a lag of no more than this. */
const usualLag = { listLagMs: 5 * second, searchLagMs: minute };
const unusualLags = [
  { listLagMs: minute, searchLagMs: minute },
  { listLagMs: 3 * hour, searchLagMs: 3 * hour },
];
/**
 * What a moment's fault hits: the call that makes a payment, asks about one, cancels or refunds
 * one.
 */
const targets = [
  { path: "/v1/payment_intents", suffix: "/payment_intents", method: "POST" },
  { path: "/v1/payment_intents/pi_", method: "GET" },
  { path: "/v1/payment_intents", suffix: "/cancel" },
  { path: "/v1/refunds" },
];
// Latency is everywhere in a schedule, and no answer at all takes the SDK's whole timeout.
const faults = faultKinds.filter((kind) => kind !== "never" && kind !== "latency");

/**
 * What happens at the payment provider without us: its faults, the shopper's bank, people at its
 * dashboard, somebody else's payments.
 */
export class ProviderSide {
  /**
   * Whether its lists ever lagged by more than we take for granted: a payment may have been missed,
   * and be refunded later.
   */
  laggedUnusually = false;
  /**
   * Orders with a payment of somebody else's that says it is our own attempt: which of the two
   * counts nobody can tell before both are known.
   */
  readonly impersonated = new Set<string>();
  readonly #paidByBrowser = new Set<string>();
  readonly #simulator: TestSimulator;
  readonly #dice: Dice;
  readonly #tell: (what: string) => void;

  constructor(simulator: TestSimulator, dice: Dice, tell: (what: string) => void) {
    this.#simulator = simulator;
    this.#dice = dice;
    this.#tell = tell;
  }

  async ledger(): Promise<LedgerEntry[]> {
    return this.#simulator.ledger();
  }

  /**
   * A card as a shopper's browser sends it: by its name, or as a confirmation token that stands for
   * it, or one that grew stale.
   */
  async present(card: string): Promise<string> {
    if (this.#dice.oneIn(2)) return card;
    if (card === "pm_that_does_not_exist") return "ctoken_stale";
    const create = () => this.#simulator.stripe.testHelpers.confirmationTokens.create({ payment_method: card });
    return (await create().catch(() => null))?.id ?? card; // a browser without the provider tries later
  }

  async answerTheBank(): Promise<void> {
    const succeed = String(this.#dice.oneIn(2));
    const waiting = (await this.ledger()).filter((p) => p.status === "requires_action" || p.status === "processing");
    const payment = this.#dice.pick(waiting);
    if (!payment) return;
    this.#tell(`bank answers ${succeed}`);
    await fetch(`${this.#simulator.url}/_simulator/decide`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ payment_intent: payment.id, succeed }),
    });
  }

  /** A browser that still has the client secret pays behind our back, with a card that works. */
  async browserPays(): Promise<void> {
    const payment = this.#dice.pick(
      (await this.ledger()).filter((p) => p.status === "requires_payment_method" || p.status === "requires_action"),
    );
    if (!payment) return;
    this.#paidByBrowser.add(payment.id);
    const paid = this.#simulator.stripe.paymentIntents.confirm(payment.id, { payment_method: "pm_card_visa" });
    this.#tell(`browser pays ${payment.id}: ${await worked(paid)}`);
  }

  /**
   * A payment under an order's metadata that no worker made: of another system, or of a request
   * that everybody forgot.
   */
  async somebodyPays(orderId: string, itemId: string, attempt: string | null): Promise<void> {
    const paid = this.#simulator.stripe.paymentIntents.create({
      amount: this.#dice.pick([1_999, 3_998, 555]) ?? 0,
      currency: "eur",
      payment_method: this.#dice.oneIn(2) ? "pm_card_visa" : (this.#dice.pick(cards) ?? ""),
      confirm: true,
      metadata: { orderId, itemId, by: "somebody", ...(attempt !== null && { attempt }) },
    });
    if (attempt !== null) this.impersonated.add(orderId);
    this.#tell(`somebody pays for ${orderId}: ${await worked(paid)}`);
  }

  /** The payments that our workers made, and nobody else ever paid. */
  async ours(): Promise<LedgerEntry[]> {
    const others = new Set(this.#paidByBrowser);
    for (const event of await this.#simulator.events()) {
      if (event.type === "payment_intent.created" && !isOfOurPayment(event))
        others.add((event.data.object as { id: string }).id);
    }
    return (await this.ledger()).filter(({ id }) => !others.has(id));
  }

  async setFaults(): Promise<void> {
    const rate = this.#dice.below(2) * 0.6;
    this.#tell(`faults ${rate}`);
    // Every second time our own faults are among them: a key without the right, an account that may
    // not charge.
    const kinds = this.#dice.oneIn(2) ? faults : undefined;
    const randomFaults = { rate, seed: this.#dice.below(1_000_000), ...(kinds && { kinds }) };
    await this.#simulator.configure({ randomFaults: rate === 0 ? null : randomFaults });
  }

  /** The next calls of one kind go wrong. */
  async scriptFaults(target = this.#dice.pick(targets) ?? {}): Promise<void> {
    const fault = this.#dice.pick(faults) ?? "error_before";
    const times = 1 + this.#dice.below(3);
    this.#tell(`${times} × ${fault} at ${JSON.stringify(target)}`);
    await this.#simulator.script([{ ...target, fault, times }]);
  }

  async failSettlingUnmatched(): Promise<void> {
    await this.scriptFaults(this.#dice.pick(targets.slice(1)));
  }

  /**
   * The next charge is carried out, and answered with a failure that is saved under its key; the
   * lists lag.
   */
  async saveFailure(): Promise<void> {
    const lag = this.#dice.oneIn(2) ? usualLag : unusualLags[1];
    if (lag !== usualLag) this.laggedUnusually = true;
    this.#tell(`next charge has a saved failure, lists lag: ${JSON.stringify(lag)}`);
    await this.#simulator.configure({ outage: false, secretKey: null, currencies: null, ...lag });
    await this.#simulator.script([{ ...targets[0], fault: "error_after", times: 1 }]);
  }

  /**
   * What the provider does as a whole: its lists lag, it is unavailable, it refuses our key, its
   * refunds take days.
   */
  async configure(): Promise<void> {
    const settings = this.#dice.pick([
      usualLag,
      ...unusualLags,
      { outage: true },
      { outage: "broken_connection" as const },
      { secretKey: "sk_another" },
      { currencies: ["usd"] },
      { refundStatus: "pending" as const },
      healthy,
      healthy,
    ]);
    if (!settings) return;
    if (unusualLags.some((lag) => lag === settings)) this.laggedUnusually = true;
    this.#tell(`provider: ${JSON.stringify(settings)}`);
    await this.#simulator.configure(settings);
  }

  /** Whatever was wrong with it is mended. */
  async recover(): Promise<void> {
    await this.#simulator.script([]);
    await this.#simulator.configure({ ...healthy, randomFaults: null });
  }

  async refundOutside(): Promise<void> {
    const payment = this.#dice.pick((await this.ledger()).filter((p) => p.amountReceived > p.amountRefunded));
    if (!payment || this.#dice.below(3) > 0) return;
    const amount = this.#dice.oneIn(2) ? payment.amountReceived - payment.amountRefunded : 100;
    const status = this.#dice.pick(["succeeded", "pending"] as const) ?? "succeeded";
    const refunded = this.#simulator.refundOutside({ payment_intent: payment.id, amount, status });
    this.#tell(`refund of ${amount} from outside, ${status}: ${await worked(refunded)}`);
  }

  /** The bank's word on a refund; one that succeeded may fail days later. */
  async settleRefund(): Promise<void> {
    const refunds = (await this.ledger()).flatMap((p) => p.refunds).filter(({ status }) => status !== "failed");
    const refund = this.#dice.pick(refunds);
    if (!refund) return;
    const status = refund.status === "succeeded" || this.#dice.oneIn(2) ? "failed" : "succeeded";
    if (refund.status === "succeeded" && !this.#dice.oneIn(2)) return;
    this.#tell(`refund ${refund.id} has ${status}: ${await worked(this.#simulator.settleRefund(refund.id, status))}`);
  }

  async dispute(): Promise<void> {
    const payment = this.#dice.pick(
      (await this.ledger()).filter((p) => p.amountReceived > p.amountRefunded && !p.disputed),
    );
    if (!payment || this.#dice.below(3) > 0) return;
    this.#tell(`dispute of ${payment.id}: ${await worked(this.#simulator.openDispute(payment.id))}`);
  }

  /** The banks answer what waits for them. */
  async finishWaiting(): Promise<void> {
    for (const payment of await this.ledger()) {
      if (payment.status === "processing") await this.answerTheBank();
      for (const { id, status } of payment.refunds) {
        if (status === "pending") await this.#simulator.settleRefund(id, "succeeded");
      }
    }
  }
}

/** Whether an event is about a payment itself, and that is one that a worker of ours made. */
export function isOfOurPayment({ data }: ProviderEvent): boolean {
  const { object, metadata } = data.object as { object: string; metadata?: { by?: string } };
  return object === "payment_intent" && metadata?.by === undefined;
}

export async function worked(attempt: Promise<unknown>): Promise<"yes" | "no"> {
  return attempt.then(
    () => "yes",
    () => "no",
  );
}
