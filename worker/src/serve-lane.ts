import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "@holdfast/shared/log.ts";
import { isOutage, isPermanent } from "@holdfast/shared/outage.ts";
import { unpackPurchaseJob } from "@holdfast/shared/purchase-job.ts";
import type { LaneQueue } from "@holdfast/shared/queues.ts";
import { RateLimitError, Worker } from "bullmq";
import { type DecideParts, decidePurchase } from "./decide-purchase.ts";
import { ItemLockLost } from "./item-lock.ts";
import { keepLaneInOrder } from "./keep-settings.ts";

/** A dead worker's job runs again within these two together, about 7 s, on any other worker. */
export const jobLockMs = 5_000;
export const stalledCheckMs = 2_000;

/** How often a job may be found abandoned: no number of crashes may turn accepted orders into failed ones. */
export const maxStalledCount = 1_000_000;

const lockedRetryMs = 200; // a batch is decided in tens of milliseconds, so a held lock is soon free
const outageRetryMs = 500; // keeps recovery within a second of the part's return

/**
 * Serves one lane: one job at a time in the whole fleet, in the order of arrival. A job that has to wait (its item is locked
 * elsewhere, or Postgres is away) goes back to the head of the lane without using up a try, and the lane waits with it.
 */
export async function serveLane(lane: LaneQueue, parts: DecideParts & { readonly log: Logger }): Promise<Worker> {
  await lane.setGlobalConcurrency(1);
  const log = parts.log.child({ lane: lane.name });

  const waitAtTheHead = async (delayMs: number): Promise<never> => {
    // Redis may refuse even that (a full memory or disk). An error of ours would then fail the job, and its orders with it; like this it is
    // put back, or found abandoned and run again.
    await lane.rateLimit(delayMs).catch(() => sleep(delayMs));
    throw new RateLimitError();
  };

  const worker = new Worker(
    lane.name,
    async (job) => {
      const purchase = unpackPurchaseJob(job.data);
      let outcome: Awaited<ReturnType<typeof decidePurchase>>;
      try {
        outcome = await decidePurchase(parts, lane.name, purchase);
      } catch (error) {
        if (isPermanent(error)) throw error;
        const expected = isOutage(error) || error instanceof ItemLockLost;
        // The unforeseen waits too: rather a lane that stands still and says so than accepted orders without an answer.
        log[expected ? "warn" : "error"](
          { err: error, job: job.id, item: purchase.itemId },
          "purchase job has to wait",
        );
        return waitAtTheHead(outageRetryMs);
      }
      if (outcome === "item_locked") return waitAtTheHead(lockedRetryMs);
      log.debug({ job: job.id, item: purchase.itemId, orders: purchase.requests.length }, "purchase job decided");
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
  keepLaneInOrder(lane, worker, log);
  worker.on("error", (error) => log.warn({ err: error }, "lane connection in trouble"));
  worker.on("failed", (job, error) => log.error({ err: error, job: job?.id }, "purchase job failed for good"));
  return worker;
}
