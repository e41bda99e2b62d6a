import { Problem } from "@holdfast/api/http/problems.ts";
import { cancelOrder } from "@holdfast/api/orders/change-order.ts";
import type { ProviderEvent } from "@holdfast/infra/stripe-simulator/provider.ts";
import type { ChargeJob } from "@holdfast/shared/charge-job.ts";
import { createLog } from "@holdfast/shared/log.ts";
import { isFinal, legalTransitions, type OrderStatus } from "@holdfast/shared/order.ts";
import { isOutage } from "@holdfast/shared/outage.ts";
import type { ChargeQueue } from "@holdfast/shared/queues.ts";
import { type Actor, actorPool, Interleaving } from "@holdfast/testing/interleaving.ts";
import { addItem, booksOf } from "@holdfast/testing/items.ts";
import { passTime } from "@holdfast/testing/payments.ts";
import { purchaseJob, purchaseRequest } from "@holdfast/testing/purchases.ts";
import { seedFrom } from "@holdfast/testing/seeds.ts";
import { startTestSimulator, type TestSimulator } from "@holdfast/testing/simulator.ts";
import { createWorld, type World } from "@holdfast/testing/world.ts";
import fc, { type Scheduler } from "fast-check";
import { sql } from "kysely";
import type pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { processWebhook } from "../src/payment/process-webhook.ts";
import type { ChargeParts } from "../src/payment/serve-charges.ts";
import { settlePayment } from "../src/payment/settle-payment.ts";
import { sweepOnce } from "../src/recovery/sweep.ts";
import { decidePurchase } from "../src/reserve/decide-purchase.ts";

/**
 * One reserved order, and at the same time: two workers with its charge, the sweeper, the
 * provider's webhooks, its shopper who cancels, and the shopper's browser that pays. Every
 * statement and every call is a step, and fast-check chooses whose is next
 * (infra/testing/interleaving.ts). INTERLEAVINGS and SEED in the environment try more, or those of
 * a failed run again.
 *
 * Planted bugs that it found, and after how many interleavings: the order's row is not locked while
 * it is settled (6); a hold is given up without asking the provider, though an attempt was sent
 * (11), by the sweeper too (1); another key at each sending (2); money that comes late is kept
 * (59); the intent of a declined card is taken for closed (1); an attempt is sent without being
 * noted first (7). What it did not find in a hundred: units that go back on an unknown outcome;
 * what was paid for them is refunded by webhook, and payment-schedules looks further.
 */
const interleavings = Number(process.env.INTERLEAVINGS ?? 100);
const seed = seedFrom(process.env.SEED);

interface Scene {
  readonly card: string;
  readonly holdEnds: boolean;
  readonly faults: { readonly rate: number; readonly seed: number } | null;
}
const scenes: fc.Arbitrary<Scene> = fc.record({
  card: fc.constantFrom(
    "pm_card_visa",
    "pm_card_visa",
    "pm_card_chargeDeclined",
    "pm_card_authenticationRequired",
    "pm_that_does_not_exist",
  ),
  holdEnds: fc.boolean(),
  // One in four: the SDK waits before it repeats a call.
  faults: fc.oneof(
    { weight: 3, arbitrary: fc.constant(null) },
    { weight: 1, arbitrary: fc.record({ rate: fc.constant(0.4), seed: fc.nat(1_000_000) }) },
  ),
});

describe("one order's money, step by step", () => {
  let world: World;
  let pool: pg.Pool;
  let simulator: TestSimulator;
  beforeAll(async () => {
    world = await createWorld();
    pool = actorPool(world.databaseUrl);
    simulator = await startTestSimulator();
  });
  afterAll(async () => {
    await simulator.close();
    await pool.end();
    await world.close();
  });

  test(`${interleavings} interleavings from seed ${seed}: paid once and confirmed, or not paid; the books balance; nothing is stuck`, {
    timeout: 600_000,
  }, async () => {
    let steps = 0;
    const property = fc.asyncProperty(fc.scheduler(), scenes, async (scheduler, scene) => {
      const play = new Play(world, pool, simulator, scheduler);
      await play.run(scene);
      steps += play.story.length;
    });
    await fc.assert(property, { numRuns: interleavings, seed, endOnFailure: true });
    expect(steps).toBeGreaterThan(interleavings * 20); // they did meet
  });
});

class Play {
  readonly #world: World;
  readonly #simulator: TestSimulator;
  readonly #stage: Interleaving;
  #paidBehindOurBack = false;
  readonly #left: ChargeJob[] = []; // to be tried again once all have gone
  readonly #queued = new Set<string>(); // ids of jobs that wait or are under way
  readonly #request = purchaseRequest();
  readonly #itemId = `item-${this.#request.orderId.slice(0, 8)}`;

  constructor(world: World, pool: pg.Pool, simulator: TestSimulator, scheduler: Scheduler) {
    this.#world = world;
    this.#simulator = simulator;
    this.#stage = new Interleaving(scheduler, pool, world.db);
  }

  get story(): readonly string[] {
    return this.#stage.story;
  }

  async run({ card, holdEnds, faults }: Scene): Promise<void> {
    await addItem(this.#world.db, this.#itemId, 2);
    const job = purchaseJob(this.#itemId, [{ ...this.#request, card }]);
    expect(await decidePurchase({ ...this.#plainParts(), known: new Map() }, "{lane-0}", job)).toBe("decided");
    const [charge] = this.#left.splice(0);
    if (!charge) throw new Error("a reserved order is charged");
    await this.#setFaults(faults);

    this.#startWorker("worker", charge, "charge");
    this.#startWorker("stalled worker", charge, "charge"); // BullMQ takes it for dead and has another run its job
    this.#stage.start("sweeper", (actor) => this.#sweep(actor, holdEnds));
    this.#stage.start("webhooks", (actor) => this.#hear(actor));
    this.#stage.start("shopper", (actor) => this.#cancel(actor));
    this.#stage.start("browser", (actor) => this.#payBehindOurBack(actor));
    try {
      await this.#stage.run();
      await this.#comeToRest();
      await this.#audit(faults === null);
    } catch (error) {
      throw new Error(`${(error as Error).message}\nSteps:\n  ${this.story.join("\n  ")}`, { cause: error });
    }
  }

  #startWorker(name: string, job: ChargeJob, id: string): void {
    this.#stage.start(`${name} (${id.split("-")[0]})`, async (actor) => {
      try {
        const againInMs = await settlePayment(this.#heldParts(actor), job.orderId);
        if (againInMs !== null) this.#left.push(job);
      } catch (error) {
        if (!isOutage(error)) throw error;
        this.#left.push(job);
      } finally {
        this.#queued.delete(id);
      }
    });
  }

  async #sweep(actor: Actor, holdEnds: boolean): Promise<void> {
    for (let pass = 0; pass < 2; pass++) {
      await actor.gate("a minute goes by");
      await this.#letTimePass();
      if (holdEnds) await this.#endHold();
      await sweepOnce(this.#heldParts(actor), limits);
    }
  }

  async #hear(actor: Actor): Promise<void> {
    for (let round = 0; round < 2; round++) {
      await actor.gate("an event comes");
      const event = (await this.#events()).at(-1 - round);
      if (event) await this.#deliver(this.#heldParts(actor), event);
    }
  }

  /**
   * A page that still has the client secret pays with a card that works, whatever has become of the
   * order.
   */
  async #payBehindOurBack(actor: Actor): Promise<void> {
    for (let round = 0; round < 3; round++) {
      await actor.gate("pays if it can");
      const payments = (await this.#simulator.ledger()).filter((p) => p.orderId === this.#request.orderId);
      const open = payments.find((p) => p.status === "requires_payment_method" || p.status === "requires_action");
      const confirmed =
        open && this.#simulator.stripe.paymentIntents.confirm(open.id, { payment_method: "pm_card_visa" });
      // Otherwise a fault, or canceled meanwhile.
      await confirmed?.then(
        () => {
          this.#paidBehindOurBack = true;
        },
        () => {},
      );
    }
  }

  async #cancel(actor: Actor): Promise<void> {
    const { shopperId, orderId } = this.#request;
    await cancelOrder({ ...this.#heldParts(actor), laneCount: 1 }, shopperId, orderId).catch((error: unknown) => {
      if (!(error instanceof Problem) && !isOutage(error)) throw error;
    });
  }

  async #deliver(parts: ChargeParts, event: ProviderEvent): Promise<void> {
    const { object, id, payment_intent } = event.data.object as { object: string; id: string; payment_intent?: string };
    const paymentIntentId = object === "payment_intent" ? id : (payment_intent ?? null);
    const hint = { eventId: event.id, type: event.type, paymentIntentId, orderId: this.#request.orderId };
    await processWebhook(parts.db, parts.charges, hint);
  }

  /** This order's events so far; the simulator serves all plays. */
  async #events(): Promise<ProviderEvent[]> {
    const response = await fetch(`${this.#simulator.url}/_simulator/events`);
    const { events } = (await response.json()) as { events: ProviderEvent[] };
    return events.filter((event) => JSON.stringify(event.data.object).includes(this.#request.orderId));
  }

  /** Everyone does their work until the order is settled and nobody has anything left to do. */
  async #comeToRest(): Promise<void> {
    await this.#setFaults(null);
    const parts = this.#plainParts();
    for (let round = 0; round < 6; round++) {
      await this.#endHold();
      await this.#letTimePass();
      await sweepOnce(parts, limits);
      for (const job of this.#left.splice(0)) await settlePayment(parts, job.orderId);
      for (const event of await this.#events()) await this.#deliver(parts, event);
    }
    for (const job of this.#left.splice(0)) await settlePayment(parts, job.orderId);
  }

  /**
   * @param faultless whether the provider did as it should: then one payment is begun, and of our
   * own doing none has to be refunded
   */
  async #audit(faultless: boolean): Promise<void> {
    const { db } = this.#world;
    const { orderId } = this.#request;
    const order = await db.selectFrom("orders").selectAll().where("id", "=", orderId).executeTakeFirstOrThrow();
    const payments = (await this.#simulator.ledger()).filter((payment) => payment.orderId === orderId);
    const events = await db
      .selectFrom("order_events")
      .selectAll()
      .where("order_id", "=", orderId)
      .orderBy("id")
      .execute();
    const told = JSON.stringify({ order, payments, events: events.map((e) => [e.event, e.detail]) }, null, 1);

    expect(isFinal(order.status), `settled\n${told}`).toBe(true);
    const kept = payments.map((p) => p.amountReceived - p.amountRefunded).filter((amount) => amount !== 0);
    expect(kept, `money\n${told}`).toEqual(order.status === "confirmed" ? [order.amount_minor] : []);
    if (faultless) expect(payments.length, `payments begun\n${told}`).toBeLessThanOrEqual(1);
    const refunded = payments.filter((payment) => payment.amountRefunded > 0);
    if (faultless && !this.#paidBehindOurBack) expect(refunded, `taken for nothing\n${told}`).toEqual([]);
    const open = payments.filter((p) => p.status !== "succeeded" && p.status !== "canceled");
    expect(open, `nothing can be paid any more\n${told}`).toEqual([]);
    const sold = order.status === "confirmed" ? 1 : 0;
    expect(await booksOf(db, this.#itemId), `books\n${told}`).toMatchObject({
      balanced: true,
      reserved: 0,
      confirmed: sold,
      inventory: 2 - sold,
    });

    let status: OrderStatus = "queued";
    for (const { from_status: from, to_status: to, event } of events) {
      expect(from, `${event} follows on what was before\n${told}`).toBe(status);
      expect(from === to || legalTransitions[from].includes(to), `${from} → ${to} is legal\n${told}`).toBe(true);
      status = to;
    }
    expect(status, `as it is now\n${told}`).toBe(order.status);
    const settlings = events.filter(({ event }) => event === "confirmed" || event === "cancelled");
    expect(settlings, `settled once\n${told}`).toHaveLength(1);
  }

  async #letTimePass(): Promise<void> {
    await passTime(this.#world.db, 60_000, this.#itemId);
  }

  async #endHold(): Promise<void> {
    await sql`
      update orders set hold_expires_at = now() - interval '1 second', payment_due_at = now() - interval '5 seconds'
      where id = ${this.#request.orderId} and status = 'reserved' and payment_status in ('requires_action', 'declined')`.execute(
      this.#world.db,
    );
  }

  async #setFaults(faults: Scene["faults"]): Promise<void> {
    const kinds = ["error_before", "error_after", "reset_before", "reset_after", "rate_limited"];
    await fetch(`${this.#simulator.url}/_simulator/settings`, {
      method: "PUT",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ randomFaults: faults && { ...faults, kinds } }),
    });
  }

  /** As an actor sees the outside. A job that is added is taken by a free worker at once. */
  #heldParts(actor: Actor): ChargeParts {
    const add = (job: ChargeJob, id: string) => {
      if (this.#queued.has(id)) return; // one that waits or is under way is not added again
      this.#queued.add(id);
      this.#startWorker("worker", job, id);
    };
    const { redis, keys } = this.#world;
    return {
      ...this.#plainParts(),
      db: actor.database(),
      redis: actor.client(redis, "redis", ["defineCommand"]),
      keys,
      stripe: actor.client(this.#simulator.stripe, "stripe"),
      charges: actor.client(queueOf(add), "charges"),
    };
  }

  /** Outside of the play: no step waits, and a job that is added is left for later. */
  #plainParts(): ChargeParts {
    const { db, redis, keys } = this.#world;
    const charges = queueOf((job) => this.#left.push(job));
    const log = createLog("test", "silent");
    return { db, redis, keys, stripe: this.#simulator.stripe, charges, raiseAlarm: () => {}, log };
  }
}

interface Added {
  readonly data: ChargeJob;
  readonly opts: { readonly deduplication: { readonly id: string } };
}

function queueOf(add: (job: ChargeJob, id: string) => void): ChargeQueue {
  const queue = {
    add: async (_name: string, job: ChargeJob, { deduplication }: Added["opts"]) => add(job, deduplication.id),
    addBulk: async (entries: readonly Added[]) => {
      for (const { data, opts } of entries) add(data, opts.deduplication.id);
    },
  };
  return queue as unknown as ChargeQueue;
}

const limits = { unsent: 10, asked: 10 };
