import { createAlarms } from "@holdfast/shared/alarm.ts";
import { openDatabase } from "@holdfast/shared/database.ts";
import { type FleetMember, joinFleet } from "@holdfast/shared/fleet.ts";
import { reportMember } from "@holdfast/shared/fleet-report.ts";
import { type Logger, reportLosses } from "@holdfast/shared/log.ts";
import { openChargeQueue, openLanes, openWebhookQueue } from "@holdfast/shared/queues.ts";
import { alarmRecorder } from "@holdfast/shared/raised-alarms.ts";
import { readinessCheck } from "@holdfast/shared/readiness.ts";
import { connectRedis, connectSubscriber, redisKeys } from "@holdfast/shared/redis.ts";
import { checkRedisDurability, checkReplicaSettings } from "@holdfast/shared/redis-durability.ts";
import { requireStorage } from "@holdfast/shared/require-storage.ts";
import type { Serving } from "@holdfast/shared/run-process.ts";
import { openTracing } from "@holdfast/shared/tracing.ts";
import { readVersion } from "@holdfast/shared/version.ts";
import { watchGeneration } from "@holdfast/shared/watch-generation.ts";
import { buildAdminApp } from "./admin-app.ts";
import { buildApp } from "./app.ts";
import type { ApiConfig } from "./config.ts";
import type { App } from "./http/fastify-app.ts";
import { createMetrics } from "./http/metrics.ts";
import { openItemCatalog } from "./items/item-catalog.ts";
import { saleGauges } from "./ops/monitor/sale-gauges.ts";
import { watchSale } from "./ops/monitor/sale-monitor.ts";
import { acceptanceMarks } from "./orders/acceptance-marks.ts";
import { openOrderWatch } from "./orders/order-watch.ts";
import { openReadReplica, type ReadReplica } from "./orders/read-replica.ts";
import { warmUp } from "./warm-up.ts";

export interface RunningServer extends Serving {
  /** Where it listens, such as http://127.0.0.1:3000. */
  readonly address: string;
  /** Where `ADMIN_PORT` is served, null without one. */
  readonly adminAddress: string | null;
}

/** It charges nothing itself. */
const noProvider = () => ({ providerError: null, providerSilentMs: 0 });

const databaseConnections = 10; // the API reads one row at a time, and only what Redis does not know

/**
 * Wires an API server out of its configuration and listens. Rejects where Postgres or Redis is
 * unavailable. Longer than a screen: all that is opened, and closed again in its order.
 */
export async function startServer(config: ApiConfig, log: Logger): Promise<RunningServer> {
  const onRedisError = reportLosses(log, "Redis");
  const db = openDatabase(config.DATABASE_URL, databaseConnections, reportLosses(log, "Postgres"));
  const redis = connectRedis(config.REDIS_URL, "failing", onRedisError);
  const subscriber = connectSubscriber(config.REDIS_URL, onRedisError);
  const replicas = config.ACCEPT_REPLICAS;
  // What waits for replicas holds its connection up.
  const marksRedis = replicas === 0 ? redis : connectRedis(config.REDIS_URL, "failing", onRedisError);
  let fleet: FleetMember | null = null;
  let replica: ReadReplica | null = null;
  const disconnect = async () => {
    await fleet?.leave();
    for (const connection of new Set([redis, subscriber, marksRedis])) connection.disconnect();
    await replica?.close();
    await db.destroy();
  };
  const servers: App[] = [];
  try {
    await requireStorage(config, db, [redis, subscriber, marksRedis]);
    await checkRedisDurability(redis, config.REQUIRE_DURABLE_REDIS === "on", log);
    const keys = redisKeys(config.REDIS_PREFIX);
    fleet = await joinFleet({ redis, keys, laneCount: config.PURCHASE_LANES, log });
    const version = readVersion();
    const metrics = createMetrics(version);
    metrics.watchPool("api", db);
    const endpoint = config.OTEL_EXPORTER_OTLP_ENDPOINT;
    const tracing = await openTracing({ endpoint, service: "holdfast-api", version, log });
    const readUrl = config.DATABASE_READ_URL;
    if (readUrl !== undefined) replica = await openReadReplica({ url: readUrl, primary: db, log });
    const items = await openItemCatalog({ db, redis, subscriber, keys, log });
    const watch = await openOrderWatch({ redis, subscriber, keys, log });
    const lanes = openLanes({ redis, keys }, config.PURCHASE_LANES);
    const charges = openChargeQueue({ redis, keys });
    const webhooks = openWebhookQueue({ redis, keys });
    for (const queue of [...lanes, charges, webhooks]) queue.on("error", onRedisError);
    const raiseAlarm = createAlarms(log, alarmRecorder({ redis, keys }), metrics.countAlarm);
    const onUnknown = (why: string) => raiseAlarm("replicas_missing", `${why}.`);
    const marks = acceptanceMarks({ redis: marksRedis, keys, replicas, jobs: redis, onUnknown });
    if (replicas > 0) await checkReplicaSettings(marksRedis, log);
    const answering = await marks.begin(lanes.map(({ name }) => name));
    if (answering < replicas)
      log.warn(`ACCEPT_REPLICAS is ${replicas}, and ${answering} answer: purchases are 503 until there are as many`);
    const health = {
      metrics,
      checkReadiness: readinessCheck({ db, redis, keys, lanes }),
      closing: { begun: false },
    };
    const app = await buildApp({
      config,
      db,
      replica,
      redis,
      keys,
      lanes,
      charges,
      webhooks,
      items,
      watch,
      marks,
      tracing,
      log,
      ...health,
    });
    const chargesPerSecond = config.CHARGE_RATE_PER_SECOND;
    const monitor = watchSale({ db, redis, keys, lanes, webhooks, chargesPerSecond, log });
    const admin = buildAdminApp({
      log,
      fleetMetrics: saleGauges({ redis, keys, lanes }, () => monitor.measured()),
      ...health,
    });
    servers.push(app, admin);
    await warmUp({ config, db, redis, subscriber, log });
    const adminAddress =
      config.ADMIN_PORT === undefined ? null : await admin.listen({ host: config.HOST, port: config.ADMIN_PORT });
    const address = await app.listen({ host: config.HOST, port: config.PORT });
    const lacksSome = (generation: number) => marks.lacksSome(generation);
    const watched = { db, redis, keys, lanes, recover: null, lacksSome, log, raiseAlarm };
    const generation = watchGeneration(watched);
    metrics.watchWaiters(() => watch.size());
    const report = reportMember(
      { redis, keys, log },
      { kind: "api", roles: [], version, provider: null, figures: metrics.figures, providerState: noProvider },
    );
    log.info({ adminAddress, address }, "api is listening");
    return {
      address,
      expelled: fleet.expelled,
      adminAddress,
      async close() {
        void report.leaving();
        await app.close();
        await admin.close();
        await Promise.all([generation.close(), monitor.close()]);
        items.close();
        await Promise.all([...lanes, charges, webhooks].map((queue) => queue.close()));
        await Promise.all([report.leave(), tracing?.close()]);
        await disconnect();
      },
    };
  } catch (error) {
    await Promise.all(servers.map((server) => server.close()));
    await disconnect();
    throw error;
  }
}
