import { decisionBounds, type MemberFigures } from "@holdfast/shared/fleet-report.ts";
import { createProcessMetrics, metricsIn, type ProcessMetrics } from "@holdfast/shared/metrics/process-metrics.ts";
import type { FastifyRequest } from "fastify";
import type { Counter, Histogram } from "prom-client";
import type { App } from "./fastify-app.ts";
import type { Problem } from "./problems.ts";

/** What an API server counts, each by one call where it happens. */
export interface Metrics extends ProcessMetrics {
  /** Counts an answer by its route and status, and how long it took. */
  readonly countAnswer: (answer: Answer) => void;
  /** Counts a refusal by the limit that was exceeded, and that of a purchase by its code. */
  readonly countRefusal: (route: string, problem: Problem) => void;
  /** Counts a request that was refused since this server is too busy. */
  readonly shed: () => void;
  /** Counts an order that its shopper cancelled while it was in line. */
  readonly cancelledInLine: () => void;
  /** Counts orders that were put in line together. */
  readonly accepted: (orders: number) => void;
  readonly watchWaiters: (waiting: () => number) => void;
  /** What of it the fleet's report has. */
  readonly figures: () => MemberFigures;
}

interface Answer {
  readonly method: string;
  readonly route: string;
  readonly status: number;
  readonly seconds: number;
  /** Whether the request asked to be held until something happens. */
  readonly held: boolean;
}

const answerBounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5];
const waitBounds = [0.1, 0.5, 1, 2.5, 5, 10, 20, 30];
const batchBounds = [1, 2, 5, 10, 25, 50, 100, 250, 500];

/** Makes the metrics of an API server; names and meaning are in docs/metrics.md. */
export function createMetrics(version: string, scope: "process" | "ours only" = "process"): Metrics {
  const common = createProcessMetrics(version, scope);
  const { counter, histogram, reading } = metricsIn(common.registry);
  const answers = counter("http_requests_total", "Requests answered, by route and status", [
    "method",
    "route",
    "status",
  ]);
  const duration = histogram(
    "http_request_duration_seconds",
    "From request to answer, by route, without those that asked to be held",
    answerBounds,
    ["method", "route"],
  );
  const wait = histogram(
    "http_wait_duration_seconds",
    "From request to answer of those that asked to be held, by route",
    waitBounds,
    ["route"],
  );
  const shed = counter("http_requests_shed_total", "Requests refused since this server is too busy");
  const limited = counter("http_requests_limited_total", "Requests refused, by the limit they exceeded", ["limit"]);
  const refused = counter("purchases_refused_total", "Purchases refused before they were put in line, by code", [
    "code",
  ]);
  const accepted = counter("orders_accepted_total", "Orders put in line");
  const settled = counter("orders_settled_total", "Orders settled, by outcome", ["outcome", "reason"]);
  const batch = histogram("accept_batch_orders", "Orders put in line together", batchBounds);
  const counts = { requests: 0, shed: 0 };
  const orders = { cancelled: 0 };
  let waiting = () => 0;
  reading("waiting_shoppers", "Requests that are held until something happens", () => waiting());
  const countByRoute = answerCounter(answers, duration, wait);
  return {
    ...common,
    countAnswer(answer) {
      counts.requests += 1;
      countByRoute(answer);
    },
    countRefusal: refusalCounter(limited, refused),
    shed() {
      counts.shed += 1;
      shed.inc();
    },
    cancelledInLine() {
      settled.inc({ outcome: "cancelled", reason: "by_shopper" });
      orders.cancelled += 1;
    },
    accepted(count) {
      accepted.inc(count);
      batch.observe(count);
    },
    watchWaiters(count) {
      waiting = count;
    },
    figures: () => ({ ...noFigures, orders, ...counts, waiting: waiting() }),
  };
}

const decisionSeconds = Array.from({ length: decisionBounds.length + 1 }, () => 0);
const noFigures = { decisionSeconds, charges: {}, providerErrors: {} };

/** Counts every answer of the app. */
export function countAnswers(app: App, { countAnswer, countRefusal }: Metrics): void {
  app.addHook("onResponse", (request, reply, done) => {
    const route = request.routeOptions.url ?? "none";
    if (request.refusedWith) countRefusal(route, request.refusedWith);
    countAnswer({
      method: request.method,
      route,
      status: reply.statusCode,
      seconds: reply.elapsedTime / 1000,
      held: isHeld(request),
    });
    done();
  });
}

function isHeld({ headers, routeOptions }: FastifyRequest): boolean {
  return headers.prefer !== undefined || routeOptions.url === "/ops/api/live";
}

/** Most of a rush is refused: the series of a code is looked up by its label once. */
function refusalCounter(limited: Counter<"limit">, refused: Counter<"code">): Metrics["countRefusal"] {
  const byCode = new Map<string, Counter.Internal>(); // as many as there are codes
  return (route, { code, limitedBy }) => {
    if (limitedBy !== null) limited.inc({ limit: limitedBy });
    if (route !== "/purchase/:itemId") return;
    const series = byCode.get(code) ?? refused.labels(code);
    byCode.set(code, series);
    series.inc();
  };
}

/**
 * Counts an answer. The series of a route and status is looked up by its labels once: doing it at
 * every answer costs more than the rest.
 */
function answerCounter(
  answers: Counter<"method" | "route" | "status">,
  duration: Histogram<"method" | "route">,
  wait: Histogram<"route">,
) {
  type Series = { readonly answers: Counter.Internal; readonly duration: Pick<Histogram.Internal<string>, "observe"> };
  const known = new Map<string, Series>(); // as many as there are routes and statuses: unknown routes are all "none"
  return ({ method, route, status, seconds, held }: Answer) => {
    const name = `${method} ${route} ${status} ${held}`;
    let series = known.get(name);
    if (!series) {
      const took = held ? wait.labels(route) : duration.labels(method, route);
      series = { answers: answers.labels(method, route, String(status)), duration: took };
      known.set(name, series);
    }
    series.answers.inc();
    series.duration.observe(seconds);
  };
}
