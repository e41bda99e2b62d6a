import { Problem } from "@holdfast/api/http/problems.ts";
import { cancelOrder } from "@holdfast/api/orders/change-order.ts";
import type { ChargeJob } from "@holdfast/shared/charge-job.ts";
import type { Item } from "@holdfast/shared/item.ts";
import { isFinal } from "@holdfast/shared/order.ts";
import { claimViews, readView } from "@holdfast/shared/order-view.ts";
import { isOutage } from "@holdfast/shared/outage.ts";
import type { PurchaseJob, PurchaseRequest } from "@holdfast/shared/purchase-job.ts";
import { queuedOrder } from "@holdfast/shared/purchase-job.ts";
import type { ChargeQueue } from "@holdfast/shared/queues.ts";
import { itemFromRow } from "@holdfast/shared/rows.ts";
import { type Actor, actorPool, Interleaving } from "@holdfast/testing/interleaving.ts";
import { addItem, booksOf } from "@holdfast/testing/items.ts";
import { purchaseJob, purchaseRequest } from "@holdfast/testing/purchases.ts";
import { seedFrom } from "@holdfast/testing/seeds.ts";
import { createWorld, type World } from "@holdfast/testing/world.ts";
import fc, { type Scheduler } from "fast-check";
import type pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { decidePurchase } from "../src/reserve/decide-purchase.ts";
import { ItemLockLost } from "../src/reserve/item-lock.ts";

/**
 * Two purchase jobs of one item, and at the same time: two workers with the first, one of them
 * taken for dead, a third worker with the second, a Redis that loses the item's lock, and a shopper
 * who cancels in line. Every statement and every call is a step, and fast-check chooses whose is
 * next (infra/testing/interleaving.ts). INTERLEAVINGS and SEED in the environment try more, or
 * those of a failed run again.
 *
 * Planted bugs that it found, each within three interleavings: the item's row is not locked; the
 * orders of an earlier run are decided again; the limit per shopper is counted before the lock;
 * cancelling in line overwrites a decision; what an earlier run reserved is not charged; the
 * shoppers are not told. Without the lock in Redis it finds nothing, and shall not: that one saves
 * work, Postgres keeps the books.
 */
const interleavings = Number(process.env.INTERLEAVINGS ?? 150);
const seed = seedFrom(process.env.SEED);

interface Scene {
  readonly units: number;
  readonly maxPerShopper: number | null;
  /** Who buys and how many, in the first job and in the second. */
  readonly lines: readonly (readonly Purchase[])[];
}
interface Purchase {
  readonly shopperId: string;
  readonly quantity: number;
}
const line = fc.array(
  fc.record({ shopperId: fc.constantFrom("ann", "ben", "eve"), quantity: fc.integer({ min: 1, max: 2 }) }),
  { minLength: 1, maxLength: 4 },
);
const scenes: fc.Arbitrary<Scene> = fc.record({
  units: fc.integer({ min: 1, max: 5 }),
  maxPerShopper: fc.option(fc.integer({ min: 1, max: 3 }), { freq: 2 }),
  lines: fc.tuple(line, line),
});

describe("one item's orders, step by step", () => {
  let world: World;
  let pool: pg.Pool;
  beforeAll(async () => {
    world = await createWorld();
    pool = actorPool(world.databaseUrl);
  });
  afterAll(async () => {
    await pool.end();
    await world.close();
  });

  test(`${interleavings} interleavings from seed ${seed}: nothing is sold twice, each order is decided once, and everyone is told`, {
    timeout: 600_000,
  }, async () => {
    let steps = 0;
    const property = fc.asyncProperty(fc.scheduler(), scenes, async (scheduler, scene) => {
      const play = new Play(world, pool, scheduler, scene);
      await play.run();
      steps += play.story.length;
    });
    await fc.assert(property, { numRuns: interleavings, seed, endOnFailure: true });
    expect(steps).toBeGreaterThan(interleavings * 20); // they did meet
  });
});

let plays = 0;

class Play {
  readonly #world: World;
  readonly #stage: Interleaving;
  readonly #scene: Scene;
  readonly #itemId = `item-${++plays}`;
  readonly #jobs: readonly [PurchaseJob, PurchaseJob];
  readonly #charged: string[] = [];
  /** As every worker knows it from a batch before; what the first one decides makes it old. */
  #item: Item | null = null;

  constructor(world: World, pool: pg.Pool, scheduler: Scheduler, scene: Scene) {
    this.#world = world;
    this.#scene = scene;
    this.#stage = new Interleaving(scheduler, pool, world.db);
    const [first, second] = scene.lines.map((purchases) =>
      // Shoppers of this play alone: who has many orders finds the older ones only in Postgres.
      purchases.map(({ shopperId, quantity }) =>
        purchaseRequest({ shopperId: `${this.#itemId}-${shopperId}`, quantity }),
      ),
    );
    this.#jobs = [
      purchaseJob(this.#itemId, first ?? []),
      purchaseJob(this.#itemId, second ?? [], (first?.length ?? 0) + (second?.length ?? 0)),
    ];
  }

  get story(): readonly string[] {
    return this.#stage.story;
  }

  get #requests(): readonly PurchaseRequest[] {
    return this.#jobs.flatMap((job) => job.requests);
  }

  async run(): Promise<void> {
    const { db, redis, keys } = this.#world;
    const { units, maxPerShopper } = this.#scene;
    await addItem(db, this.#itemId, units, maxPerShopper === null ? {} : { max_per_shopper: maxPerShopper });
    const row = await db.selectFrom("items").selectAll().where("id", "=", this.#itemId).executeTakeFirstOrThrow();
    this.#item = itemFromRow(row);
    await claimViews(
      { redis, keys },
      this.#requests.map((request) => ({ ...queuedOrder(this.#itemId, request), place: 1 })),
    );

    const [first, second] = this.#jobs;
    this.#stage.start("worker", (actor) => this.#decide(actor, first));
    this.#stage.start("stalled worker", (actor) => this.#decide(actor, first));
    this.#stage.start("next worker", (actor) => this.#decide(actor, second));
    this.#stage.start("shopper", (actor) => this.#cancel(actor));
    this.#stage.start("redis", async (actor) => {
      await actor.gate("the lock is lost");
      await redis.del(keys.itemLock(this.#itemId));
    });
    try {
      await this.#stage.run();
      for (const job of this.#jobs) {
        expect(
          await decidePurchase({ db, redis, keys, charges: this.#charges(), known: new Map() }, "{lane-0}", job),
        ).toBe("decided");
      }
      await this.#audit();
    } catch (error) {
      throw new Error(`${(error as Error).message}\nSteps:\n  ${this.story.join("\n  ")}`, { cause: error });
    }
  }

  /**
   * As a lane does it: the job waits where the lock is held or something is unavailable, and is
   * tried again.
   */
  async #decide(actor: Actor, job: PurchaseJob): Promise<void> {
    const { redis, keys } = this.#world;
    const known = new Map(this.#item ? [[this.#itemId, this.#item]] : []);
    for (let tries = 0; tries < 4; tries++) {
      try {
        const parts = {
          known,
          db: actor.database(),
          redis: actor.client(redis, "redis", ["defineCommand"]),
          keys,
          charges: actor.client(this.#charges(), "charges"),
        };
        if ((await decidePurchase(parts, "{lane-0}", job)) === "decided") return;
      } catch (error) {
        if (!isOutage(error) && !(error instanceof ItemLockLost)) throw error;
      }
      await actor.gate("waits its turn");
    }
  }

  async #cancel(actor: Actor): Promise<void> {
    const { redis, keys } = this.#world;
    const parts = {
      db: actor.database(),
      redis: actor.client(redis, "redis", ["defineCommand"]),
      keys,
      laneCount: 1,
      charges: actor.client(this.#charges(), "charges"),
    };
    const { shopperId, orderId } = this.#jobs[1].requests[0] as PurchaseRequest;
    await cancelOrder(parts, shopperId, orderId).catch((error: unknown) => {
      if (!(error instanceof Problem) && !isOutage(error)) throw error;
    });
  }

  async #audit(): Promise<void> {
    const { db, redis, keys } = this.#world;
    const { units, maxPerShopper } = this.#scene;
    const orders = await db.selectFrom("orders").selectAll().where("item_id", "=", this.#itemId).execute();
    const ids = orders.map((order) => order.id);
    const events = await db.selectFrom("order_events").selectAll().where("order_id", "in", ids).execute();
    const told = JSON.stringify({
      scene: this.#scene,
      orders: orders.map((o) => [o.id, o.status, o.reason, o.quantity]),
    });

    expect(ids.toSorted(), `each order has its row\n${told}`).toEqual(this.#requests.map((r) => r.orderId).toSorted());
    const decisions = events.map((event) => [event.order_id, event.from_status, event.to_status].join(" ")).toSorted();
    const expected = orders.map((order) => [order.id, "queued", order.status].join(" ")).toSorted();
    expect(decisions, `each order was decided once\n${told}`).toEqual(expected);

    const reserved = orders.filter((order) => order.status === "reserved");
    const taken = reserved.reduce((sum, order) => sum + order.quantity, 0);
    expect(taken, `no more than there were\n${told}`).toBeLessThanOrEqual(units);
    const books = await booksOf(db, this.#itemId);
    expect(books, `books\n${told}`).toMatchObject({ balanced: true, reserved: taken, inventory: units - taken });
    for (const shopper of new Set(orders.map((order) => order.shopper_id))) {
      const held = reserved.filter((order) => order.shopper_id === shopper).reduce((sum, o) => sum + o.quantity, 0);
      if (maxPerShopper !== null) expect(held, `the limit of ${shopper}\n${told}`).toBeLessThanOrEqual(maxPerShopper);
    }
    expect(new Set(this.#charged), `what is reserved is charged\n${told}`).toEqual(new Set(reserved.map((o) => o.id)));
    for (const order of orders) {
      const view = await readView({ redis, keys }, order.shopper_id, order.id);
      expect(view?.status, `what the shopper of ${order.id} is told\n${told}`).toBe(order.status);
      expect(isFinal(order.status) || order.status === "reserved", `decided\n${told}`).toBe(true);
    }
  }

  #charges(): ChargeQueue {
    const queue = {
      // Where a worker was first the hold would be given up by a charge job, and there is nobody
      // here to run one.
      add: async () => {
        throw new Problem("payment_in_progress", "Nobody is here to give up a hold.");
      },
      addBulk: async (entries: { data: ChargeJob }[]) => void this.#charged.push(...entries.map((e) => e.data.orderId)),
    };
    return queue as unknown as ChargeQueue;
  }
}
