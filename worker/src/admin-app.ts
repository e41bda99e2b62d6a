import type { Logger } from "@holdfast/shared/log.ts";
import type { CheckReadiness } from "@holdfast/shared/readiness.ts";
import Fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from "fastify";
import type { WorkerRole } from "./config.ts";
import type { WorkerMetrics } from "./metrics/worker-metrics.ts";

/** A queue that this worker serves, as its BullMQ worker says. */
export interface Served {
  readonly name: string;
  isRunning(): boolean;
}

export interface AdminParts {
  readonly metrics: WorkerMetrics;
  readonly checkReadiness: CheckReadiness;
  readonly roles: ReadonlySet<WorkerRole>;
  readonly served: readonly Served[];
  readonly closing: AbortSignal;
  readonly log: Logger;
}

const requestTimeoutMs = 10_000;
const maxConnections = 100; // the platform and a few scrapers

/**
 * What a worker serves on `ADMIN_PORT`, for the platform and Prometheus. Without listening.
 * - `/healthz`: 200 while its event loop turns and every queue of its roles is served. A worker
 *   that does not serve one any more does not come back by itself: it is to be started again.
 * - `/readyz`: 200 while Redis and Postgres take its writes.
 * - `/metrics`.
 */
export function buildAdminApp(parts: AdminParts): FastifyInstance {
  const { metrics, checkReadiness, roles, served, closing } = parts;
  const log: FastifyBaseLogger = parts.log;
  const app = Fastify({
    loggerInstance: log,
    logController: new LogController({ disableRequestLogging: true }),
    requestTimeout: requestTimeoutMs,
  });
  app.server.maxConnections = maxConnections;
  app.addHook("onRequest", (_request, reply, done) => {
    reply.headers({ "cache-control": "no-store", "x-content-type-options": "nosniff" });
    done();
  });
  app.setNotFoundHandler((_request, reply) =>
    reply.code(404).send({ status: "not_found", detail: "Here are /healthz, /readyz and /metrics." }),
  );
  app.get("/healthz", async (_request, reply) => {
    const queues = served.map((queue) => ({ queue: queue.name, served: queue.isRunning() }));
    // While it closes, it takes no new jobs on purpose.
    const well = closing.aborted || queues.every((queue) => queue.served);
    const body = { status: well ? "ok" : "unavailable", roles: [...roles], queues, closing: closing.aborted };
    return reply.code(well ? 200 : 503).send(body);
  });
  app.get("/readyz", async (_request, reply) => {
    const { redis, postgres } = await checkReadiness();
    const ready = redis === "up" && postgres === "up" && !closing.aborted;
    const body = { status: ready ? "ready" : "unavailable", redis, postgres, roles: [...roles] };
    return reply.code(ready ? 200 : 503).send(body);
  });
  app.get("/metrics", async (_request, reply) => {
    const { redis, postgres } = await checkReadiness();
    metrics.setStorage(redis, postgres);
    return reply.type(metrics.registry.contentType).send(await metrics.registry.metrics());
  });
  return app;
}
