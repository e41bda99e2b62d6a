import type { ChargeJob } from "@holdfast/shared/charge-job.ts";
import type { Database } from "@holdfast/shared/database.ts";
import type { ChargeQueue } from "@holdfast/shared/queues.ts";
import { sql } from "kysely";
import { expect } from "vitest";
import { cancelOrder, payWithAnotherCard } from "../../api/src/change-order.ts";
import { Problem } from "../../api/src/problems.ts";
import { mulberry32 } from "../../infra/stripe-simulator/faults.ts";
import type { LedgerEntry, ProviderEvent } from "../../infra/stripe-simulator/provider.ts";
import { addItem } from "../../infra/testing/items.ts";
import { Mortal } from "../../infra/testing/mortal.ts";
import { hintOf, passTime } from "../../infra/testing/payments.ts";
import { purchaseJob, purchaseRequest } from "../../infra/testing/purchases.ts";
import { startTestSimulator, type TestSimulator } from "../../infra/testing/simulator.ts";
import { eventually, type World } from "../../infra/testing/world.ts";
import { decidePurchase } from "../src/decide-purchase.ts";
import { processWebhook } from "../src/process-webhook.ts";
import type { ChargeParts } from "../src/serve-charges.ts";
import { settlePayment } from "../src/settle-payment.ts";
import { sweepOnce } from "../src/sweep.ts";
import { auditMoney } from "./audit-money.ts";

const cards = [
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
const limits = { unsent: 10, asked: 10 };

/**
 * One random schedule: workers that die between any two steps and jobs that run again, late or never; every fault of the provider, saved
 * failures, lists that lag, a minute without it, a wrong key; webhooks in any order and number, also of payments that nobody made here; holds
 * that end; refunds and disputes from outside; shoppers who cancel, confirm with their bank, or try another card.
 */
export class PaymentSchedule {
  readonly #story: string[] = [];
  readonly #world: World;
  readonly #simulator: TestSimulator;
  readonly #random: () => number;
  readonly #itemId: string;
  readonly #jobs: ChargeJob[] = [];
  readonly #begun = new WeakSet<ChargeJob>();
  readonly #shoppers = new Map<string, string>(); // order id → shopper

  static async run(world: World, seed: number): Promise<void> {
    const simulator = await startTestSimulator();
    const schedule = new PaymentSchedule(world, simulator, seed);
    try {
      await schedule.#run();
    } catch (error) {
      const story = schedule.#story.join("\n  ");
      throw new Error(`Schedule with SEED=${seed}: ${(error as Error).message}\n  ${story}`, { cause: error });
    } finally {
      await simulator.close();
    }
  }

  private constructor(world: World, simulator: TestSimulator, seed: number) {
    this.#world = world;
    this.#simulator = simulator;
    this.#random = mulberry32(seed);
    this.#itemId = `item-${seed}`;
  }

  async #run(): Promise<void> {
    const retries = this.#below(3);
    await addItem(this.#world.db, this.#itemId, 3, { payment_retries: retries, hold_seconds: 600 });
    await this.#buy();
    const steps = 8 + this.#below(18);
    for (let i = 0; i < steps; i++) {
      // Now and then several at the same moment, interleaved as the network has it.
      const atOnce = this.#below(3) === 0 ? 3 : 1;
      await Promise.all(Array.from({ length: atOnce }, () => this.#step()));
    }
    await this.#comeToRest();
    await auditMoney(this.#world.db, this.#simulator, this.#itemId, [...this.#shoppers.keys()]);
  }

  async #step(): Promise<void> {
    const actions = [
      () => this.#buy(),
      () => this.#runJob(),
      () => this.#runJob(),
      () => this.#runJob(),
      () => this.#runJob(),
      () => this.#deliverWebhook(),
      () => this.#deliverWebhook(),
      () => this.#deliverWebhook(),
      () => this.#sweep(),
      () => this.#sweep(),
      () => this.#answerTheBank(),
      () => this.#browserPays(),
      () => this.#somebodyPays(),
      () => this.#changeCard(),
      () => this.#shopperCancels(),
      () => this.#letTimePass(this.#pick([second, 15 * second, 2 * minute, 11 * minute, 25 * hour]) ?? 0),
      () => this.#letTimePass(this.#pick([second, 15 * second, 2 * minute]) ?? 0),
      () => this.#setFaults(this.#below(2) * 0.6),
      () => this.#configure(),
      () => this.#refundOutside(),
      () => this.#settleRefund(),
      () => this.#dispute(),
    ];
    await this.#pick(actions)?.();
  }

  async #buy(): Promise<void> {
    const request = purchaseRequest({ paymentMethod: this.#pick(cards) ?? "", quantity: 1 + this.#below(2) });
    const job = purchaseJob(this.#itemId, [request]);
    await this.#mortally(`buys with ${request.paymentMethod}`, async (parts) => {
      await decidePurchase(parts, "{lane-0}", job);
    });
    // The lane runs a job again until it is done; a dead worker's lock goes by itself.
    const decide = () => decidePurchase(this.#parts(new Mortal()), "{lane-0}", job);
    await eventually("the order is decided", async () => (await decide()) === "decided");
    // From here on it can be cancelled, looked at, asked about: nobody does that to an order that Postgres does not know.
    this.#shoppers.set(request.orderId, request.shopperId);
  }

  async #runJob(): Promise<void> {
    const index = this.#below(this.#jobs.length);
    const job = this.#jobs[index];
    if (!job) return;
    const ranBefore = this.#begun.has(job);
    this.#begun.add(job);
    const done = await this.#mortally(ranBefore ? "runs a job again" : "runs a job", async (parts) => {
      await settlePayment(parts, job.orderId, ranBefore);
    });
    const twice = this.#below(6) === 0; // a stalled job's second run
    const place = this.#jobs.indexOf(job);
    if ((done && !twice && place >= 0) || this.#below(10) === 0) this.#jobs.splice(Math.max(0, place), 1); // or it gets lost
  }

  async #deliverWebhook(): Promise<void> {
    const event = this.#pick(await this.#simulator.events());
    if (event) await this.#deliver(event);
  }

  async #deliver(event: ProviderEvent): Promise<void> {
    await this.#mortally(`hears ${event.type}`, async ({ db, charges }) => {
      await processWebhook(db, charges, hintOf(event));
    });
  }

  async #sweep(): Promise<void> {
    await this.#letTimePass(4 * second);
    await this.#mortally("sweeps", async (parts) => {
      await sweepOnce(parts, limits);
    });
  }

  async #answerTheBank(): Promise<void> {
    const succeed = String(this.#below(2) === 0);
    const waiting = (await this.#ledger()).filter((p) => p.status === "requires_action" || p.status === "processing");
    const payment = this.#pick(waiting);
    if (!payment) return;
    this.#story.push(`bank answers ${succeed}`);
    await fetch(`${this.#simulator.url}/_simulator/decide`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ payment_intent: payment.id, succeed }),
    });
  }

  /** A browser that still has the client secret pays behind our back, with a card that works. */
  async #browserPays(): Promise<void> {
    const payment = this.#pick(
      (await this.#ledger()).filter((p) => p.status === "requires_payment_method" || p.status === "requires_action"),
    );
    if (!payment) return;
    const paid = this.#simulator.stripe.paymentIntents.confirm(payment.id, { payment_method: "pm_card_visa" });
    this.#story.push(`browser pays ${payment.id}: ${await worked(paid)}`);
  }

  /** A payment under an order's metadata that no worker made: of another system, or of a request that everybody forgot. */
  async #somebodyPays(): Promise<void> {
    const orderId = this.#pick([...this.#shoppers.keys()]);
    if (!orderId || this.#below(3) > 0) return;
    const paid = this.#simulator.stripe.paymentIntents.create({
      amount: this.#pick([1_999, 3_998, 555]) ?? 0,
      currency: "eur",
      payment_method: this.#pick(cards) ?? "",
      confirm: true,
      metadata: { orderId, itemId: this.#itemId, ...(this.#below(2) === 0 && { attempt: "1" }) },
    });
    this.#story.push(`somebody pays for ${orderId}: ${await worked(paid)}`);
  }

  async #changeCard(): Promise<void> {
    const [orderId, shopperId] = this.#pick([...this.#shoppers]) ?? ["", ""];
    const card = this.#pick(cards) ?? "";
    const key = this.#below(2) === 0 ? `key-${this.#below(1_000_000)}` : null;
    const parts = { ...this.#parts(new Mortal()), laneCount: 1 };
    const change = () => payWithAnotherCard(parts, shopperId, orderId, card, key);
    const before = await this.#cards(orderId);
    const both = await Promise.allSettled([change(), change()]);
    const refused = both.filter((result) => result.status === "rejected");
    for (const { reason } of refused) expect(reason).toBeInstanceOf(Problem);
    const tried = (await this.#cards(orderId)) - before;
    expect(tried, "of two at the same time at most one is tried").toBeLessThanOrEqual(1);
    if (key !== null) expect(refused.length, "a repeat under a key is the same try").not.toBe(1);
    this.#story.push(`${tried} change to ${card}`);
  }

  async #cards(orderId: string): Promise<number> {
    const row = await this.#world.db
      .selectFrom("orders")
      .select("payment_cards")
      .where("id", "=", orderId)
      .executeTakeFirst();
    return row?.payment_cards ?? 0;
  }

  async #shopperCancels(): Promise<void> {
    const [orderId, shopperId] = this.#pick([...this.#shoppers]) ?? ["", ""];
    const parts = { ...this.#parts(new Mortal()), laneCount: 1, decisionWaitMs: 0 };
    this.#story.push(`shopper cancels: ${await worked(cancelOrder(parts, shopperId, orderId))}`);
  }

  async #setFaults(rate: number): Promise<void> {
    this.#story.push(`faults ${rate}`);
    await this.#simulator.configure({ randomFaults: rate === 0 ? null : { rate, seed: this.#below(1_000_000) } });
  }

  /** What the provider does as a whole: its lists lag, it is unavailable, it refuses our key, its refunds take days. */
  async #configure(): Promise<void> {
    const settings = this.#pick([
      { listLagMs: minute, searchLagMs: minute },
      { listLagMs: 3 * hour, searchLagMs: 3 * hour },
      { outage: true },
      { outage: "broken_connection" as const },
      { secretKey: "sk_another" },
      { currencies: ["usd"] },
      { refundStatus: "pending" as const },
      healthy,
    ]);
    if (!settings) return;
    this.#story.push(`provider: ${JSON.stringify(settings)}`);
    await this.#simulator.configure(settings);
  }

  async #refundOutside(): Promise<void> {
    const payment = this.#pick((await this.#ledger()).filter((p) => p.amountReceived > p.amountRefunded));
    if (!payment || this.#below(3) > 0) return;
    const amount = this.#below(2) === 0 ? payment.amountReceived - payment.amountRefunded : 100;
    const status = this.#pick(["succeeded", "pending"] as const) ?? "succeeded";
    const refunded = this.#simulator.refundOutside({ payment_intent: payment.id, amount, status });
    this.#story.push(`refund of ${amount} from outside, ${status}: ${await worked(refunded)}`);
  }

  async #settleRefund(): Promise<void> {
    const refunds = (await this.#ledger()).flatMap((p) => p.refunds).filter(({ status }) => status === "pending");
    const refund = this.#pick(refunds);
    if (!refund) return;
    const status = this.#pick(["succeeded", "failed"] as const) ?? "succeeded";
    this.#story.push(
      `refund ${refund.id} has ${status}: ${await worked(this.#simulator.settleRefund(refund.id, status))}`,
    );
  }

  async #dispute(): Promise<void> {
    const payment = this.#pick(
      (await this.#ledger()).filter((p) => p.amountReceived > p.amountRefunded && !p.disputed),
    );
    if (!payment || this.#below(3) > 0) return;
    this.#story.push(`dispute of ${payment.id}: ${await worked(this.#simulator.openDispute(payment.id))}`);
  }

  /** The provider is well again, the holds end, and everyone does their work: then every order has to be settled. */
  async #comeToRest(): Promise<void> {
    await this.#simulator.configure({ ...healthy, randomFaults: null });
    this.#story.push("comes to rest");
    const heard = new Set<string>();
    for (let round = 0; round < 20; round++) {
      for (const payment of await this.#ledger()) {
        if (payment.status === "processing") await this.#answerTheBank();
        for (const { id, status } of payment.refunds) {
          if (status === "pending") await this.#simulator.settleRefund(id, "succeeded");
        }
      }
      await this.#letTimePass(round < 8 ? 11 * minute : 7 * hour);
      await sweepOnce(this.#parts(new Mortal()), limits);
      for (const job of this.#jobs.splice(0)) await settlePayment(this.#parts(new Mortal()), job.orderId);
      const { db, charges } = this.#parts(new Mortal());
      const events = (await this.#simulator.events()).filter(({ id }) => !heard.has(id));
      for (const event of events) await processWebhook(db, charges, hintOf(event));
      for (const { id } of events) heard.add(id);
      if (round > 1 && events.length + this.#jobs.length + (await this.#open()) === 0) return;
    }
  }

  async #open(): Promise<number> {
    const { rows } = await sql<{ open: number }>`
      select
        (select count(*) from orders where item_id = ${this.#itemId} and payment_due_at is not null)
        + (
          select count(*) from unmatched_payments u join orders o on o.id = u.order_id
          where o.item_id = ${this.#itemId} and u.outcome is null
        ) as open`.execute(this.#world.db);
    return rows[0]?.open ?? 0;
  }

  async #ledger(): Promise<LedgerEntry[]> {
    return this.#simulator.ledger();
  }

  async #letTimePass(ms: number): Promise<void> {
    if (ms > 10 * second) this.#story.push(`${ms / second} s go by`);
    await this.#simulator.advanceClock(ms);
    await passTime(this.#world.db, ms, this.#itemId);
  }

  /** Does something in a process that may die at any step of it. Returns whether it got to the end. */
  async #mortally(what: string, act: (parts: ChargeParts) => Promise<void>): Promise<boolean> {
    const process = new Mortal();
    const steps = this.#below(3) === 0 ? 1 + this.#below(24) : Number.POSITIVE_INFINITY;
    process.liveFor(steps);
    try {
      await act(this.#parts(process));
      this.#story.push(what);
      return !process.dead;
    } catch (error) {
      if (!process.dead) throw error;
      this.#story.push(`${what}, dies at step ${steps}`);
      return false;
    }
  }

  #parts(process: Mortal): ChargeParts {
    const { db, redis, keys } = this.#world;
    const queue = {
      add: async (_name: string, job: ChargeJob) => void this.#jobs.push(job),
      addBulk: async (entries: { data: ChargeJob }[]) => void this.#jobs.push(...entries.map(({ data }) => data)),
    };
    const database: Database = process.database(db);
    return {
      db: database,
      redis,
      keys,
      stripe: process.client(this.#simulator.stripe),
      charges: process.client(queue) as unknown as ChargeQueue,
      raiseAlarm: () => {},
      log: silent,
    };
  }

  #below(n: number): number {
    return Math.floor(this.#random() * n);
  }

  #pick<T>(list: readonly T[]): T | undefined {
    return list[this.#below(list.length)];
  }
}

const healthy = {
  outage: false,
  secretKey: null,
  currencies: null,
  listLagMs: 0,
  searchLagMs: null,
  refundStatus: "succeeded",
} as const;
const silent = { info: () => {} } as unknown as ChargeParts["log"];

async function worked(attempt: Promise<unknown>): Promise<"yes" | "no"> {
  return attempt.then(
    () => "yes",
    () => "no",
  );
}
