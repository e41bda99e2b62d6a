import type { Logger } from "@holdfast/shared/log.ts";
import type { LaneQueue, SweepQueue } from "@holdfast/shared/queues.ts";
import type { RepeatOptions, Worker } from "bullmq";

/**
 * A queue's settings are kept in Redis alone. Should that be emptied, or go back to an older state, they are gone while everybody goes on:
 * two workers would decide orders of one lane side by side, and nobody would sweep any more. So whoever serves a queue sees to them now and then.
 */
function keepUp(worker: Worker, everyMs: number, log: Logger, see: () => Promise<void>): void {
  let seeing = false;
  const timer = setInterval(() => {
    if (seeing) return; // a command may wait for a Redis that is away
    seeing = true;
    see()
      .catch((error: unknown) => log.warn({ err: error }, "a queue's settings could not be looked at"))
      .finally(() => {
        seeing = false;
      });
  }, everyMs);
  worker.once("closing", () => clearInterval(timer));
}

const laneEveryMs = 1_000; // so long the item's lock alone keeps the order; one read a second costs nothing

/** Keeps a lane at one active job in the whole fleet. */
export function keepLaneInOrder(lane: LaneQueue, worker: Worker, log: Logger): void {
  keepUp(worker, laneEveryMs, log, async () => {
    if ((await lane.getGlobalConcurrency()) === 1) return;
    await lane.setGlobalConcurrency(1);
    log.error("ALARM: Redis had lost the lane's settings; they are set again");
  });
}

/** Which jobs come when. */
export type Schedule = readonly (readonly ["sweep" | "books" | "reconcile", RepeatOptions])[];

const scheduleEveryMs = 2_000;

/** Keeps jobs coming at their times: each scheduler is there, and so is the job it put in last. */
export function keepScheduled(queue: SweepQueue, worker: Worker, log: Logger, jobs: Schedule): void {
  keepUp(worker, scheduleEveryMs, log, async () => {
    if ((await queue.getGlobalConcurrency()) !== 1) await queue.setGlobalConcurrency(1);
    for (const [name, times] of jobs) {
      const next = (await queue.getJobScheduler(name))?.next;
      if (next !== undefined && (await queue.getJob(`repeat:${name}:${next}`))) continue;
      await queue.upsertJobScheduler(name, times, { name });
      log.error({ scheduler: name }, "ALARM: Redis had lost a scheduler; it is set again");
    }
  });
}
