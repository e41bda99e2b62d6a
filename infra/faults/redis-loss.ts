import { cp, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Scenario } from "./scenario.ts";

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
    return { struckAtMs, backAtMs: struckAtMs, redisLostAtMs: Date.now() };
  },
};

export const redisRestored: Scenario = {
  name: "redis-restored",
  title: "a Redis restored from an older state: nothing is decided or charged a second time, and the shop goes on",
  slowToSettle: true,
  async strike({ stage, chance, lasting }) {
    const live = join(stage.redisDirectory, "appendonlydir");
    const backup = join(stage.directory, "redis-backup");
    await cp(live, backup, { recursive: true });
    await sleep(chance.between(lasting(1_000, 2_000), lasting(2_000, 10_000)));
    const struckAtMs = Date.now();
    await stage.redis.kill();
    await rm(live, { recursive: true });
    await cp(backup, live, { recursive: true });
    await rm(backup, { recursive: true });
    await stage.redis.start();
    const backAtMs = Date.now();
    return { struckAtMs, backAtMs, redisLostAtMs: backAtMs };
  },
};
