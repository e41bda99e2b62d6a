import { isOutage } from "@holdfast/shared/outage.ts";
import type { SweepQueue } from "@holdfast/shared/queues.ts";
import { Worker } from "bullmq";
import type Stripe from "stripe";
import { keepScheduled, type Schedule } from "./keep-settings.ts";
import { printDifferences, reconcile } from "./reconcile.ts";
import { jobLockMs, maxStalledCount, stalledCheckMs } from "./serve-lane.ts";
import { checkBooks, forgetOldEvents, type SweepParts, sweepOnce } from "./sweep.ts";

const sweepEveryMs = 5_000; // a hold that is over is let go well within 30 s of its deadline
const booksEveryMs = 60_000;
const passesPerSweep = 20; // 10,000 abandoned holds in one go, each pass a transaction of its own
const dayMs = 86_400_000;

/**
 * The fleet's housekeeping, on BullMQ's job schedulers: one job of it is active at a time in the whole fleet, on whichever worker takes
 * it, and a worker that dies with it is replaced like any other.
 */
export async function serveSweeps(
  queue: SweepQueue,
  nightly: SweepQueue,
  parts: SweepParts & { readonly stripe: Stripe },
  chargeRatePerSecond: number,
): Promise<Worker[]> {
  const often: Schedule = [
    ["sweep", { every: sweepEveryMs }],
    ["books", { every: booksEveryMs }],
  ];
  const daily: Schedule = [["reconcile", { pattern: "0 30 3 * * *" }]];
  const { db, log } = parts;
  // Two fifths of the rate until the next sweep, so that it never keeps new charges out.
  const limits = { released: 500, asked: Math.max(1, Math.floor((chargeRatePerSecond * sweepEveryMs * 0.4) / 1_000)) };

  const sweep = async () => {
    for (let pass = 0; pass < passesPerSweep; pass++) {
      const { released } = await sweepOnce(parts, limits);
      if (released < limits.released) return;
    }
  };
  const reconcileYesterday = async () => {
    const toMs = Date.now() - 3_600_000; // what is still under way is tomorrow's
    const { differences } = await reconcile(db, parts.stripe, { fromMs: toMs - dayMs, toMs });
    if (differences.length > 0) log.error({ differences }, `ALARM: ${printDifferences(differences)}`);
  };
  const tasks: Record<string, () => Promise<void>> = {
    sweep,
    books: async () => {
      await checkBooks(db, log);
      await forgetOldEvents(db);
    },
    reconcile: reconcileYesterday,
  };
  const serve = async (served: SweepQueue, schedule: Schedule) => {
    await served.setGlobalConcurrency(1);
    for (const [name, times] of schedule) await served.upsertJobScheduler(name, times, { name });
    const worker = new Worker(
      served.name,
      async (job) => {
        try {
          await tasks[job.name]?.();
        } catch (error) {
          if (!isOutage(error)) throw error;
          log.warn({ err: error }, `${job.name} waits for Postgres; the next one tries again`);
        }
      },
      {
        connection: parts.redis,
        prefix: parts.keys.queues,
        concurrency: 1,
        lockDuration: jobLockMs,
        stalledInterval: stalledCheckMs,
        maxStalledCount,
      },
    );
    keepScheduled(served, worker, log, schedule);
    worker.on("error", (error) => log.warn({ err: error }, "sweep queue connection in trouble"));
    worker.on("failed", (job, error) => log.error({ err: error }, `${job?.name} failed`));
    return worker;
  };
  // Reconciling a big day takes minutes, and the sweeper must not wait for it.
  return Promise.all([serve(queue, often), serve(nightly, daily)]);
}
