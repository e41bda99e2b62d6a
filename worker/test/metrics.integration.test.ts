import { readReports } from "@holdfast/shared/fleet-report.ts";
import { createLog } from "@holdfast/shared/log.ts";
import { type LaneQueue, openLanes } from "@holdfast/shared/queues.ts";
import { acceptor } from "@holdfast/testing/accept.ts";
import { addItem } from "@holdfast/testing/items.ts";
import { purchaseRequest } from "@holdfast/testing/purchases.ts";
import { startTestSimulator, type TestSimulator } from "@holdfast/testing/simulator.ts";
import { startTestWorker } from "@holdfast/testing/worker.ts";
import { createWorld, eventually, type World } from "@holdfast/testing/world.ts";
import { sql } from "kysely";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { readWorkerConfig } from "../src/config.ts";
import { type RunningWorker, startWorker } from "../src/worker.ts";

describe("what workers export", () => {
  let world: World;
  let simulator: TestSimulator;
  let lanes: LaneQueue[];
  let workers: RunningWorker[];
  beforeEach(async () => {
    world = await createWorld();
    simulator = await startTestSimulator();
    lanes = openLanes(world, 4);
    workers = [];
  });
  afterEach(async () => {
    await Promise.all(workers.map((worker) => worker.close()));
    await Promise.all(lanes.map((lane) => lane.close()));
    await simulator.close();
    await world.close();
  });
  /** `sum()` over all workers of what has this name, by the text of its labels. */
  const sums = async (name: string) => {
    const all = new Map<string, number>();
    for (const { adminAddress } of workers) {
      const text = await (await fetch(`${adminAddress}/metrics`)).text();
      for (const line of text.split("\n")) {
        const match = /^(?<of>\w+)(?:\{(?<labels>.*)\})? (?<value>\S+)$/.exec(line)?.groups;
        if (match?.of !== name) continue;
        const labels = match.labels ?? "";
        all.set(labels, (all.get(labels) ?? 0) + Number(match.value));
      }
    }
    return all;
  };
  const inPostgres = async (...statuses: string[]) => {
    const { rows } = await sql<{ labels: string; n: number }>`
      select format('outcome="%s",reason="%s"', status, reason) as labels, count(*) as n
      from orders where status = any(${statuses}) group by 1`.execute(world.db);
    return new Map(rows.map(({ labels, n }) => [labels, n]));
  };

  test("summed over two of them it is what Postgres has: decided and settled, by outcome and reason", async () => {
    workers = await Promise.all([1, 2].map(() => startTestWorker(world, simulator, { ADMIN_PORT: "0" })));
    const accept = acceptor(world, lanes);
    const cards = ["pm_card_visa", "pm_card_visa", "pm_card_chargeDeclined"];
    const items = ["item_a", "item_b", "item_c", "item_d", "item_e"];
    for (const item of items) await addItem(world.db, item, 6, { max_per_shopper: 2 });
    const bought = items.flatMap((item) =>
      [...cards, ...cards, ...cards].map((card) => accept(item, purchaseRequest({ card }))),
    );
    const tooMany = items.map((item) => accept(item, purchaseRequest({ quantity: 3 })));
    const accepted = await Promise.all([...bought, ...tooMany]);
    await eventually("all are settled", async () => {
      const query = world.db.selectFrom("orders").select("status").where("status", "<>", "reserved");
      return (await query.execute()).length === accepted.length;
    });
    const settled = await inPostgres("confirmed", "cancelled");
    const paid = settled.get('outcome="confirmed",reason=""') ?? 0;
    expect(paid).toBeGreaterThan(0);
    await eventually("what was committed last is counted", async () => {
      const counted = await sums("holdfast_orders_settled_total");
      return [...counted.values()].reduce((sum, n) => sum + n, 0) === [...settled.values()].reduce((sum, n) => sum + n);
    });
    expect(await sums("holdfast_orders_settled_total")).toEqual(settled);
    const decided = await inPostgres("out_of_stock", "rejected");
    const reserved = [...settled.values()].reduce((sum, n) => sum + n, 0);
    expect(await sums("holdfast_orders_decided_total")).toEqual(
      new Map([...decided, ['outcome="reserved",reason=""', reserved]]),
    );
    expect(await sums("holdfast_order_decision_seconds_count")).toEqual(new Map([["", accepted.length]]));
    const charges = await sums("holdfast_charge_duration_seconds_count");
    expect(charges.get('outcome="paid"')).toBe(paid);
    expect((await sums("holdfast_provider_requests_total")).get("")).toBeGreaterThanOrEqual(reserved);
  }, 60_000);

  test("a key that the provider refuses is one line at error and one alarm, however many orders meet it", async () => {
    await simulator.configure({ secretKey: "sk_test_another" });
    const lines: { level: number; alarm?: string; msg: string }[] = [];
    const log = createLog("worker", "warn", { write: (line: string) => void lines.push(JSON.parse(line)) });
    const config = readWorkerConfig({
      ...world.env,
      ADMIN_PORT: "0",
      STRIPE_SECRET_KEY: "sk_test_wrong",
      STRIPE_API_BASE: simulator.url,
      CHARGE_RATE_PER_SECOND: "500",
    });
    workers = [await startWorker(config, log)];
    await addItem(world.db, "item_1", 50);
    const accept = acceptor(world, lanes);
    await Promise.all(Array.from({ length: 30 }, () => accept("item_1", purchaseRequest())));
    await eventually("every order has met it", async () => {
      const refused = (await sums("holdfast_provider_errors_total")).get('class="refused"') ?? 0;
      return refused >= 30;
    });
    expect(lines.filter(({ level }) => level >= 50).map(({ alarm }) => alarm)).toEqual(["provider_refuses"]);
    await eventually("operations read it in the provider's own words", async () =>
      (await readReports(world)).some(({ providerError }) => /Invalid API Key/i.test(providerError?.text ?? "")),
    );
    const alarms = await sums("holdfast_alarms_raised_total");
    expect(alarms.get('alarm="provider_refuses"')).toBeGreaterThan(0);
    expect(alarms.get('alarm="provider_unavailable"')).toBe(0); // it answers
    expect(await sums("holdfast_provider_unanswered_seconds")).toEqual(new Map([["", 0]]));
  }, 60_000);

  test("a provider that does not answer is an alarm and a rising gauge within 15 s, and neither once it answers", async () => {
    workers = [await startTestWorker(world, simulator, { ADMIN_PORT: "0" })];
    await addItem(world.db, "item_1", 50);
    const accept = acceptor(world, lanes);
    await simulator.configure({ outage: true });
    await Promise.all(Array.from({ length: 10 }, () => accept("item_1", purchaseRequest())));
    const raised = async () => (await sums("holdfast_alarms_raised_total")).get('alarm="provider_unavailable"') ?? 0;
    await eventually("the alarm is raised", async () => (await raised()) > 0, 15_000);
    expect((await sums("holdfast_provider_unanswered_seconds")).get("")).toBeGreaterThanOrEqual(5);
    await simulator.configure({ outage: false });
    const silent = async () => (await sums("holdfast_provider_unanswered_seconds")).get("");
    await eventually("it answers again", async () => (await silent()) === 0, 60_000);
  }, 120_000);
});
