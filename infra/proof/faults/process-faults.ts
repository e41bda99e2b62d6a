import { setTimeout as sleep } from "node:timers/promises";
import type { Scenario } from "./scenario.ts";
import { killTheSweeper, untilSweptAfter } from "./sweeper.ts";

/** Deaths of our own processes. */

export const workerKilled: Scenario = {
  name: "worker-killed",
  title: "kill -9 of a worker: the other one carries on within ten seconds, and nothing is lost",
  async strike({ stage, chance, lasting }) {
    const worker = chance.pick(stage.workers);
    const struckAtMs = Date.now();
    await worker.kill();
    await sleep(lasting(8_000, 9_000)); // alone until all its jobs must have been taken over
    await worker.start();
    return { struckAtMs, backAtMs: struckAtMs, note: worker.name };
  },
};

export const workersKilled: Scenario = {
  name: "workers-killed",
  title: "kill -9 of all workers: accepted orders wait in line, and are decided once a worker is back",
  async strike({ stage, chance }) {
    const struckAtMs = Date.now();
    await Promise.all(stage.workers.map((worker) => worker.kill()));
    await sleep(chance.between(500, 2_000));
    await Promise.all(stage.workers.map((worker) => worker.start()));
    return { struckAtMs, backAtMs: Date.now() };
  },
};

export const apiKilled: Scenario = {
  name: "api-killed",
  title: "kill -9 of an API server: what it answered 202 stands, and the other one answers",
  async strike({ stage, chance }) {
    const api = chance.pick(stage.apis);
    const struckAtMs = Date.now();
    await api.kill();
    await sleep(chance.between(500, 2_000));
    await api.start();
    return { struckAtMs, backAtMs: Date.now(), note: api.name };
  },
};

export const apisKilled: Scenario = {
  name: "apis-killed",
  title: "kill -9 of all API servers: what was answered 202 stands",
  async strike({ stage, chance }) {
    const struckAtMs = Date.now();
    await Promise.all(stage.apis.map((api) => api.kill()));
    await sleep(chance.between(200, 1_000));
    await Promise.all(stage.apis.map((api) => api.start()));
    return { struckAtMs, backAtMs: Date.now() };
  },
};

/** The job lock and the item lock both last 5 s, and the job's is looked for every second. */
const frozenForMs = 7_500;

export const workerFrozen: Scenario = {
  name: "worker-frozen",
  title: "a worker that stands still past its locks (SIGSTOP, SIGCONT): its late writes change nothing",
  async strike({ stage, chance, lasting }) {
    const worker = chance.pick(stage.workers);
    // A slow database makes it likely that the worker is stopped in the middle of a transaction.
    stage.links["worker-postgres"].delay(20);
    await sleep(300);
    const struckAtMs = Date.now();
    worker.signal("SIGSTOP");
    stage.links["worker-postgres"].delay(0);
    await sleep(frozenForMs + chance.between(0, lasting(500, 6_000)));
    worker.signal("SIGCONT");
    return { struckAtMs, backAtMs: Date.now(), note: worker.name };
  },
};

export const sweeperKilled: Scenario = {
  name: "sweeper-killed",
  title: "kill -9 of the worker that is sweeping: another one sweeps within ten seconds",
  async strike({ stage, chance }) {
    const struck = await killTheSweeper(stage, chance.shuffled(stage.workers));
    const sweptAtMs = await untilSweptAfter(stage, struck.atMs);
    await struck.worker.start();
    const seconds = ((sweptAtMs - struck.atMs) / 1_000).toFixed(1);
    return {
      struckAtMs: struck.atMs,
      backAtMs: struck.atMs,
      note: `${struck.worker.name}, caught at try ${struck.tries}`,
      findings: [{ check: "swept again within 10 s", ok: sweptAtMs - struck.atMs <= 10_000, found: `${seconds} s` }],
    };
  },
};
