import { buildApp } from "@holdfast/api/app.ts";
import { readApiConfig } from "@holdfast/api/config.ts";
import { createMetrics } from "@holdfast/api/http/metrics.ts";
import { openDatabase } from "@holdfast/shared/database.ts";
import { createLog } from "@holdfast/shared/log.ts";
import { openChargeQueue, openLanes, openWebhookQueue } from "@holdfast/shared/queues.ts";
import { connectRedis, redisKeys } from "@holdfast/shared/redis.ts";

const nowhere = { DATABASE_URL: "postgres://nobody@127.0.0.1:1/none", REDIS_URL: "redis://127.0.0.1:1" };

/** The description of an API server with everything on, which is built and asked nothing else. */
export async function describeRoutes(): Promise<object> {
  const config = readApiConfig({
    ...nowhere,
    JWT_SECRET: "x".repeat(32),
    GUEST_SESSIONS: "on",
    OPS_PASSWORD: "x".repeat(12),
    STRIPE_WEBHOOK_SECRET: "whsec_none",
  });
  const redis = connectRedis(config.REDIS_URL, "failing", () => {});
  const keys = redisKeys("");
  const lanes = openLanes({ redis, keys }, 1);
  const charges = openChargeQueue({ redis, keys });
  const webhooks = openWebhookQueue({ redis, keys });
  for (const queue of [...lanes, charges, webhooks]) queue.on("error", () => {});
  const app = await buildApp({
    config,
    db: openDatabase(config.DATABASE_URL, 1, () => {}),
    redis,
    keys,
    lanes,
    charges,
    webhooks,
    items: {
      known: () => undefined,
      find: async () => null,
      list: () => [],
      revision: () => 0,
      note: () => {},
      close: () => {},
    },
    watch: { answer: (_waiter, getOrder) => getOrder(), size: () => 0, close: () => {} },
    marks: { begin: async () => 0, note: async () => {}, lacksSome: async () => false },
    metrics: createMetrics("", "ours only"),
    checkReadiness: async () => ({ redis: "up", postgres: "up", losses: null }),
    closing: { begun: false },
    log: createLog("api", "silent"),
  });
  const answer = await app.inject("/docs/json");
  redis.disconnect();
  return answer.json<object>();
}
