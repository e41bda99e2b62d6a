import { cp, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { laneQueueName } from "@holdfast/shared/lanes.ts";
import { probeGeneration, readKnownGeneration } from "@holdfast/shared/redis-generation.ts";
import { alarmsSince } from "./alarms.ts";
import type { Finding } from "./judge.ts";
import type { Scenario } from "./scenario.ts";
import type { Stage } from "./stage.ts";
import { lastSweepMs } from "./sweeper.ts";

/**
 * A Redis that has lost something. What was only there is gone: orders that were accepted and still
 * in line. Nobody may believe otherwise, and whatever was decided stands, since Postgres is the
 * source of truth.
 */

export const redisEmptied: Scenario = {
  name: "redis-emptied",
  title: "an emptied Redis: nobody is charged for nothing, what was told last stays true, and the shop goes on",
  slowToSettle: true, // the charges' jobs are gone; the sweeper finds what is held
  async strike({ stage }) {
    const struckAtMs = Date.now();
    await stage.redisClient.flushall();
    const redisLostAtMs = Date.now();
    const findings = await Promise.all([
      within10s("the loss was alarmed", redisLostAtMs, () => lossAlarmed(stage, struckAtMs, "was emptied")),
      ...putRight(stage, redisLostAtMs),
    ]);
    return { struckAtMs, backAtMs: struckAtMs, redisLostAtMs, findings };
  },
};

const slowedByMs = 250; // there and back: with half a second for each statement, a recovery lasts for seconds
const everybodyLooksMs = 1_500; // each worker looks at the generation once a second

export const redisEmptiedTwice: Scenario = {
  name: "redis-emptied-twice",
  title: "a Redis emptied again while the loss before it is put right: both are noticed, and the shop goes on",
  slowToSettle: true,
  async strike({ stage, chance, crowd }) {
    const before = await readKnownGeneration(stage.db);
    const late = chance.pick(stage.workers); // looks up only after the second time, and finds work to do
    stage.links["worker-postgres"].delay(slowedByMs); // so that the recovery lasts long enough to be met
    late.signal("SIGSTOP");
    try {
      const struckAtMs = Date.now();
      await stage.redisClient.flushall();
      const first = await within10s("the first loss was alarmed", Date.now(), () =>
        lossAlarmed(stage, struckAtMs, "was emptied"),
      );
      await untilRecovering(stage, before?.generation ?? 0);
      crowd.rush(10);
      await sleep(chance.between(600, 1_200)); // at least one statement later, in the middle of it
      const againAtMs = Date.now();
      await stage.redisClient.flushall();
      const redisLostAtMs = Date.now();
      const met = (await readKnownGeneration(stage.db))?.recovered === false;
      late.signal("SIGCONT");
      await sleep(everybodyLooksMs); // whoever takes the token's absence for their own work to do, hides the loss
      await stage.links["worker-postgres"].mend();
      const backAtMs = Date.now();
      const metRecovery = { check: "the second emptying met the recovery", ok: met, found: String(met) };
      const later = await Promise.all([
        within10s("the second loss was alarmed too", redisLostAtMs, () => lossAlarmed(stage, againAtMs, "was ")),
        ...putRight(stage, backAtMs),
      ]);
      return { struckAtMs, backAtMs, redisLostAtMs, findings: [first, metRecovery, ...later] };
    } finally {
      late.signal("SIGCONT");
      await stage.links["worker-postgres"].mend();
    }
  },
};

/** Until Redis has the token of a newer generation: from then on what it lost is put right. */
async function untilRecovering(stage: Stage, generationBefore: number): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (Date.now() < deadline) {
    const known = await readKnownGeneration(stage.db);
    const { token } = await probeGeneration({ redis: stage.redisClient, keys: stage.keys });
    if (known && known.generation > generationBefore && token === known.token) return;
    await sleep(5);
  }
  throw new Error("Nobody puts right what Redis lost");
}

/** What Redis had forgotten besides orders. */
function putRight(stage: Stage, redisLostAtMs: number): Promise<Finding>[] {
  return [
    within10s("somebody sweeps again", redisLostAtMs, async () => (await lastSweepMs(stage)) > redisLostAtMs),
    within10s("lanes have one active job again", redisLostAtMs, () => lanesInOrder(stage)),
  ];
}

async function within10s(check: string, sinceMs: number, ask: () => Promise<boolean>): Promise<Finding> {
  const deadline = sinceMs + 20_000;
  while (!(await ask()) && Date.now() < deadline) await sleep(100);
  const tookMs = Date.now() - sinceMs;
  return { check: `${check} within 10 s`, ok: tookMs <= 10_000, found: `${(tookMs / 1_000).toFixed(1)} s` };
}

async function lossAlarmed(stage: Stage, sinceMs: number, what: string): Promise<boolean> {
  return (await alarmsSince(stage, sinceMs)).some((line) => line.includes(`Redis ${what}`));
}

async function lanesInOrder({ redisClient, keys }: Stage): Promise<boolean> {
  const lanes = Array.from({ length: 4 }, (_, lane) => laneQueueName(lane));
  const limits = await Promise.all(lanes.map((name) => redisClient.hget(`${keys.queues}:${name}:meta`, "concurrency")));
  return limits.every((limit) => limit === "1");
}

export const redisRestored: Scenario = {
  name: "redis-restored",
  title: "a Redis restored from an older state: nothing is decided or charged a second time, and the shop goes on",
  slowToSettle: true,
  async strike({ stage, chance, crowd, lasting }) {
    const live = join(stage.redisDirectory, "appendonlydir");
    const backup = join(stage.directory, "redis-backup");
    await cp(live, backup, { recursive: true });
    await sleep(chance.between(lasting(1_000, 2_000), lasting(2_000, 10_000)));
    crowd.rush(15);
    await sleep(chance.between(100, 500));
    const struckAtMs = Date.now();
    await stage.redis.kill();
    await rm(live, { recursive: true });
    await cp(backup, live, { recursive: true });
    await rm(backup, { recursive: true });
    await stage.redis.start();
    const backAtMs = Date.now();
    const alarmed = () => lossAlarmed(stage, struckAtMs, "was restored from an older state");
    const findings = [await within10s("the loss was alarmed", backAtMs, alarmed)];
    return { struckAtMs, backAtMs, redisLostAtMs: backAtMs, findings };
  },
};
