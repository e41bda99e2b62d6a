import type { ChargeJob } from "@holdfast/shared/charge-job.ts";
import { createLog } from "@holdfast/shared/log.ts";
import { isFinal } from "@holdfast/shared/order.ts";
import type { ChargeQueue } from "@holdfast/shared/queues.ts";
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { payWithAnotherCard } from "../../api/src/change-order.ts";
import { Problem } from "../../api/src/problems.ts";
import { mulberry32 } from "../../infra/stripe-simulator/faults.ts";
import type { LedgerEntry, ProviderEvent } from "../../infra/stripe-simulator/provider.ts";
import { addItem, booksOf } from "../../infra/testing/items.ts";
import { Mortal } from "../../infra/testing/mortal.ts";
import { purchaseJob, purchaseRequest } from "../../infra/testing/purchases.ts";
import { seedFrom } from "../../infra/testing/seeds.ts";
import { startTestSimulator, type TestSimulator } from "../../infra/testing/simulator.ts";
import { createWorld, eventually, type World } from "../../infra/testing/world.ts";
import { decidePurchase } from "../src/decide-purchase.ts";
import { processWebhook } from "../src/process-webhook.ts";
import { type ChargeParts, PaymentOutcomeUnknown, runChargeJob } from "../src/serve-charges.ts";
import { sweepOnce } from "../src/sweep.ts";

/**
 * Random schedules of everything that can happen to an order's money: workers that die between any two steps and jobs that run again,
 * every fault of the provider, webhooks in any order and number, holds that end, shoppers who cancel, confirm with their bank, or try
 * another card. After each, the books are held against the provider's ledger.
 *
 * SCHEDULES and SEED in the environment run more of them, or a failed one again.
 */
const schedules = Number(process.env.SCHEDULES ?? 500);
const firstSeed = seedFrom(process.env.SEED);
const atATime = 4;

const cards = [
  "pm_card_visa",
  "pm_card_visa",
  "pm_card_chargeDeclined",
  "pm_card_authenticationRequired",
  "pm_simulator_processing",
  "pm_that_does_not_exist",
];

describe("an order's money, whatever happens", () => {
  // Each runs its schedules in a world of its own: the sweeper looks after everything it finds.
  let worlds: World[];
  beforeAll(async () => {
    worlds = await Promise.all(Array.from({ length: atATime }, () => createWorld()));
  });
  afterAll(() => Promise.all(worlds.map((world) => world.close())));

  test(`${schedules} random schedules from seed ${firstSeed}: one payment for a confirmed order, none for any other, no unit lost`, {
    timeout: 300_000,
  }, async () => {
    const seeds = Array.from({ length: schedules }, (_, i) => firstSeed + i);
    const runAll = async (world: World) => {
      for (let seed = seeds.pop(); seed !== undefined; seed = seeds.pop()) await runSchedule(world, seed);
    };
    await Promise.all(worlds.map(runAll));
    expect(seeds).toEqual([]);
  });
});

async function runSchedule(world: World, seed: number): Promise<void> {
  const simulator = await startTestSimulator();
  const schedule = new Schedule(world, simulator, seed);
  try {
    await schedule.run();
  } catch (error) {
    throw new Error(`Schedule with SEED=${seed}:\n  ${schedule.story.join("\n  ")}`, { cause: error });
  } finally {
    await simulator.close();
  }
}

class Schedule {
  readonly story: string[] = [];
  readonly #world: World;
  readonly #simulator: TestSimulator;
  readonly #random: () => number;
  readonly #itemId: string;
  readonly #jobs: ChargeJob[] = [];
  readonly #shoppers = new Map<string, string>(); // order id → shopper

  constructor(world: World, simulator: TestSimulator, seed: number) {
    this.#world = world;
    this.#simulator = simulator;
    this.#random = mulberry32(seed);
    this.#itemId = `item-${seed}`;
  }

  async run(): Promise<void> {
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
    await this.#audit();
  }

  async #step(): Promise<void> {
    const actions = [
      () => this.#buy(),
      () => this.#runJob(),
      () => this.#runJob(),
      () => this.#runJob(),
      () => this.#deliverWebhook(),
      () => this.#deliverWebhook(),
      () => this.#sweep(),
      () => this.#answerTheBank(),
      () => this.#browserPays(),
      () => this.#browserPays(),
      () => this.#changeCard(),
      () => this.#shopperCancels(),
      () => this.#endHold(),
      () => this.#setFaults(this.#below(2) * 0.6),
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
    // From here on it can be cancelled, looked at, asked about: nobody does that to an order the record does not know.
    this.#shoppers.set(request.orderId, request.shopperId);
  }

  async #runJob(): Promise<void> {
    const index = this.#below(this.#jobs.length);
    const job = this.#jobs[index];
    if (!job) return;
    const done = await this.#mortally(`runs ${job.kind}`, (parts) => runChargeJob(parts, job, this.#below(4) === 0));
    const twice = this.#below(6) === 0; // a stalled job's second run
    const place = this.#jobs.indexOf(job);
    if (done && !twice && place >= 0) this.#jobs.splice(place, 1);
  }

  async #deliverWebhook(): Promise<void> {
    const { events } = (await (await fetch(`${this.#simulator.url}/_simulator/events`)).json()) as {
      events: ProviderEvent[];
    };
    const event = this.#pick(events);
    if (event) await this.#deliver(event);
  }

  async #deliver(event: ProviderEvent): Promise<void> {
    const object = event.data.object as {
      object: string;
      id: string;
      payment_intent?: string;
      metadata: { orderId?: string };
    };
    const paymentIntentId = object.object === "payment_intent" ? object.id : (object.payment_intent ?? null);
    const hint = { eventId: event.id, type: event.type, paymentIntentId, orderId: object.metadata.orderId ?? null };
    await this.#mortally(`hears ${event.type}`, async ({ db, charges }) => {
      await processWebhook(db, charges, hint);
    });
  }

  async #sweep(): Promise<void> {
    await this.#letTimePass();
    await this.#mortally("sweeps", async (parts) => {
      await sweepOnce(parts, { released: 10, asked: 10 });
    });
  }

  async #answerTheBank(): Promise<void> {
    const succeed = String(this.#below(2) === 0);
    const waiting = (await this.#ledger()).filter((p) => p.status === "requires_action" || p.status === "processing");
    const payment = this.#pick(waiting);
    if (!payment) return;
    this.story.push(`bank answers ${succeed}`);
    await fetch(`${this.#simulator.url}/_simulator/decide`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ payment_intent: payment.id, succeed }),
    });
  }

  /** A browser that still has the client secret pays behind our back, with a card that works. */
  async #browserPays(): Promise<void> {
    const waiting = (await this.#ledger()).filter(
      (p) => p.status === "requires_payment_method" || p.status === "requires_action",
    );
    const payment = this.#pick(waiting);
    if (!payment) return;
    const paid = this.#simulator.stripe.paymentIntents.confirm(payment.id, { payment_method: "pm_card_visa" });
    this.story.push(
      `browser pays: ${await paid.then(
        () => "yes",
        () => "no",
      )}`,
    );
  }

  async #changeCard(): Promise<void> {
    const [orderId, shopperId] = this.#pick([...this.#shoppers]) ?? ["", ""];
    const card = this.#pick(cards) ?? "";
    const change = () => payWithAnotherCard({ ...this.#parts(new Mortal()), laneCount: 1 }, shopperId, orderId, card);
    const both = await Promise.allSettled([change(), change()]);
    const refused = both.filter((result) => result.status === "rejected");
    for (const { reason } of refused) expect(reason).toBeInstanceOf(Problem);
    expect(refused.length).toBeGreaterThanOrEqual(1); // of two at the same time at most one wins
    this.story.push(`${2 - refused.length} change to ${card}`);
  }

  async #shopperCancels(): Promise<void> {
    const orderId = this.#pick([...this.#shoppers.keys()]);
    if (!orderId) return;
    this.story.push("shopper cancels");
    this.#add({ kind: "release", orderId, reason: "by_shopper" });
  }

  async #endHold(): Promise<void> {
    const orderId = this.#pick([...this.#shoppers.keys()]);
    this.story.push("hold ends");
    await sql`update orders set hold_expires_at = now() - interval '1 second' where id = ${orderId} and status = 'reserved'`.execute(
      this.#world.db,
    );
  }

  async #setFaults(rate: number): Promise<void> {
    const seed = this.#below(1_000_000);
    this.story.push(`faults ${rate}`);
    await fetch(`${this.#simulator.url}/_simulator/settings`, {
      method: "PUT",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ randomFaults: rate === 0 ? null : { rate, seed } }),
    });
  }

  /** The provider is well again, the holds end, and everyone does their work: then every order has to be settled. */
  async #comeToRest(): Promise<void> {
    await this.#setFaults(0);
    const { db } = this.#world;
    for (let round = 0; round < 12; round++) {
      await sql`update orders set hold_expires_at = now() - interval '1 second' where item_id = ${this.#itemId} and status = 'reserved'`.execute(
        db,
      );
      for (const payment of await this.#ledger()) {
        if (payment.status === "processing") await this.#answerTheBank();
      }
      await this.#letTimePass();
      await sweepOnce(this.#parts(new Mortal()), { released: 10, asked: 10 });
      for (const job of this.#jobs.splice(0)) {
        await runChargeJob(this.#parts(new Mortal()), job, true);
      }
      const { events } = (await (await fetch(`${this.#simulator.url}/_simulator/events`)).json()) as {
        events: ProviderEvent[];
      };
      for (const event of events) await this.#deliver(event);
      if (this.#jobs.length === 0 && (await this.#unsettled()) === 0 && round > 1) return;
    }
  }

  async #unsettled(): Promise<number> {
    const rows = await this.#world.db
      .selectFrom("orders")
      .select("status")
      .where("item_id", "=", this.#itemId)
      .execute();
    return rows.filter((row) => !isFinal(row.status)).length;
  }

  async #audit(): Promise<void> {
    const { db } = this.#world;
    const orders = await db.selectFrom("orders").selectAll().where("item_id", "=", this.#itemId).execute();
    const ledger = await this.#ledger();
    const ids = orders.map((order) => order.id);
    const events = await db
      .selectFrom("order_events")
      .select(["order_id", "event", "detail"])
      .where("order_id", "in", ids)
      .orderBy("id")
      .execute();
    const told = JSON.stringify({ orders, events, ledger }, null, 1);
    for (const order of orders) {
      expect(isFinal(order.status), `order ${order.id} is settled\n${told}`).toBe(true);
      const kept = ledger.filter((p) => p.orderId === order.id && p.amountReceived > p.amountRefunded);
      const expected = order.status === "confirmed" ? [order.amount_minor] : [];
      expect(
        kept.map((p) => p.amountReceived - p.amountRefunded),
        `money of ${order.id}\n${told}`,
      ).toEqual(expected);
      const open = ledger.filter((p) => p.orderId === order.id && !["succeeded", "canceled"].includes(p.status));
      expect(open, `nothing can be paid any more under ${order.id}\n${told}`).toEqual([]);
    }
    expect(await booksOf(db, this.#itemId)).toMatchObject({ balanced: true, reserved: 0 });
    expect(orders).toHaveLength(this.#shoppers.size);
  }

  async #ledger(): Promise<LedgerEntry[]> {
    return this.#simulator.ledger();
  }

  /** A minute goes by for everyone who waits for one. */
  async #letTimePass(): Promise<void> {
    await sql`update orders set payment_checked_at = now() - interval '1 minute' where item_id = ${this.#itemId}`.execute(
      this.#world.db,
    );
  }

  /** Does something in a process that may die at any step of it. Returns whether it got to the end. */
  async #mortally(what: string, act: (parts: ChargeParts) => Promise<void>): Promise<boolean> {
    const process = new Mortal();
    const steps = this.#below(3) === 0 ? 1 + this.#below(24) : Number.POSITIVE_INFINITY;
    process.liveFor(steps);
    try {
      await act(this.#parts(process));
      this.story.push(what);
      return !process.dead;
    } catch (error) {
      if (!process.dead && !(error instanceof PaymentOutcomeUnknown)) throw error;
      this.story.push(`${what}, ${error instanceof PaymentOutcomeUnknown ? "not knowing" : `dies at step ${steps}`}`);
      return false;
    }
  }

  #parts(process: Mortal): ChargeParts {
    const { db, redis, keys } = this.#world;
    const queue = {
      add: async (_name: string, job: ChargeJob) => this.#add(job),
      addBulk: async (entries: { data: ChargeJob }[]) => {
        for (const { data } of entries) this.#add(data);
      },
    };
    return {
      db: process.database(db),
      redis,
      keys,
      stripe: process.client(this.#simulator.stripe),
      charges: process.client(queue) as unknown as ChargeQueue,
      log: createLog("test", "silent"),
    };
  }

  #add(job: ChargeJob): void {
    this.#jobs.push(job);
  }

  #below(n: number): number {
    return Math.floor(this.#random() * n);
  }

  #pick<T>(list: readonly T[]): T | undefined {
    return list[this.#below(list.length)];
  }
}
