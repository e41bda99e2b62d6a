import { createAlarms } from "@holdfast/shared/alarm.ts";
import { openDatabase, requirePostgres } from "@holdfast/shared/database.ts";
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
import Stripe from "stripe";
import type { WorkerConfig } from "./config.ts";
import { epochRecovery } from "./recover-epoch.ts";
import { serveCharges } from "./serve-charges.ts";
import { serveLane, setUpLane } from "./serve-lane.ts";
import { serveSweeps, setUpSweeps } from "./serve-sweeps.ts";
import { serveWebhooks } from "./serve-webhooks.ts";
import { watchLanes } from "./watch-lanes.ts";

export interface RunningWorker {
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
  try {
    await Promise.all([requirePostgres(db), requireRedis(redis), requireRedis(failing)]);
    await checkRedisDurability(redis, config.REQUIRE_DURABLE_REDIS === "on", log);
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
  const stripe = connectStripe(config);
  const parts = { db, redis, keys, charges, stripe, log };
  const workers = await Promise.all(lanes.map((lane) => serveLane(lane, parts)));
  workers.push(
    serveCharges(parts, {
      concurrency: config.CHARGE_CONCURRENCY,
      ratePerSecond: config.CHARGE_RATE_PER_SECOND,
    }),
    serveWebhooks(webhooks, parts),
    ...(await serveSweeps(sweeps, nightly, parts, config.CHARGE_RATE_PER_SECOND)),
  );
  const setUpQueues = async () => {
    await Promise.all(lanes.map(setUpLane));
    await setUpSweeps(sweeps, nightly);
  };
  const alarm = createAlarms(log);
  const recover = epochRecovery({ db, redis: failing, keys, lanes, setUpQueues, log });
  const watch = watchEpoch({ db, redis: failing, keys, lanes, recover, lacksSome: null, log, alarm });
  const lanesWatch = watchLanes({ db, redis: failing, keys, lanes, log, alarm });
  log.info({ lanes: config.PURCHASE_LANES, chargeRatePerSecond: config.CHARGE_RATE_PER_SECOND }, "worker is serving");

  return {
    async close() {
      await Promise.all([watch.close(), lanesWatch.close()]);
      await Promise.all(workers.map((worker) => worker.close()));
      await Promise.all([...lanes, charges, webhooks, sweeps, nightly].map((queue) => queue.close()));
      await db.destroy();
      redis.disconnect();
      failing.disconnect();
    },
  };
}

/** The SDK with its bounds set on purpose; without STRIPE_API_BASE it talks to Stripe itself. */
export function connectStripe(config: Pick<WorkerConfig, "STRIPE_SECRET_KEY" | "STRIPE_API_BASE">): Stripe {
  const base = config.STRIPE_API_BASE ? new URL(config.STRIPE_API_BASE) : null;
  return new Stripe(config.STRIPE_SECRET_KEY, {
    timeout: 7_000, // a charge takes one to three seconds; longer is an unknown outcome, and a worker has to stop within ten
    maxNetworkRetries: 0, // a repeat is the queue's to make, within the rate limit and with backoff
    httpClient: withoutHiddenRetries(Stripe.createNodeHttpClient()),
    telemetry: false,
    ...(base && {
      host: base.hostname,
      port: base.port || (base.protocol === "https:" ? 443 : 80),
      protocol: base.protocol === "https:" ? "https" : "http",
    }),
  });
}

type HttpClient = ReturnType<typeof Stripe.createNodeHttpClient>;

/** The SDK repeats a request at once when its connection breaks, whatever `maxNetworkRetries` says, going by the error's code. */
function withoutHiddenRetries(client: HttpClient): HttpClient {
  const makeRequest = client.makeRequest.bind(client);
  client.makeRequest = (...request) =>
    makeRequest(...request).catch((error: Error & { code?: string }) => {
      if (error.code !== "ECONNRESET" && error.code !== "EPIPE") throw error;
      throw Object.assign(new Error(`The connection broke (${error.code})`), { code: "CONNECTION_BROKEN" });
    });
  return client;
}
