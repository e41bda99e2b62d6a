import type { Logger } from "@holdfast/shared/log.ts";
import { onceIn } from "@holdfast/shared/log-once-in.ts";
import type { Store } from "@holdfast/shared/redis.ts";
import { type Processor, Worker, type WorkerOptions } from "bullmq";
import type { WorkerMetrics } from "./metrics/worker-metrics.ts";

/**
 * A dead worker's job runs again on any other worker once its lock is over and two checks have seen
 * it so: within 7 s. The same goes for a job that Redis gave out in the moment it died, so that
 * nobody knows of it.
 */
const jobLockMs = 5_000;
const stalledCheckMs = 1_000;

const quietMs = 5_000; // an outage of Redis is a line every few seconds, not one for each reconnect

/**
 * How often a job may be found stalled: no number of crashes may turn accepted orders into failed
 * ones.
 */
const maxStalledCount = 1_000_000;

/**
 * Serves a queue with what all of ours have in common: how long a job stays locked to its worker,
 * and when one counts as stalled.
 */
export function openWorker<Data>(
  queueName: string,
  process: Processor<Data>,
  { redis, keys, log, metrics }: Store & { readonly log: Logger; readonly metrics?: WorkerMetrics | undefined },
  options: Pick<WorkerOptions, "concurrency" | "settings">,
): Worker<Data> {
  const worker = new Worker<Data>(queueName, process, {
    connection: redis,
    prefix: keys.queues,
    lockDuration: jobLockMs,
    stalledInterval: stalledCheckMs,
    maxStalledCount,
    ...options,
  });
  const troubles = onceIn(quietMs);
  worker.on("error", (error) => {
    const leftOut = troubles(error.message);
    if (leftOut !== null)
      log.warn({ err: error, queue: queueName, leftOut }, "the connection of a queue is in trouble");
  });
  worker.on("failed", () => metrics?.jobFailed(queueName.replace(/[{}]/g, "")));
  return worker;
}
