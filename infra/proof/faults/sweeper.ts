import { setTimeout as sleep } from "node:timers/promises";
import type { Machine } from "./machine.ts";
import type { Stage } from "./stage.ts";

/** Who sweeps, and when: read from the sweep queue's own lists in Redis. */

const sweepTries = 8;

/**
 * Kills a worker while a sweep is going on, until it was the one that swept: then the job stays
 * active with nobody to renew its lock. The database answers slowly meanwhile, so that a sweep
 * lasts long enough to be met.
 */
export async function killTheSweeper(stage: Stage, workers: readonly Machine[]) {
  for (let tries = 1; tries <= sweepTries; tries++) {
    const worker = workers[tries % workers.length] as Machine;
    stage.links["worker-postgres"].delay(40);
    const job = await untilSweeping(stage);
    const atMs = Date.now();
    await worker.kill();
    stage.links["worker-postgres"].delay(0);
    await sleep(1_500);
    if ((await activeSweep(stage)) === job) return { worker, atMs, tries };
    await worker.start();
  }
  throw new Error(`The sweeper was not caught in ${sweepTries} tries`);
}

const sweepKey = ({ keys }: Stage, list: string) => `${keys.queues}:{sweep}:${list}`;

async function activeSweep(stage: Stage): Promise<string | null> {
  return (await stage.redisClient.lindex(sweepKey(stage, "active"), 0)) ?? null;
}

async function untilSweeping(stage: Stage): Promise<string> {
  const deadline = Date.now() + 15_000; // three times the pause between two sweeps
  while (Date.now() < deadline) {
    const job = await activeSweep(stage);
    if (job !== null) return job;
    await sleep(5);
  }
  throw new Error("Nobody sweeps");
}

/** When a sweep was done last; 0 where none was. */
export async function lastSweepMs(stage: Stage): Promise<number> {
  const [, finishedAt] = await stage.redisClient.zrevrange(sweepKey(stage, "completed"), 0, 0, "WITHSCORES");
  return Number(finishedAt ?? 0);
}

export async function untilSweptAfter(stage: Stage, ms: number): Promise<number> {
  const deadline = Date.now() + 20_000;
  while (Date.now() < deadline) {
    const sweptAtMs = await lastSweepMs(stage);
    if (sweptAtMs > ms) return sweptAtMs;
    await sleep(50);
  }
  return Date.now();
}
