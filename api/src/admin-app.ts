import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { Logger } from "@holdfast/shared/log.ts";
import Fastify, { type FastifyBaseLogger, LogController } from "fastify";
import { answerWhileClosing } from "./http/closing.ts";
import { connectionLimits, connectionOptions, limitConnections } from "./http/connections.ts";
import type { App } from "./http/fastify-app.ts";
import { answerProblem, Problem } from "./http/problems.ts";
import { apiHeaders } from "./http/secure-headers.ts";
import { type HealthParts, healthRoutes } from "./routes/health.ts";
import { type MetricsParts, metricsRoute } from "./routes/metrics.ts";

const maxAdminConnections = 100; // the platform and a few scrapers

/**
 * What is served on `ADMIN_PORT`: health and metrics, for the platform. The metrics are nowhere
 * else: they say how well a shop sells, and each scrape is some work. Without listening.
 */
export function buildAdminApp(parts: MetricsParts & HealthParts & { readonly log: Logger }): App {
  const log: FastifyBaseLogger = parts.log;
  const app: App = Fastify({
    ...connectionOptions(connectionLimits),
    loggerInstance: log,
    logController: new LogController({ disableRequestLogging: true }),
    return503OnClosing: false, // said by answerWhileClosing, as a problem
    frameworkErrors: (error, request, reply) => void answerProblem(error, request, reply),
  }).withTypeProvider<TypeBoxTypeProvider>();
  // It closes after the server for shoppers, which gives the notice that closing needs.
  answerWhileClosing(app, { begun: false }, { closingNoticeMs: 0 }, () => {});
  limitConnections(app, { ...connectionLimits, maxConnections: maxAdminConnections });
  app.addHook("onRequest", (_request, reply, done) => {
    reply.headers(apiHeaders);
    done();
  });
  app.setErrorHandler(answerProblem);
  app.setNotFoundHandler(() => {
    throw new Problem("route_not_found", "Here are /healthz, /readyz and /metrics.");
  });
  healthRoutes(app, parts);
  metricsRoute(app, parts);
  return app;
}
