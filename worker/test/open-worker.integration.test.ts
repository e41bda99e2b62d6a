import { setTimeout as sleep } from "node:timers/promises";
import type { ChargeJob } from "@holdfast/shared/charge-job.ts";
import { createLog } from "@holdfast/shared/log.ts";
import { type LaneQueue, openChargeQueue, openLanes, openSweepQueue } from "@holdfast/shared/queues.ts";
import { createWorld, eventually, type World } from "@holdfast/testing/world.ts";
import { Worker } from "bullmq";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { openWorker, type QueueWorker } from "../src/open-worker.ts";

const wedgedAfterMs = 900;

describe("the worker of a queue", () => {
  let world: World;
  let lane: LaneQueue;
  let worker: QueueWorker | undefined;
  beforeEach(async () => {
    world = await createWorld();
    lane = openLanes(world, 1)[0] as LaneQueue;
  });
  afterEach(async () => {
    vi.restoreAllMocks();
    await worker?.close();
    worker = undefined;
    await lane.close();
    await world.close();
  });

  const serve = (process: (id: string) => Promise<void>) => {
    const log = createLog("test", "silent");
    const options = { concurrency: 1, oneAtATime: true, wedgedAfterMs };
    worker = openWorker(lane, (job) => process(job.id ?? ""), { ...world, log }, options);
  };
  const add = (jobId: string) => lane.add("purchase", {} as never, { jobId });
  /** Starts one that waits for ever. */
  const wedge = async (start: () => void) => {
    const waitForJob = vi.spyOn(Worker.prototype as unknown as { waitForJob: () => Promise<number> }, "waitForJob");
    waitForJob.mockImplementation(() => new Promise(() => {}));
    start();
    await eventually("it waits for a job", async () => waitForJob.mock.calls.length === 1);
    waitForJob.mockRestore();
  };

  test("is replaced where it waits for ever: the jobs that wait are done", async () => {
    const done: string[] = [];
    await wedge(() => serve(async (id) => void done.push(id)));
    await add("one");
    await eventually("the job is done", async () => done.includes("one"), 5_000);
  });

  test("is replaced where it waits for ever beside others that are busy, of a queue that all serve at once", async () => {
    const charges = openChargeQueue(world);
    const log = createLog("test", "silent");
    const finish = Promise.withResolvers<void>();
    const done: string[] = [];
    const add = (name: string) => charges.add("charge", { orderId: name }, { jobId: name });
    let wedged: QueueWorker | undefined;
    await wedge(() => {
      wedged = openWorker<ChargeJob>(
        charges,
        async (job) => void done.push(job.data.orderId),
        { ...world, log },
        { wedgedAfterMs },
      );
    });
    const busy = openWorker(charges, () => finish.promise, { ...world, log }, { concurrency: 1, wedgedAfterMs });
    await add("one");
    await eventually("the other one has it", async () => (await charges.getActiveCount()) === 1);
    await add("two");
    await eventually("the second job is done", async () => done.includes("two"), 5_000);
    finish.resolve();
    await Promise.all([wedged?.close(), busy.close()]);
    await charges.close();
  });

  test("is replaced where it waits for ever while scheduled jobs fall due, which only a worker notices", async () => {
    const sweeps = openSweepQueue(world);
    const done: number[] = [];
    await wedge(() => {
      const log = createLog("test", "silent");
      worker = openWorker(sweeps, async () => void done.push(1), { ...world, log }, { wedgedAfterMs });
    });
    await sweeps.upsertJobScheduler("sweep", { every: 200 }, { name: "sweep" });
    await eventually("jobs are done", async () => done.length > 2, 6_000);
    await sweeps.close();
  });

  test("ends also while it waits for ever, and is not started again by a look that was under way", async () => {
    const run = vi.spyOn(Worker.prototype, "run");
    const counts = vi.spyOn(lane, "getJobCounts");
    const held = Promise.withResolvers<Record<string, number>>();
    await wedge(() => serve(async () => {}));
    await add("one");
    await eventually("two looks were in vain", async () => counts.mock.calls.length >= 3);
    counts.mockReturnValueOnce(held.promise);
    const asked = counts.mock.calls.length;
    await eventually("a look is under way, or it was replaced", async () => counts.mock.calls.length > asked);
    const began = performance.now();
    const closed = worker?.close();
    worker = undefined;
    held.resolve({ waiting: 1 });
    await closed;
    expect(performance.now() - began).toBeLessThan(6_000);
    const started = run.mock.calls.length;
    await sleep(2 * wedgedAfterMs);
    expect(run).toHaveBeenCalledTimes(started);
  });

  test("is not replaced while its job takes long, the lane is paused, or nothing waits", async () => {
    const run = vi.spyOn(Worker.prototype, "run"); // once for each that is started
    const finish = Promise.withResolvers<void>();
    serve(() => finish.promise);
    await sleep(2 * wedgedAfterMs); // nothing waits
    await add("one");
    await add("two");
    await sleep(2 * wedgedAfterMs); // one is under way, and two waits
    await lane.pause();
    finish.resolve();
    await sleep(2 * wedgedAfterMs);
    expect(run).toHaveBeenCalledTimes(1);
    await lane.resume();
  });
});
