import { setTimeout as sleep } from "node:timers/promises";
import { createLog } from "@holdfast/shared/log.ts";
import { type LaneQueue, openLanes } from "@holdfast/shared/queues.ts";
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
    worker = openWorker(lane, (job) => process(job.id ?? ""), { ...world, log }, { concurrency: 1, wedgedAfterMs });
  };
  const add = (jobId: string) => lane.add("purchase", {} as never, { jobId });
  test("is replaced where it waits for ever: the jobs that wait are done", async () => {
    const done: string[] = [];
    const waitForJob = vi.spyOn(Worker.prototype as unknown as { waitForJob: () => Promise<number> }, "waitForJob");
    waitForJob.mockImplementation(() => new Promise(() => {}));
    serve(async (id) => void done.push(id));
    await eventually("it waits for a job", async () => waitForJob.mock.calls.length === 1);
    waitForJob.mockRestore();
    await add("one");
    await eventually("the job is done", async () => done.includes("one"), 5_000);
  });

  test("is not replaced while its job takes long, another process has one, the lane is paused, or nothing waits", async () => {
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
