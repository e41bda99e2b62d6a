import { isOutage } from "@holdfast/shared/outage.ts";
import type { SweepQueue } from "@holdfast/shared/queues.ts";
import { openWorker, type QueueWorker } from "../open-worker.ts";
import { forgetOldEvents } from "../payment/forget-events.ts";
import type { ChargeParts } from "../payment/serve-charges.ts";
import { checkBooks, recountBooks } from "./check-books.ts";
import { reconcileNights } from "./reconcile-nights.ts";
import { SaleHalted } from "./sale-gate.ts";
import { sweepOnce } from "./sweep.ts";
import { watchAges } from "./watch-ages.ts";

const sweepEveryMs = 5_000; // a hold that is over is released well within 30 s of its deadline
const booksEveryMs = 60_000;
const nights = new Set(["recount", "reconcile"]);
const leastUnsent = 500; // orders whose charge is put in line again in one pass: some ten milliseconds

/** The schedules of the housekeeping. Redis forgets them when it is emptied. */
export async function setUpSweeps(queue: SweepQueue, nightly: SweepQueue): Promise<void> {
  await queue.setGlobalConcurrency(1);
  await queue.upsertJobScheduler("sweep", { every: sweepEveryMs }, { name: "sweep" });
  await queue.upsertJobScheduler("books", { every: booksEveryMs }, { name: "books" });
  await nightly.setGlobalConcurrency(1);
  await nightly.upsertJobScheduler("reconcile", { pattern: "0 30 3 * * *" }, { name: "reconcile" });
  await nightly.upsertJobScheduler("recount", { pattern: "0 0 3 * * *" }, { name: "recount" });
}

/**
 * The fleet's housekeeping, on BullMQ's job schedulers: one job of it is active at a time in the
 * whole fleet, on whichever worker takes it, and a worker that dies with it is replaced like any
 * other.
 */
export async function serveSweeps(
  queue: SweepQueue,
  nightly: SweepQueue,
  parts: ChargeParts,
  chargeRatePerSecond: number,
): Promise<QueueWorker[]> {
  await setUpSweeps(queue, nightly);
  const { db, log, raiseAlarm } = parts;
  // Two fifths of the rate until the next sweep, so that it never keeps new charges out.
  const asked = Math.max(1, Math.floor((chargeRatePerSecond * sweepEveryMs * 0.4) / 1_000));

  // Twice what is charged until the next pass: in a large sale most orders come to the queue this
  // way (enqueue-charges.ts).
  const unsent = Math.max(leastUnsent, Math.ceil((2 * chargeRatePerSecond * sweepEveryMs) / 1_000));

  const tasks: Record<string, () => Promise<void>> = {
    sweep: async () => {
      await sweepOnce(parts, { unsent, asked });
      await watchAges(db, raiseAlarm);
    },
    books: async () => {
      await checkBooks(db, raiseAlarm);
      await forgetOldEvents(db);
    },
    recount: () => recountBooks(db, raiseAlarm),
    reconcile: () => reconcileNights(parts),
  };
  const alarmForNight = (name: string, error: Error) =>
    raiseAlarm(`night_failed:${name}`, `The ${name}: ${error.message}.`);
  const serve = (served: SweepQueue) =>
    openWorker(
      served,
      async (job) => {
        try {
          parts.gate?.require();
          await tasks[job.name]?.();
        } catch (error) {
          if (nights.has(job.name) && !parts.closing?.aborted && !(error instanceof SaleHalted))
            alarmForNight(job.name, error as Error);
          if (!isOutage(error) && !(error instanceof SaleHalted)) throw error;
          log.warn({ err: error }, `${job.name} waits for Postgres or Redis; the next one tries again`);
        }
      },
      parts,
      { concurrency: 1, onFailed: (job, error) => log.error({ err: error }, `${job?.name} failed`) },
    );
  // Reconciling a big day takes minutes, and the sweeper must not wait for it.
  return [queue, nightly].map(serve);
}
