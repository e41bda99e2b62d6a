import { cp, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { laneQueueName } from "@holdfast/shared/lanes.ts";
import { alarmsSince } from "./alarms.ts";
import type { Finding } from "./judge.ts";
import type { Scenario } from "./scenario.ts";
import type { Stage } from "./stage.ts";
import { lastSweepMs } from "./sweeper.ts";

/**
 * A Redis that has lost something. What was only there is gone: orders that were accepted and still in line. Nobody may believe otherwise,
 * and whatever was decided stands, since Postgres is the record.
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
      within10s("somebody sweeps again", redisLostAtMs, async () => (await lastSweepMs(stage)) > redisLostAtMs),
      within10s("the loss was alarmed", redisLostAtMs, () => lossAlarmed(stage, struckAtMs, "was emptied")),
      within10s("lanes have one active job again", redisLostAtMs, () => lanesInOrder(stage)),
    ]);
    return { struckAtMs, backAtMs: struckAtMs, redisLostAtMs, findings };
  },
};

export const redisEmptiedTwice: Scenario = {
  name: "redis-emptied-twice",
  title: "a Redis that is emptied again while the first loss is put right: both are alarmed, and the shop goes on",
  slowToSettle: true,
  async strike({ stage, chance, crowd }) {
    // A system that was only just started has no epoch yet that could be lost.
    while (Number(await stage.redisClient.hget(stage.keys.epoch, "beat")) < 1) await sleep(50);
    const struckAtMs = Date.now();
    const alarms = async () => (await alarmsSince(stage, struckAtMs)).filter((line) => line.includes("Redis was "));
    await stage.redisClient.flushall();
    // Emptied again before anyone gave it a new token, it would be one loss.
    const hasToken = async () => (await stage.redisClient.hexists(stage.keys.epoch, "token")) === 1;
    const first = await within10s("the first loss was noticed", struckAtMs, hasToken);
    crowd.rush(10);
    await sleep(chance.between(0, 300));
    await stage.redisClient.flushall();
    const redisLostAtMs = Date.now();
    const findings = await Promise.all([
      within10s("each loss was alarmed", redisLostAtMs, async () => (await alarms()).length >= 2),
      within10s("somebody sweeps again", redisLostAtMs, async () => (await lastSweepMs(stage)) > redisLostAtMs),
      within10s("lanes have one active job again", redisLostAtMs, () => lanesInOrder(stage)),
    ]);
    return { struckAtMs, backAtMs: redisLostAtMs, redisLostAtMs, findings: [first, ...findings] };
  },
};

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
