import { type LaneQueue, openLanes, openSweepQueue, type SweepQueue } from "@holdfast/shared/queues.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestSimulator, type TestSimulator } from "../../infra/testing/simulator.ts";
import { startTestWorker } from "../../infra/testing/worker.ts";
import { createWorld, eventually, type World } from "../../infra/testing/world.ts";
import type { RunningWorker } from "../src/worker.ts";

describe("a running worker, when Redis has lost everything", () => {
  let world: World;
  let simulator: TestSimulator;
  let worker: RunningWorker;
  let lane: LaneQueue;
  let sweeps: SweepQueue;
  beforeAll(async () => {
    world = await createWorld();
    simulator = await startTestSimulator();
    worker = await startTestWorker(world, simulator, { PURCHASE_LANES: "1" });
    [lane] = openLanes(world.redis, world.keys, 1) as [LaneQueue];
    sweeps = openSweepQueue(world.redis, world.keys);
  });
  afterAll(async () => {
    await worker.close();
    await Promise.all([lane.close(), sweeps.close()]);
    await simulator.close();
    await world.close();
  });
  const forget = async () => {
    const keys = await world.redis.keys(`${world.redisPrefix}*`);
    await world.redis.del(...keys);
  };
  const sweptAfter = async (ms: number) => {
    const [last] = await sweeps.getCompleted(0, 0);
    return (last?.finishedOn ?? 0) > ms;
  };

  test("decides a lane's jobs one at a time again, and goes on sweeping, within ten seconds", async () => {
    expect(await lane.getGlobalConcurrency()).toBe(1);
    await forget();
    const lostAtMs = Date.now();
    await eventually("the lane is in order", async () => (await lane.getGlobalConcurrency()) === 1, 10_000);
    await eventually("somebody sweeps", () => sweptAfter(lostAtMs), 10_000);
    await eventually("the books are due", async () => (await sweeps.getJobScheduler("books")) !== undefined, 10_000);
    expect(await sweeps.getGlobalConcurrency()).toBe(1);
  });

  test("and goes on sweeping when only the next sweep got lost", async () => {
    const scheduler = await sweeps.getJobScheduler("sweep");
    await world.redis.del(
      `${world.keys.queues}:{sweep}:delayed`,
      `${world.keys.queues}:{sweep}:repeat:sweep:${scheduler?.next}`,
    );
    const lostAtMs = Date.now();
    await eventually("somebody sweeps", () => sweptAfter(lostAtMs + 1_000), 15_000);
  });

  test("leaves a schedule alone that is there", async () => {
    const before = await sweeps.getJobScheduler("books");
    await new Promise((resolve) => setTimeout(resolve, 5_000)); // two looks
    expect((await sweeps.getJobScheduler("books"))?.next).toBe(before?.next);
  });
});
