import { buildAdminApp } from "@holdfast/api/admin-app.ts";
import { type AppParts, buildApp } from "@holdfast/api/app.ts";
import { readApiConfig } from "@holdfast/api/config.ts";
import type { App } from "@holdfast/api/http/fastify-app.ts";
import { createMetrics } from "@holdfast/api/http/metrics.ts";
import { openItemCatalog } from "@holdfast/api/items/item-catalog.ts";
import { type AcceptanceMarks, acceptanceMarks } from "@holdfast/api/orders/acceptance-marks.ts";
import { type OrderWatch, openOrderWatch } from "@holdfast/api/orders/order-watch.ts";
import { openReadReplica } from "@holdfast/api/orders/read-replica.ts";
import { createLog, type Logger } from "@holdfast/shared/log.ts";
import { openChargeQueue, openLanes, openWebhookQueue } from "@holdfast/shared/queues.ts";
import { readinessCheck } from "@holdfast/shared/readiness.ts";
import { connectRedis, connectSubscriber, requireRedis } from "@holdfast/shared/redis.ts";
import { SignJWT } from "jose";
import type { World } from "./world.ts";

export const testJwtSecret = "a secret of thirty-two bytes and more for tests";
export const testOpsPassword = "ops-password-for-tests";
export const opsAuthorization = `Basic ${Buffer.from(`ops:${testOpsPassword}`).toString("base64")}`;

export interface TestApi {
  readonly app: App;
  /** What is served on ADMIN_PORT. */
  readonly admin: App;
  readonly marks: AcceptanceMarks;
  readonly watch: OrderWatch;
  close(): Promise<void>;
}

/** An API server of one's own, built but not listening, wired as `server.ts` does it. */
export async function createTestApi(
  world: World,
  env: Record<string, string> = {},
  more: { limits?: AppParts["limits"]; log?: Logger } = {},
): Promise<TestApi> {
  const config = readApiConfig({
    ...world.env,
    JWT_SECRET: testJwtSecret,
    OPS_PASSWORD: testOpsPassword,
    GUEST_SESSIONS: "on",
    SHOPPER_RATE_PER_MINUTE: "0",
    ADDRESS_RATE_PER_MINUTE: "0",
    ...env,
  });
  const ignore = () => {};
  const redis = connectRedis(config.REDIS_URL, "failing", ignore);
  const subscriber = connectSubscriber(config.REDIS_URL, ignore);
  await Promise.all([requireRedis(redis), requireRedis(subscriber)]);
  const { limits, log = createLog("api", "silent") } = more;
  const { db, keys } = world;
  const items = await openItemCatalog({ db, redis, subscriber, keys, log });
  const watch = await openOrderWatch({ redis, subscriber, keys, log });
  const lanes = openLanes({ redis, keys }, config.PURCHASE_LANES);
  const charges = openChargeQueue({ redis, keys });
  const webhooks = openWebhookQueue({ redis, keys });
  for (const queue of [...lanes, charges, webhooks]) queue.on("error", ignore);
  const readUrl = config.DATABASE_READ_URL;
  const replica = readUrl === undefined ? null : await openReadReplica({ url: readUrl, primary: db, log });
  const marks = acceptanceMarks({ redis, keys, replicas: config.ACCEPT_REPLICAS });
  await marks.begin(lanes.map(({ name }) => name));
  const health = {
    metrics: createMetrics("test", "ours only"),
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
    log,
    limits: { closingNoticeMs: 0, ...limits },
    ...health,
  });
  const admin = buildAdminApp({ log, fleetMetrics: async () => "", ...health });
  return {
    app,
    admin,
    marks,
    watch,
    async close() {
      await app.close();
      await admin.close();
      items.close();
      await replica?.close();
      await Promise.all([...lanes, charges, webhooks].map((queue) => queue.close()));
      redis.disconnect();
      subscriber.disconnect();
    },
  };
}

/** The Authorization header of a shopper. */
export async function shopperAuthorization(shopperId: string, secret = testJwtSecret): Promise<string> {
  const token = await new SignJWT()
    .setProtectedHeader({ alg: "HS256" })
    .setSubject(shopperId)
    .setExpirationTime("1h")
    .sign(new TextEncoder().encode(secret));
  return `Bearer ${token}`;
}
