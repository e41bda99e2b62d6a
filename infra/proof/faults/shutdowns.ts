import { setTimeout as sleep } from "node:timers/promises";
import type { Finding } from "./judge.ts";
import type { Machine } from "./machine.ts";
import type { Scenario } from "./scenario.ts";

/** Ends that are asked for. */

const shutdownBoundMs = 10_000;

export const allTerminated: Scenario = {
  name: "terminated",
  title: "SIGTERM to every process in mid-rush: each ends within ten seconds with exit code 0, and nothing is lost",
  async strike({ stage, chance }) {
    const machines = [...stage.apis, ...stage.workers];
    const struckAtMs = Date.now();
    const findings = await Promise.all(machines.map(endInOrder));
    await sleep(chance.between(0, 1_000));
    await Promise.all(machines.map((one) => one.start()));
    return { struckAtMs, backAtMs: Date.now(), findings };
  },
};

export const rollingRestart: Scenario = {
  name: "rolling-restart",
  title: "a rolling restart of all processes under load: no 5xx but 503, and no order lost",
  async strike({ stage, chance }) {
    const struckAtMs = Date.now();
    const findings: Finding[] = [];
    for (const one of chance.shuffled([...stage.apis, ...stage.workers])) {
      findings.push(await endInOrder(one));
      await one.start();
    }
    return { struckAtMs, backAtMs: Date.now(), findings };
  },
};

async function endInOrder(one: Machine): Promise<Finding> {
  const { tookMs, exitCode } = await one.terminate();
  return {
    check: `${one.name} ended within 10 s, with exit code 0`,
    ok: exitCode === 0 && tookMs < shutdownBoundMs,
    found: `${(tookMs / 1_000).toFixed(1)} s, exit code ${exitCode}`,
  };
}
