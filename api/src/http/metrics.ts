import { Counter, collectDefaultMetrics, Histogram, Registry } from "prom-client";
import type { App } from "./fastify-app.ts";

export interface Metrics {
  readonly registry: Registry;
  /** Counts an answer by its route and status, and how long it took. */
  readonly countAnswer: (method: string, route: string, status: number, seconds: number) => void;
}

/** @param scope `process` for the default metrics too, once in each process */
export function createMetrics(scope: "process" | "answers only" = "process"): Metrics {
  const registry = new Registry();
  if (scope === "process") collectDefaultMetrics({ register: registry, prefix: "holdfast_api_" });
  const answers = new Counter({
    name: "holdfast_http_answers_total",
    help: "Answers by route and status",
    labelNames: ["method", "route", "status"] as const,
    registers: [registry],
  });
  const duration = new Histogram({
    name: "holdfast_http_duration_seconds",
    help: "From request to answer, by route",
    labelNames: ["method", "route"] as const,
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30],
    registers: [registry],
  });
  return { registry, countAnswer: answerCounter(answers, duration) };
}

/** Counts every answer of the app. */
export function countAnswers(app: App, { countAnswer }: Metrics): void {
  app.addHook("onResponse", (request, reply, done) => {
    countAnswer(request.method, request.routeOptions.url ?? "none", reply.statusCode, reply.elapsedTime / 1000);
    done();
  });
}

/**
 * Counts an answer. The series of a route and status is looked up by its labels once: doing it at
 * every answer costs more than the rest.
 */
function answerCounter(answers: Counter<"method" | "route" | "status">, duration: Histogram<"method" | "route">) {
  type Series = { readonly answers: Counter.Internal; readonly duration: Histogram.Internal<"method" | "route"> };
  const known = new Map<string, Series>(); // as many as there are routes and statuses: unknown routes are all "none"
  return (method: string, route: string, status: number, seconds: number) => {
    const name = `${method} ${route} ${status}`;
    let series = known.get(name);
    if (!series) {
      series = { answers: answers.labels(method, route, String(status)), duration: duration.labels(method, route) };
      known.set(name, series);
    }
    series.answers.inc();
    series.duration.observe(seconds);
  };
}
