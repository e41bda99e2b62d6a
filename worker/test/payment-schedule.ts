import { Problem } from "@holdfast/api/http/problems.ts";
import { requestRefund } from "@holdfast/api/ops/refund-order.ts";
import { cancelOrder, payWithAnotherCard } from "@holdfast/api/orders/change-order.ts";
import type { ProviderEvent } from "@holdfast/infra/stripe-simulator/provider.ts";
import type { ChargeJob } from "@holdfast/shared/charge-job.ts";
import type { Database } from "@holdfast/shared/database.ts";
import type { ChargeQueue } from "@holdfast/shared/queues.ts";
import { addItem } from "@holdfast/testing/items.ts";
import { Mortal } from "@holdfast/testing/mortal.ts";
import { hintOf, passTime } from "@holdfast/testing/payments.ts";
import { purchaseJob, purchaseRequest } from "@holdfast/testing/purchases.ts";
import { startTestSimulator, type TestSimulator } from "@holdfast/testing/simulator.ts";
import { eventually, type World } from "@holdfast/testing/world.ts";
import { sql } from "kysely";
import { expect } from "vitest";
import { processWebhook } from "../src/payment/process-webhook.ts";
import type { ChargeParts } from "../src/payment/serve-charges.ts";
import { settlePayment } from "../src/payment/settle-payment.ts";
import { sweepOnce } from "../src/recovery/sweep.ts";
import { decidePurchase } from "../src/reserve/decide-purchase.ts";
import type { KnownItems } from "../src/reserve/reserve-orders.ts";
import { auditMoney } from "./audit-money.ts";
import { Dice } from "./dice.ts";
import { MoneyWatch } from "./money-watch.ts";
import { cards, isOfOurPayment, ProviderSide, worked } from "./provider-side.ts";

const second = 1_000;
const minute = 60 * second;
const hour = 60 * minute;
const firstLongRound = 8; // of those in which everything comes to rest
const operator = { name: "ada", role: "act", address: "192.0.2.1" } as const;
const limits = { unsent: 10, asked: 10 };

/**
 * One random schedule: workers that die between any two steps and jobs that run again, late or
 * never; every fault of the provider, saved failures, lists that lag, a minute without it, a wrong
 * key; webhooks in any order and number, also of payments that nobody made here; holds that end;
 * refunds and disputes from outside; operators who ask for refunds; shoppers who cancel, confirm
 * with their bank, or try another card.
 */
export class PaymentSchedule {
  readonly #story: string[] = [];
  readonly #world: World;
  readonly #simulator: TestSimulator;
  readonly #provider: ProviderSide;
  readonly #watch: MoneyWatch;
  readonly #dice: Dice;
  #alone = true; // whether nothing else is going on at the same moment
  #passesLaterMs = 0; // how much time is to pass once that is over
  readonly #itemId: string;
  readonly #webhooksGetLost: boolean;
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
    this.#dice = new Dice(seed);
    this.#provider = new ProviderSide(simulator, this.#dice, (what) => this.#story.push(what));
    this.#itemId = `item-${seed}`;
    this.#webhooksGetLost = this.#dice.oneIn(2);
    this.#watch = new MoneyWatch(world.db, this.#provider, this.#itemId);
  }

  async #run(): Promise<void> {
    const retries = this.#dice.below(3);
    await addItem(this.#world.db, this.#itemId, 5, { payment_retries: retries, hold_seconds: 600 });
    await this.#buy();
    const steps = 8 + this.#dice.below(18);
    for (let i = 0; i < steps; i++) {
      // Now and then several at the same moment, interleaved as the network has it.
      const alone = !this.#dice.oneIn(3);
      this.#alone = alone;
      await Promise.all(Array.from({ length: alone ? 1 : 3 }, () => this.#step()));
      this.#alone = true;
      await this.#letTimePass(this.#passesLaterMs);
      await this.#watch.afterStep(alone);
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
      () => this.#provider.answerTheBank(),
      () => this.#provider.browserPays(),
      () => this.#somebodyPays(),
      () => this.#somebodyPays(),
      () => this.#changeCard(),
      () => this.#shopperCancels(),
      () => this.#operatorRefunds(),
      () => this.#operatorRefunds(),
      () => this.#letTimePass(this.#dice.pick([second, 15 * second, 11 * minute, 25 * hour, 25 * hour]) ?? 0),
      () => this.#letTimePass(this.#dice.pick([second, 15 * second, 2 * minute]) ?? 0),
      () => this.#provider.setFaults(),
      () => this.#provider.scriptFaults(),
      () => this.#provider.scriptFaults(),
      () => this.#saveFailure(),
      () => this.#provider.configure(),
      () => this.#provider.configure(),
      () => this.#aMinuteWithoutProvider(),
      () => this.#provider.refundOutside(),
      () => this.#provider.settleRefund(),
      () => this.#provider.settleRefund(),
      () => this.#provider.dispute(),
    ];
    await this.#dice.pick(actions)?.();
  }

  /** The worker's, which survives the deaths of its steps here: so it is mostly out of date. */
  readonly #knownItems: KnownItems = new Map();

  async #buy(card = this.#dice.pick(cards) ?? ""): Promise<string> {
    const presented = await this.#provider.present(card);
    const request = purchaseRequest({ card: presented, quantity: 1 + this.#dice.below(2) });
    const job = purchaseJob(this.#itemId, [request]);
    await this.#mortally(`buys with ${card} as ${presented}`, async (parts) => {
      await decidePurchase({ ...parts, known: this.#knownItems }, "{lane-0}", job);
    });
    // The lane runs a job again until it is done; a dead worker's lock goes by itself.
    const decide = () => decidePurchase({ ...this.#parts(new Mortal()), known: this.#knownItems }, "{lane-0}", job);
    await eventually("the order is decided", async () => (await decide()) === "decided");
    // From here on it can be cancelled, looked at, asked about: nobody does that to an order that
    // Postgres does not know.
    this.#shoppers.set(request.orderId, request.shopperId);
    return request.orderId;
  }

  /**
   * A card is charged, but all that is ever answered is a failure saved under its key: the first
   * card of an order, or its second.
   */
  async #saveFailure(): Promise<void> {
    const first = this.#dice.oneIn(2);
    const orderId = await this.#buy(first ? "pm_card_visa" : "pm_that_does_not_exist");
    if (!first) await this.#work(orderId);
    await this.#provider.saveFailure();
    if (!first) await this.#changeCard(orderId, "pm_card_visa");
    await this.#work(orderId);
    await this.#letTimePass(this.#dice.pick([second, 11 * minute, 25 * hour]) ?? 0);
    await this.#work(orderId);
  }

  async #work(orderId: string, ranBefore = false): Promise<boolean> {
    return this.#mortally(ranBefore ? "runs a job again" : "runs a job", async (parts) => {
      await settlePayment(parts, orderId, ranBefore);
    });
  }

  async #runJob(index = this.#dice.below(this.#jobs.length)): Promise<void> {
    const job = this.#jobs[index];
    if (!job) return;
    const ranBefore = this.#begun.has(job);
    this.#begun.add(job);
    const done = await this.#work(job.orderId, ranBefore);
    const twice = this.#dice.oneIn(6); // a stalled job's second run
    const place = this.#jobs.indexOf(job);
    if ((done && !twice && place >= 0) || this.#dice.oneIn(10)) this.#jobs.splice(Math.max(0, place), 1); // or it gets lost
  }

  /** Everyone tries again and again, and nobody gets an answer. */
  async #aMinuteWithoutProvider(): Promise<void> {
    this.#story.push("a minute without the provider");
    await this.#simulator.configure({ outage: this.#dice.oneIn(2) ? true : "broken_connection" });
    for (let round = 0; round < 4; round++) {
      await this.#letTimePass(20 * second);
      await this.#sweep();
      for (let jobs = this.#jobs.length; jobs > 0; jobs--) await this.#runJob(0);
    }
    await this.#simulator.configure({ outage: false });
  }

  async #deliverWebhook(): Promise<void> {
    const event = this.#dice.pick(await this.#events());
    if (event) await this.#deliver(event);
  }

  /**
   * Where webhooks get lost, they are those of the payments that we made: we ask about these
   * ourselves.
   */
  async #events(): Promise<ProviderEvent[]> {
    const events = await this.#simulator.events();
    return this.#webhooksGetLost ? events.filter((event) => !isOfOurPayment(event)) : events;
  }

  async #deliver(event: ProviderEvent): Promise<void> {
    const done = await this.#mortally(`hears ${event.type}`, async ({ db, charges }) => {
      await processWebhook(db, charges, hintOf(event));
    });
    if (done && this.#alone) await this.#watch.told(event);
  }

  /**
   * A payment for an order that no worker made; two in three are of an amount that some order has.
   * Mostly its webhook is next, and its job, which meets a fault of its own at times.
   */
  async #somebodyPays(): Promise<void> {
    const orderId = this.#anyOrder();
    // It may say that it is our own attempt: then the other one is only known by its webhook.
    const attempt = !this.#webhooksGetLost && this.#dice.oneIn(2) ? "1" : null;
    await this.#provider.somebodyPays(orderId, this.#itemId, attempt);
    const event = (await this.#events()).findLast((one) => hintOf(one).orderId === orderId);
    if (!event || this.#dice.oneIn(3)) return;
    await this.#deliver(event);
    if (this.#dice.oneIn(2)) await this.#provider.failSettlingUnmatched();
    if (!this.#dice.oneIn(4)) await this.#runJob(this.#jobs.length - 1);
  }

  async #sweep(): Promise<void> {
    await this.#letTimePass(4 * second);
    await this.#mortally("sweeps", async (parts) => {
      await sweepOnce(parts, limits);
    });
  }

  async #changeCard(orderId = this.#anyOrder(), card = this.#dice.pick(cards) ?? ""): Promise<void> {
    const shopperId = this.#shoppers.get(orderId) ?? "";
    const key = this.#dice.oneIn(2) ? `key-${this.#dice.below(1_000_000)}` : null;
    const parts = { ...this.#parts(new Mortal()), laneCount: 1 };
    const presented = await this.#provider.present(card);
    const change = () => payWithAnotherCard(parts, shopperId, orderId, presented, key);
    const both = await Promise.allSettled([change(), change()]);
    const refused = both.filter((result) => result.status === "rejected");
    for (const { reason } of refused) expect(reason).toBeInstanceOf(Problem);
    const accepted = both.length - refused.length;
    // With others at work a card may be refused now, and be expected a moment later.
    if (this.#alone && key === null) expect(accepted, "of two at the same time one is tried").toBeLessThan(2);
    if (this.#alone && key !== null) expect(accepted, "a repeat under a key is the same try").not.toBe(1);
    this.#story.push(`${accepted} changes to ${card} as ${presented}`);
  }

  async #shopperCancels(): Promise<void> {
    const orderId = this.#anyOrder();
    const shopperId = this.#shoppers.get(orderId) ?? "";
    const parts = { ...this.#parts(new Mortal()), laneCount: 1, decisionWaitMs: 0 };
    this.#story.push(`shopper cancels: ${await worked(cancelOrder(parts, shopperId, orderId))}`);
  }

  /** Whoever asks may die before the job is added: the sweeper finds it then. */
  async #operatorRefunds(): Promise<void> {
    const { db } = this.#world;
    const paid = db.selectFrom("orders").select("id").where("item_id", "=", this.#itemId).orderBy("id");
    const ids = (await paid.where("status", "=", "confirmed").execute()).map(({ id }) => id);
    const orderId = this.#dice.pick(ids) ?? this.#anyOrder();
    const request = { returnUnits: this.#dice.oneIn(2), reason: null };
    await this.#mortally("an operator asks for a refund", async ({ db, charges }) => {
      const answer = await requestRefund(db, operator, orderId, request);
      if (answer.kind === "requested") await charges.add("check", { orderId });
    });
  }

  /**
   * The provider is well again, the holds end, and everyone does their work: then every order has
   * to be settled.
   */
  async #comeToRest(): Promise<void> {
    await this.#provider.recover();
    this.#story.push("comes to rest");
    const heard = new Set<string>();
    for (let round = 0; round < 20; round++) {
      await this.#provider.finishWaiting();
      await this.#letTimePass(round < firstLongRound ? 11 * minute : 7 * hour);
      await sweepOnce(this.#parts(new Mortal()), limits);
      for (const job of this.#jobs.splice(0)) await settlePayment(this.#parts(new Mortal()), job.orderId);
      const { db, charges } = this.#parts(new Mortal());
      const events = (await this.#events()).filter(({ id }) => !heard.has(id));
      for (const event of events) await processWebhook(db, charges, hintOf(event));
      for (const { id } of events) heard.add(id);
      await this.#watch.afterStep(true);
      if (round === firstLongRound) await this.#watch.atRest();
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

  /** Mostly the last one that was bought: with it things are under way. */
  #anyOrder(): string {
    const orderIds = [...this.#shoppers.keys()];
    return (this.#dice.oneIn(2) ? orderIds.at(-1) : this.#dice.pick(orderIds)) ?? "";
  }

  /** Not while somebody's request is on its way: none takes minutes. */
  async #letTimePass(ms: number): Promise<void> {
    this.#passesLaterMs = this.#alone ? 0 : this.#passesLaterMs + ms;
    if (!this.#alone || ms === 0) return;
    if (ms > 10 * second) this.#story.push(`${ms / second} s go by`);
    await this.#simulator.advanceClock(ms);
    await passTime(this.#world.db, ms, this.#itemId);
  }

  /**
   * Does something in a process that may die at any step of it. Returns whether it got to the end.
   */
  async #mortally(what: string, act: (parts: ChargeParts) => Promise<void>): Promise<boolean> {
    const process = new Mortal();
    const steps = this.#dice.oneIn(3) ? 1 + this.#dice.below(24) : Number.POSITIVE_INFINITY;
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
}

const silent = { info: () => {} } as unknown as ChargeParts["log"];
