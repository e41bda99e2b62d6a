import { createLog } from "@holdfast/shared/log.ts";
import { openChargeQueue } from "@holdfast/shared/queues.ts";
import { addItem, booksOf } from "@holdfast/testing/items.ts";
import { purchaseJob, purchaseRequest } from "@holdfast/testing/purchases.ts";
import { startTestSimulator, type TestSimulator } from "@holdfast/testing/simulator.ts";
import { startTestWorker } from "@holdfast/testing/worker.ts";
import { createWorld, eventually, type World } from "@holdfast/testing/world.ts";
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { sweepOnce } from "../src/recovery/sweep.ts";
import { decidePurchase } from "../src/reserve/decide-purchase.ts";
import { reserveOrders } from "../src/reserve/reserve-orders.ts";

describe("payments by the thousand", () => {
  let world: World;
  let simulator: TestSimulator;
  beforeAll(async () => {
    [world, simulator] = await Promise.all([createWorld(), startTestSimulator()]);
  });
  afterAll(async () => {
    await simulator.close();
    await world.close();
  });

  const setFaults = (randomFaults: object | null) =>
    fetch(`${simulator.url}/_simulator/settings`, {
      method: "PUT",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ randomFaults }),
    });
  const countReserved = async (itemId: string) => (await booksOf(world.db, itemId)).reserved;

  test("1,000 orders with 30 % random faults all settle, none is paid twice, and every request counts into the rate", {
    timeout: 360_000, // retries of retries: no time is promised, and it took up to 135 s
  }, async () => {
    const ratePerSecond = 100;
    await addItem(world.db, "faulty", 1_000);
    await setFaults({ rate: 0.3, seed: 42 });
    const charges = openChargeQueue(world);
    const parts = { db: world.db, redis: world.redis, keys: world.keys, charges, known: new Map() };
    for (let i = 0; i < 2; i++) {
      const requests = Array.from({ length: 500 }, () => purchaseRequest());
      await decidePurchase(parts, "{lane-0}", purchaseJob("faulty", requests, (i + 1) * 500));
    }
    const env = { CHARGE_RATE_PER_SECOND: String(ratePerSecond) };
    const workers = await Promise.all([startTestWorker(world, simulator, env), startTestWorker(world, simulator, env)]);
    try {
      await eventually("all are settled", async () => (await countReserved("faulty")) === 0, 300_000);
    } finally {
      await setFaults(null);
      await Promise.all(workers.map((worker) => worker.close()));
      await charges.close();
    }
    expect(await booksOf(world.db, "faulty")).toMatchObject({ confirmed: 1_000, inventory: 0, balanced: true });
    const paid = (await simulator.ledger()).filter((p) => p.itemId === "faulty" && p.amountReceived > p.amountRefunded);
    expect(paid).toHaveLength(1_000);
    expect(new Set(paid.map((p) => p.orderId)).size).toBe(1_000);
    // The provider is part of this process: where that comes late, what left evenly arrives in a
    // bunch.
    expect(await busiestSecond()).toBeLessThanOrEqual(1.2 * ratePerSecond);
  });

  /** The most requests the provider saw in any one second, whatever they were about. */
  async function busiestSecond(): Promise<number> {
    const response = await fetch(`${simulator.url}/_simulator/requests`);
    const { requests } = (await response.json()) as { requests: { method: string; path: string; atMs: number }[] };
    const times = requests.filter((r) => r.path.startsWith("/v1/")).map((r) => r.atMs);
    let most = 0;
    for (let from = 0, to = 0; to < times.length; to++) {
      while ((times[to] ?? 0) - (times[from] ?? 0) >= 1_000) from += 1;
      most = Math.max(most, to - from + 1);
    }
    return most;
  }

  test("10,000 abandoned holds are given out in passes of bounded size, while new orders are decided", {
    timeout: 120_000,
  }, async () => {
    await addItem(world.db, "abandoned", 10_000);
    await addItem(world.db, "selling", 1_000);
    const never = new AbortController().signal;
    for (let i = 0; i < 20; i++) {
      const requests = Array.from({ length: 500 }, () => purchaseRequest());
      await reserveOrders(world.db, purchaseJob("abandoned", requests), never);
    }
    await sql`
      update orders set payment_status = 'requires_action', payment_started_at = now() - interval '1 hour',
        payment_intent_id = 'pi_' || id, hold_expires_at = now() - interval '1 minute',
        payment_due_at = now() - interval '1 minute'
      where item_id = 'abandoned'`.execute(world.db);

    const charges = openChargeQueue(world);
    const { db } = world;
    const parts = { db, charges, raiseAlarm: () => {}, log: createLog("test", "silent") };
    const passes: number[] = [];
    const decisions: number[] = [];
    let sweeping = true;
    const sweep = async () => {
      for (let i = 0; i < 20; i++) passes.push(await sweepOnce(parts, { unsent: 500, asked: 50 }));
      sweeping = false;
    };
    const sell = async () => {
      while (sweeping) {
        const began = performance.now();
        await reserveOrders(world.db, purchaseJob("selling", [purchaseRequest()]), never);
        decisions.push(performance.now() - began);
      }
    };
    await Promise.all([sweep(), sell()]);
    const jobs = await charges.getJobCountByTypes("waiting");
    await charges.obliterate({ force: true });
    await charges.close();
    expect(passes).toEqual(Array.from({ length: 20 }, () => 50));
    expect(jobs).toBe(1_000); // none was given out twice: the longest overdue come first
    expect(decisions.length).toBeGreaterThan(20);
    expect(Math.max(...decisions)).toBeLessThan(2_000); // no lane stands still meanwhile
  });
});
