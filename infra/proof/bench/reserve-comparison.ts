import { randomUUID } from "node:crypto";
import { createLog } from "@holdfast/shared/log.ts";
import { openTracing } from "@holdfast/shared/tracing.ts";
import { addItem } from "@holdfast/testing/items.ts";
import { createWorkerMetrics } from "@holdfast/worker/metrics/worker-metrics.ts";
import type { BenchSystem } from "./bench-system.ts";
import { type Compared, compare } from "./compare.ts";
import { runLoad } from "./load.ts";
import { insertRaw, reserveByStatement, reserveByTheBook, reserveInJobs, serveOneLane } from "./reserve.ts";

/**
 * Reserving units of ONE hot item, every order a row in Postgres and every order finding a unit.
 */
export async function compareReserving(
  system: BenchSystem,
  rounds: number,
  say: (text: string) => void,
): Promise<{ alone: Compared[]; whole: Compared[]; observed: Compared[] }> {
  const bare = await system.start("bare");
  let shopper = 0;
  const oneStatement = async () => {
    const path = `/every-row/bench-${randomUUID()}`;
    await addItem(system.db, path.slice("/every-row/".length), 10_000_000);
    const load = await runLoad({
      url: bare.url ?? "",
      connections: 200,
      request: () => {
        shopper += 1;
        return system.shoppers.buy(shopper, { path });
      },
      check: ({ status, body }) => {
        if (status !== 202) throw new Error(`A purchase was answered ${status} ${body}`);
      },
      until: { seconds: 2 },
    });
    return load.answers / load.seconds;
  };
  const rate = (run: () => Promise<number>) => async () => ({ value: await run() });
  try {
    say("  Reserving alone, orders a second on one hot item");
    const alone = await compare(
      rounds,
      [
        {
          name: "textbook: lock, transaction, commit, unlock per order",
          run: rate(() => reserveByTheBook(system, 1_000, false)),
        },
        { name: "a Fastify route with ONE statement per purchase", run: rate(oneStatement) },
        {
          name: "the same statement without a web server before it",
          run: rate(() => reserveByStatement(system, 8_000)),
        },
        { name: "raw limit: the same rows by multi-row inserts", run: rate(() => insertRaw(system, 20_000)) },
        {
          name: "Holdfast: lock, one transaction per job of 500, unlock",
          run: rate(() => reserveInJobs(system, 20_000)),
        },
      ],
      say,
    );
    say("  The whole step, shoppers told and charges enqueued");
    const whole = await compare(
      rounds,
      [
        { name: "textbook, order by order", run: rate(() => reserveByTheBook(system, 1_000, true)) },
        {
          name: "Holdfast from the lane on, every order finds a unit",
          run: rate(() => serveOneLane(system, 20_000, 1)),
        },
        {
          name: "Holdfast from the lane on, one in fifty finds a unit",
          run: rate(() => serveOneLane(system, 20_000, 0.02)),
        },
      ],
      say,
    );
    return { alone, whole, observed: await compareObserved(system, rounds, say) };
  } finally {
    await bare.stop();
    await system.redis.flushall();
  }
}

/** What counting and tracing cost the whole step: tracing is off unless a collector is named. */
async function compareObserved(system: BenchSystem, rounds: number, say: (text: string) => void): Promise<Compared[]> {
  say("  The same, counted and traced");
  const log = createLog("bench", "silent");
  const collector = { export: (_spans: unknown, done: (result: { code: number }) => void) => done({ code: 0 }) };
  const exporter = { ...collector, shutdown: async () => {} };
  const tracing = await openTracing({ endpoint: undefined, service: "bench", version: "0", log }, exporter);
  const metrics = createWorkerMetrics("bench", "ours only");
  const way = (name: string, observed: Parameters<typeof serveOneLane>[3]) => ({
    name,
    run: async () => ({ value: await serveOneLane(system, 20_000, 0.02, observed) }),
  });
  try {
    return await compare(
      rounds,
      [
        way("neither counted nor traced", {}),
        way("counted, tracing off", { metrics, tracing: null }),
        way("counted, and traced to a collector that takes no time", { metrics, tracing }),
      ],
      say,
    );
  } finally {
    await tracing?.close();
  }
}
