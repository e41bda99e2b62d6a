import { lineLength } from "@holdfast/shared/line.ts";
import type { LaneQueue } from "@holdfast/shared/queues.ts";
import type { Store } from "@holdfast/shared/redis.ts";
import type { App } from "../http/fastify-app.ts";
import type { Metrics } from "../http/metrics.ts";
import type { CheckReadiness } from "../readiness.ts";

export interface MetricsParts extends Store {
  readonly lanes: readonly LaneQueue[];
  readonly metrics: Metrics;
  readonly checkReadiness: CheckReadiness;
}

/** `GET /metrics`, for Prometheus. */
export function metricsRoute(app: App, { redis, keys, lanes, metrics, checkReadiness }: MetricsParts): void {
  app.get("/metrics", { schema: { summary: "Prometheus metrics", tags: ["platform"] } }, async (_request, reply) => {
    const measureLine = async ({ name }: LaneQueue) => {
      const length = await lineLength({ redis, keys }, name).catch(unknownNumber);
      metrics.lineLength.set({ lane: name }, length);
    };
    const [{ losses }] = await Promise.all([checkReadiness(), ...lanes.map(measureLine)]);
    metrics.redisLosses.set(losses === null ? unknownNumber() : losses.count);
    return reply.type(metrics.registry.contentType).send(await metrics.registry.metrics());
  });
}

/** While Redis or Postgres is unavailable. */
const unknownNumber = () => Number.NaN;
