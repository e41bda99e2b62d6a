import type { Database } from "@holdfast/shared/database.ts";
import { lineLength } from "@holdfast/shared/line.ts";
import { viewTtlMs } from "@holdfast/shared/order-view.ts";
import type { LaneQueue } from "@holdfast/shared/queues.ts";
import type { RedisClient, RedisKeys } from "@holdfast/shared/redis.ts";
import { readLosses } from "@holdfast/shared/redis-epoch.ts";
import { sql } from "kysely";
import { Type } from "typebox";
import type { App } from "../app.ts";
import type { Metrics } from "../metrics.ts";

export interface HealthParts {
  readonly db: Database;
  readonly redis: RedisClient;
  readonly keys: RedisKeys;
  readonly lanes: readonly LaneQueue[];
  readonly metrics: Metrics;
}

const probeTimeoutMs = 2_000; // shorter than any platform's own probe timeout worth setting

/** `GET /healthz`, `GET /readyz`, `GET /metrics`: for the platform. */
export function healthRoutes(app: App, { db, redis, keys, lanes, metrics }: HealthParts): void {
  const readiness = Type.Object({
    status: Type.String(),
    redis: Type.String(),
    postgres: Type.String(),
    ordersLost: Type.Optional(Type.Object({ cause: Type.String(), noticedAt: Type.String() })),
  });

  app.get(
    "/healthz",
    { schema: { summary: "Alive", tags: ["platform"], response: { 200: Type.Object({ status: Type.String() }) } } },
    async () => ({ status: "ok" }),
  );

  app.get(
    "/readyz",
    { schema: { summary: "Can accept purchases", tags: ["platform"], response: { 200: readiness, 503: readiness } } },
    async (_request, reply) => {
      const [redisState, postgresState] = await Promise.all([state(redis.ping()), state(sql`select 1`.execute(db))]);
      // A purchase of a known item needs only Redis, so Postgres being away is said but takes no server out of service.
      const ready = redisState === "up";
      if (!ready) reply.header("retry-after", 2);
      return reply.code(ready ? 200 : 503).send({
        status: ready ? "ready" : "unavailable",
        redis: redisState,
        postgres: postgresState,
        ...(postgresState === "up" && (await recentLoss(db))),
      });
    },
  );

  app.get("/metrics", { schema: { summary: "Prometheus metrics", tags: ["platform"] } }, async (_request, reply) => {
    await Promise.all(
      lanes.map(async ({ name }) => {
        const length = await lineLength(redis, keys, name).catch(unknownNumber);
        metrics.lineLength.set({ lane: name }, length);
      }),
    );
    metrics.redisLosses.set(await readLosses(db).then(({ count }) => count, unknownNumber));
    return reply.type(metrics.registry.contentType).send(await metrics.registry.metrics());
  });
}

/** While Redis or Postgres is away. */
const unknownNumber = () => Number.NaN;

/** Redis having lost orders takes no server out of service, but whoever looks shall see it for a day. */
async function recentLoss(db: Database) {
  const last = await readLosses(db).then(
    (losses) => losses.last,
    () => null,
  );
  if (last === null || last.atMs + viewTtlMs < Date.now()) return {};
  return { ordersLost: { cause: last.cause, noticedAt: new Date(last.atMs).toISOString() } };
}

async function state(probe: Promise<unknown>): Promise<"up" | "down"> {
  const late = new Promise((_, reject) => setTimeout(reject, probeTimeoutMs).unref());
  return Promise.race([probe, late]).then(
    () => "up" as const,
    () => "down" as const,
  );
}
