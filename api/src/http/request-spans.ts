import type { Tracing } from "@holdfast/shared/tracing.ts";
import type { FastifyRequest } from "fastify";
import type { App } from "./fastify-app.ts";

/** The traceparent of a request's span; null where there is no tracing. */
export type TraceOf = (request: Pick<FastifyRequest, "raw">) => string | null;

/**
 * A span for each request, which goes on from the `traceparent` that came with it. Registered
 * before all routes.
 */
export async function traceRequests(app: App, tracing: Tracing | null): Promise<TraceOf> {
  if (tracing === null) return () => null;
  const { FastifyOtelInstrumentation } = await import("@fastify/otel");
  const instrumentation = new FastifyOtelInstrumentation();
  instrumentation.setTracerProvider(tracing.provider);
  await app.register(instrumentation.plugin());
  return (request) => {
    const carrier: { traceparent?: string } = {};
    (request as FastifyRequest).opentelemetry().inject(carrier);
    return carrier.traceparent ?? null;
  };
}
