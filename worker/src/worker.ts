import { createAlarms } from "@holdfast/shared/alarm.ts";
import { openDatabase } from "@holdfast/shared/database.ts";
import { type FleetMember, joinFleet } from "@holdfast/shared/fleet.ts";
import { reportMember } from "@holdfast/shared/fleet-report.ts";
import { type Logger, reportLosses } from "@holdfast/shared/log.ts";
import {
  openChargeQueue,
  openLanes,
  openNightlyQueue,
  openSweepQueue,
  openWebhookQueue,
  type SweepQueue,
  type WebhookQueue,
} from "@holdfast/shared/queues.ts";
import { alarmRecorder } from "@holdfast/shared/raised-alarms.ts";
import { readinessCheck } from "@holdfast/shared/readiness.ts";
import { connectRedis, redisKeys } from "@holdfast/shared/redis.ts";
import { checkRedisDurability } from "@holdfast/shared/redis-durability.ts";
import { requireStorage } from "@holdfast/shared/require-storage.ts";
import type { Serving } from "@holdfast/shared/run-process.ts";
import { openTracing } from "@holdfast/shared/tracing.ts";
import { readVersion } from "@holdfast/shared/version.ts";
import { watchGeneration } from "@holdfast/shared/watch-generation.ts";
import type { FastifyInstance } from "fastify";
import { buildAdminApp } from "./admin-app.ts";
import { rolesOf, type WorkerConfig, type WorkerRole } from "./config.ts";
import { createWorkerMetrics } from "./metrics/worker-metrics.ts";
import type { QueueWorker } from "./open-worker.ts";
import { connectStripe, isLiveKey } from "./payment/connect-stripe.ts";
import { providerRate } from "./payment/provider-rate.ts";
import { type ChargeParts, serveCharges } from "./payment/serve-charges.ts";
import { serveWebhooks } from "./payment/serve-webhooks.ts";
import { watchUnknownCards } from "./payment/unknown-cards.ts";
import { type ProviderWatch, watchProvider } from "./payment/watch-provider.ts";
import { compareItems } from "./recovery/compare-items.ts";
import { generationRecovery } from "./recovery/recover-generation.ts";
import { saleGate } from "./recovery/sale-gate.ts";
import { samePostgres } from "./recovery/same-postgres.ts";
import { serveSweeps, setUpSweeps } from "./recovery/serve-sweeps.ts";
import { chargeQuota } from "./reserve/enqueue-charges.ts";
import { serveLane, setUpLane } from "./reserve/serve-lane.ts";
import { watchLanes } from "./reserve/watch-lanes.ts";
import { serveShopWebhooks, shopConnections } from "./shop-webhooks/serve-shop-webhooks.ts";
import { shopOf } from "./shop-webhooks/shop-settings.ts";

type PaymentQueues = Readonly<Record<"sweeps" | "nightly", SweepQueue>> & { readonly webhooks: WebhookQueue };

/** What of the roles asks the provider. */
async function servePayments(
  config: WorkerConfig,
  roles: ReadonlySet<WorkerRole>,
  parts: Omit<ChargeParts, "stripe"> & { readonly closing: AbortSignal; readonly provider: ProviderWatch },
  { webhooks, sweeps, nightly }: PaymentQueues,
): Promise<QueueWorker[]> {
  const { STRIPE_SECRET_KEY, CHARGE_RATE_PER_SECOND: chargesPerSecond } = config;
  // Whoever charges or sweeps has the key: readWorkerConfig makes sure of it.
  if (STRIPE_SECRET_KEY === undefined) return [];
  const { redis, keys, raiseAlarm, closing, provider } = parts;
  const rate = providerRate(redis, keys.providerRate, chargesPerSecond, closing);
  const stripe = connectStripe({ ...config, STRIPE_SECRET_KEY }, rate, provider);
  const chargesMoveMoney = isLiveKey(STRIPE_SECRET_KEY);
  const all = { ...parts, stripe, watchCards: watchUnknownCards(raiseAlarm), chargesMoveMoney };
  const workers: QueueWorker[] = [];
  if (roles.has("charge")) workers.push(serveCharges(all, config.CHARGE_CONCURRENCY), serveWebhooks(webhooks, all));
  if (roles.has("sweep")) workers.push(...(await serveSweeps(sweeps, nightly, all, chargesPerSecond)));
  return workers;
}

export interface RunningWorker extends Serving {
  /** Where `ADMIN_PORT` is served, null without one. */
  readonly adminAddress: string | null;
}

async function listenIfAsked(admin: FastifyInstance, { HOST, ADMIN_PORT }: WorkerConfig): Promise<string | null> {
  return ADMIN_PORT === undefined ? null : admin.listen({ host: HOST, port: ADMIN_PORT });
}

/** At what of a provider this worker charges; null where it charges nothing. */
function providerKind({ STRIPE_API_BASE, STRIPE_SECRET_KEY }: WorkerConfig, roles: ReadonlySet<WorkerRole>) {
  if (!roles.has("charge") || STRIPE_SECRET_KEY === undefined) return null;
  if (STRIPE_API_BASE !== undefined && new URL(STRIPE_API_BASE).hostname !== "api.stripe.com") return "simulator";
  return isLiveKey(STRIPE_SECRET_KEY) ? "live" : "test";
}

const looksConnections = 3; // the looks, one at a time, and two for readiness
const paymentConnections = 8; // a charge holds one only while it reads and settles; sweeps and events are short

/**
 * Builds a worker out of its configuration and starts it. Rejects where Postgres or Redis is
 * unavailable.
 */
export async function startWorker(config: WorkerConfig, log: Logger): Promise<RunningWorker> {
  const roles = rolesOf(config.WORKER_ROLES);
  const gate = saleGate();
  const reportPostgres = reportLosses(log, "Postgres");
  const onPostgresError = (error: Error) => {
    gate.noteOutage();
    reportPostgres(error);
  };
  const onRedisError = reportLosses(log, "Redis");
  const same = samePostgres(gate, log);
  const db = openDatabase(config.DATABASE_URL, paymentConnections, onPostgresError, same.forWork);
  // A look waits for nobody's work, and says whether that may go on.
  const looksDb = openDatabase(config.DATABASE_URL, looksConnections, onPostgresError, same.forLooks);
  const redis = connectRedis(config.REDIS_URL, "waiting", onRedisError);
  const failing = connectRedis(config.REDIS_URL, "failing", onRedisError);
  // The lanes have connections of their own: however many charges wait for Postgres or Redis,
  // reserving keeps its pace.
  const lanesDb = openDatabase(config.DATABASE_URL, config.PURCHASE_LANES, onPostgresError, same.forWork);
  const lanesRedis = connectRedis(config.REDIS_URL, "waiting", onRedisError);
  const shopDb = openDatabase(config.DATABASE_URL, shopConnections, onPostgresError);
  const disconnect = async () => {
    for (const connection of [redis, failing, lanesRedis]) connection.disconnect();
    await Promise.all([db, looksDb, lanesDb, shopDb].map((one) => one.destroy()));
  };
  const keys = redisKeys(config.REDIS_PREFIX);
  let fleet: FleetMember;
  try {
    await requireStorage(config, db, [redis, failing, lanesRedis]);
    await checkRedisDurability(redis, config.REQUIRE_DURABLE_REDIS === "on", log);
    fleet = await joinFleet({ redis: failing, keys, laneCount: config.PURCHASE_LANES, log });
  } catch (error) {
    await disconnect();
    throw error;
  }

  const lanes = openLanes({ redis: lanesRedis, keys: keys }, config.PURCHASE_LANES);
  const charges = openChargeQueue({ redis, keys });
  const webhooks = openWebhookQueue({ redis, keys });
  const sweeps = openSweepQueue({ redis, keys });
  const nightly = openNightlyQueue({ redis, keys });
  const closing = new AbortController();
  const version = readVersion();
  const metrics = createWorkerMetrics(version);
  const endpoint = config.OTEL_EXPORTER_OTLP_ENDPOINT;
  const tracing = await openTracing({ endpoint, service: "holdfast-worker", version, log });
  const raiseAlarm = createAlarms(log, alarmRecorder({ redis: failing, keys }), metrics.countAlarm);
  const provider = watchProvider(raiseAlarm, metrics.providerAsked);
  metrics.watchSilence(() => provider.silentMs());
  for (const [name, pool] of Object.entries({ payments: db, lanes: lanesDb, shop: shopDb }))
    metrics.watchPool(name, pool);
  const lanesCharges = openChargeQueue({ redis: lanesRedis, keys: keys });
  const quota = chargeQuota(config.CHARGE_RATE_PER_SECOND);
  const laneParts = { db: lanesDb, redis: lanesRedis, keys, charges: lanesCharges, quota, metrics, tracing, gate, log };
  const money = { db, redis, keys, charges, raiseAlarm, metrics, provider };
  const workers: QueueWorker[] = [];
  if (roles.has("reserve")) workers.push(...(await Promise.all(lanes.map((lane) => serveLane(lane, laneParts)))));
  const paying = { ...money, tracing, gate, log, closing: closing.signal };
  workers.push(...(await servePayments(config, roles, paying, { webhooks, sweeps, nightly })));
  const setUpQueues = async () => {
    await Promise.all(lanes.map(setUpLane));
    await setUpSweeps(sweeps, nightly);
  };
  const looking = { db, redis: failing, keys, lanes, metrics, signal: closing.signal, log };
  const recover = generationRecovery({ ...looking, setUpQueues });
  const lacksCommits = async () =>
    gate.isUnsure() && (await compareItems(looksDb, { redis: failing, keys })).older.length > 0;
  const watch = watchGeneration({
    db: looksDb,
    redis: failing,
    keys,
    lanes,
    recover,
    lacksSome: null,
    lacksCommits,
    onLook: gate.noteLook,
    onFailedLook: gate.noteError,
    log,
    raiseAlarm,
  });
  const lanesWatch = watchLanes({ ...looking, raiseAlarm });
  if (!roles.has("webhook") && config.SHOP_WEBHOOK_URL !== undefined)
    log.warn("SHOP_WEBHOOK_URL is set, but this worker has not the role webhook: others must deliver to the shop");
  const shopParts = { db: shopDb, shop: shopOf(config), raiseAlarm, metrics, log };
  const shopWebhooks = roles.has("webhook") ? await serveShopWebhooks(shopParts) : null;
  const report = reportMember(
    { redis: failing, keys, log },
    {
      kind: "worker",
      roles: [...roles],
      version,
      provider: providerKind(config, roles),
      figures: metrics.figures,
      providerState: () => ({ providerError: provider.lastError(), providerSilentMs: provider.silentMs() }),
    },
  );
  const checkReadiness = readinessCheck({ db: looksDb, redis: failing, keys, lanes });
  const admin = buildAdminApp({ metrics, checkReadiness, roles, served: workers, closing: closing.signal, log });
  const adminAddress = await listenIfAsked(admin, config);
  const { PURCHASE_LANES, CHARGE_RATE_PER_SECOND } = config;
  const serving = {
    adminAddress,
    roles: [...roles],
    lanes: PURCHASE_LANES,
    chargeRatePerSecond: CHARGE_RATE_PER_SECOND,
  };
  log.info(serving, "worker is serving");

  return {
    expelled: fleet.expelled,
    adminAddress,
    async close() {
      void report.leaving();
      const ended = Promise.all(workers.map((worker) => worker.close())); // no new job is taken from here on
      closing.abort(); // what may take minutes, such as a recovery, stops at its next page
      await Promise.all([ended, watch.close(), lanesWatch.close(), shopWebhooks?.close()]);
      await Promise.all([...lanes, charges, lanesCharges, webhooks, sweeps, nightly].map((queue) => queue.close()));
      await Promise.all([admin.close(), tracing?.close()]);
      await Promise.all([fleet.leave(), report.leave()]); // when its lanes are served no more
      await disconnect();
    },
  };
}
