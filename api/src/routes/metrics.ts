import type { CheckReadiness } from "@holdfast/shared/readiness.ts";
import type { App } from "../http/fastify-app.ts";
import type { Metrics } from "../http/metrics.ts";

export interface MetricsParts {
  readonly metrics: Metrics;
  readonly checkReadiness: CheckReadiness;
  /** The figures of the whole fleet as text, empty where another server exports them. */
  readonly fleetMetrics: () => Promise<string>;
}

/** `GET /metrics`, for Prometheus. */
export function metricsRoute(app: App, { metrics, checkReadiness, fleetMetrics }: MetricsParts): void {
  app.get("/metrics", { schema: { summary: "Prometheus metrics", tags: ["platform"] } }, async (_request, reply) => {
    const { redis, postgres } = await checkReadiness();
    metrics.setStorage(redis, postgres);
    const own = await metrics.registry.metrics();
    return reply.type(metrics.registry.contentType).send(own + (await fleetMetrics()));
  });
}
