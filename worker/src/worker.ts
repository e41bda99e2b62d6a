import { createAlarms } from "@holdfast/shared/alarm.ts";
import { openDatabase, requirePostgres } from "@holdfast/shared/database.ts";
import { type FleetMember, joinFleet } from "@holdfast/shared/fleet.ts";
import type { Logger } from "@holdfast/shared/log.ts";
import {
  openChargeQueue,
  openLanes,
  openNightlyQueue,
  openSweepQueue,
  openWebhookQueue,
} from "@holdfast/shared/queues.ts";
import { connectRedis, redisKeys, requireRedis } from "@holdfast/shared/redis.ts";
import { checkRedisDurability } from "@holdfast/shared/redis-durability.ts";
import { watchEpoch } from "@holdfast/shared/watch-epoch.ts";
import type { WorkerConfig } from "./config.ts";
import { connectStripe } from "./connect-stripe.ts";
import { providerRate } from "./provider-rate.ts";
import { epochRecovery } from "./recover-epoch.ts";
import { serveCharges } from "./serve-charges.ts";
import { serveLane, setUpLane } from "./serve-lane.ts";
import { serveSweeps, setUpSweeps } from "./serve-sweeps.ts";
import { serveWebhooks } from "./serve-webhooks.ts";
import { watchUnknownCards } from "./unknown-cards.ts";
import { watchLanes } from "./watch-lanes.ts";

export interface RunningWorker {
  /** Resolves where it must not go on, with the reason; it still has to be closed. */
  readonly expelled: FleetMember["expelled"];
  /** Finishes the jobs in hand, gives back its locks and connections. */
  close(): Promise<void>;
}

/** Builds a worker out of its configuration and starts it. Rejects where Postgres or Redis is away. */
export async function startWorker(config: WorkerConfig, log: Logger): Promise<RunningWorker> {
  // One connection per lane and a few for the charges: a charge holds one only while it reads and settles.
  const connections = config.PURCHASE_LANES + 8;
  const db = openDatabase(config.DATABASE_URL, connections, (error) =>
    log.warn({ err: error }, "Postgres connection lost"),
  );
  const onRedisError = (error: Error) => log.warn({ err: error }, "Redis connection lost");
  const redis = connectRedis(config.REDIS_URL, "waiting", onRedisError);
  const failing = connectRedis(config.REDIS_URL, "failing", onRedisError);
  const keys = redisKeys(config.REDIS_PREFIX);
  let fleet: FleetMember;
  try {
    await Promise.all([requirePostgres(db), requireRedis(redis), requireRedis(failing)]);
    await checkRedisDurability(redis, config.REQUIRE_DURABLE_REDIS === "on", log);
    fleet = await joinFleet({ redis: failing, keys, laneCount: config.PURCHASE_LANES, log });
  } catch (error) {
    redis.disconnect();
    failing.disconnect();
    await db.destroy();
    throw error;
  }

  const lanes = openLanes(redis, keys, config.PURCHASE_LANES);
  const charges = openChargeQueue(redis, keys);
  const webhooks = openWebhookQueue(redis, keys);
  const sweeps = openSweepQueue(redis, keys);
  const nightly = openNightlyQueue(redis, keys);
  const closing = new AbortController();
  const rate = providerRate(redis, keys.providerRate, config.CHARGE_RATE_PER_SECOND, closing.signal);
  const stripe = connectStripe(config, rate);
  const raiseAlarm = createAlarms(log);
  const watchCards = watchUnknownCards(raiseAlarm);
  const parts = { db, redis, keys, charges, stripe, raiseAlarm, watchCards, log, closing: closing.signal };
  const workers = await Promise.all(lanes.map((lane) => serveLane(lane, parts)));
  workers.push(
    serveCharges(parts, config.CHARGE_CONCURRENCY),
    serveWebhooks(webhooks, parts),
    ...(await serveSweeps(sweeps, nightly, parts, config.CHARGE_RATE_PER_SECOND)),
  );
  const setUpQueues = async () => {
    await Promise.all(lanes.map(setUpLane));
    await setUpSweeps(sweeps, nightly);
  };
  const recover = epochRecovery({ db, redis: failing, keys, lanes, setUpQueues, signal: closing.signal, log });
  const watch = watchEpoch({ db, redis: failing, keys, lanes, recover, lacksSome: null, log, alarm: raiseAlarm });
  const lanesWatch = watchLanes({
    db,
    redis: failing,
    keys,
    lanes,
    log,
    alarm: raiseAlarm,
    signal: closing.signal,
  });
  log.info({ lanes: config.PURCHASE_LANES, chargeRatePerSecond: config.CHARGE_RATE_PER_SECOND }, "worker is serving");

  return {
    expelled: fleet.expelled,
    async close() {
      const ended = Promise.all(workers.map((worker) => worker.close())); // no new job is taken from here on
      closing.abort(); // what may take minutes, such as a recovery, stops at its next page
      await Promise.all([ended, watch.close(), lanesWatch.close()]);
      await Promise.all([...lanes, charges, webhooks, sweeps, nightly].map((queue) => queue.close()));
      await fleet.leave(); // when its lanes are served no more
      await db.destroy();
      redis.disconnect();
      failing.disconnect();
    },
  };
}
