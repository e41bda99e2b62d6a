import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "@holdfast/shared/log.ts";
import { onceIn } from "@holdfast/shared/log-once-in.ts";
import type { Store } from "@holdfast/shared/redis.ts";
import { type Job, type Processor, type Queue, Worker, type WorkerOptions } from "bullmq";
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
 * How long jobs may wait, with none under way where one could be, before the queue's BullMQ worker
 * is taken for wedged: longer than a stalled job waits for its next run.
 */
const wedgedAfterMs = 15_000;

/** A queue as this process serves it. */
export interface QueueWorker {
  readonly name: string;
  /** Whether it takes jobs. */
  isRunning(): boolean;
  /** Takes no new job from now on; resolves when those in hand are done. */
  close(): Promise<void>;
}

export interface QueueWorkerOptions<Data> extends Pick<WorkerOptions, "concurrency" | "settings"> {
  /** Called when a run of a job has failed. */
  readonly onFailed?: (job: Job<Data> | undefined, error: Error) => void;
  /** Whether the queue gives out one job at a time, to all processes together. */
  readonly oneAtATime?: boolean;
  readonly wedgedAfterMs?: number;
}

/**
 * Serves a queue with what all of ours have in common: how long a job stays locked to its worker,
 * when one counts as stalled, and a new BullMQ worker in the place of one that is wedged. After
 * failovers some wait for jobs for ever: on a Cluster whose master was killed one in ten did, as in
 * https://github.com/taskforcesh/bullmq/issues/4138.
 */
export function openWorker<Data>(
  queue: Pick<Queue<Data>, "name"> & WatchedQueue,
  process: Processor<Data>,
  { redis, keys, log, metrics }: Store & { readonly log: Logger; readonly metrics?: WorkerMetrics | undefined },
  { onFailed, oneAtATime = false, wedgedAfterMs: afterMs = wedgedAfterMs, ...options }: QueueWorkerOptions<Data>,
): QueueWorker {
  const troubles = onceIn(quietMs);
  let [begun, ended] = [0, 0];
  const start = () => {
    // Three parameters would have BullMQ make an abort signal for each job.
    const counted: Processor<Data> = async (job, token) => {
      begun += 1;
      try {
        return await process(job, token);
      } finally {
        ended += 1;
      }
    };
    const worker = new Worker<Data>(queue.name, counted, {
      connection: redis,
      prefix: keys.queues,
      lockDuration: jobLockMs,
      stalledInterval: stalledCheckMs,
      maxStalledCount,
      ...options,
    });
    worker.on("error", (error) => {
      const leftOut = troubles(error.message);
      if (leftOut !== null)
        log.warn({ err: error, queue: queue.name, leftOut }, "the connection of a queue is in trouble");
    });
    worker.on("failed", (job, error) => {
      metrics?.jobFailed(queue.name.replace(/[{}]/g, ""));
      onFailed?.(job, error);
    });
    return worker;
  };
  let worker = start();
  const watch = watchForWedged(
    queue,
    // A lane's job may be under way in another process; of other queues there is one for everybody.
    { begun: () => begun, isBusy: (active) => (oneAtATime ? active > 0 : begun > ended) },
    afterMs,
    () => {
      log.error({ queue: queue.name }, "jobs waited and none was taken: the queue's worker is replaced");
      void worker.close(true).catch(() => {}); // it may never end
      worker = start();
    },
  );
  return {
    name: queue.name,
    isRunning: () => worker.isRunning(),
    async close() {
      watch.end();
      const closed = worker.close();
      // One that waits for ever has nothing in hand: it ends with the process.
      const late = sleep(idleCloseMs, null, { ref: false });
      await Promise.race([closed, late.then(() => (begun === ended ? null : closed))]);
    },
  };
}

const idleCloseMs = 3_000; // far more than a job takes to be fetched, of the ten seconds there are

const looks = 3; // in a row that find jobs waiting and nothing begun

type WatchedQueue = Pick<Queue, "getJobCounts" | "getDelayed" | "isPaused">;

/** Whether jobs wait, or should have been made to wait long ago: only a queue's workers do that. */
async function jobsWait(queue: WatchedQueue, afterMs: number) {
  const counts = await queue.getJobCounts("waiting", "prioritized", "delayed", "active");
  const { waiting = 0, prioritized = 0, delayed = 0, active = 0 } = counts;
  if (waiting + prioritized > 0 || delayed === 0) return { wait: waiting + prioritized > 0, active };
  const [next] = await queue.getDelayed(0, 0);
  return { wait: next !== undefined && next.timestamp + next.delay < Date.now() - afterMs, active };
}

function watchForWedged(
  queue: WatchedQueue,
  jobs: { begun(): number; isBusy(active: number): boolean },
  afterMs: number,
  onWedged: () => void,
): { end(): void } {
  let begunBefore = -1;
  let inVain = 0;
  let looking = false;
  let ended = false;
  const look = async () => {
    const { wait, active } = await jobsWait(queue, afterMs);
    const begun = jobs.begun();
    inVain = wait && !jobs.isBusy(active) && begun === begunBefore ? inVain + 1 : 0;
    begunBefore = begun;
    if (inVain < looks || (await queue.isPaused()) || ended) return;
    inVain = 0;
    onWedged();
  };
  const timer = setInterval(() => {
    if (looking) return;
    looking = true;
    // While Redis does not answer, nobody can tell.
    void look()
      .catch(() => {})
      .finally(() => {
        looking = false;
      });
  }, afterMs / looks);
  return {
    end() {
      ended = true;
      clearInterval(timer);
    },
  };
}
