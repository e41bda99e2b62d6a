import type { Attributes, Link, TracerProvider } from "@opentelemetry/api";
import type { SpanExporter } from "@opentelemetry/sdk-trace-node";
import type { Logger } from "./log.ts";

/**
 * Traces of purchases for OpenTelemetry, from the press to the charge, whatever processes they come
 * through. Off unless OTEL_EXPORTER_OTLP_ENDPOINT is set; none of it is loaded then.
 */
export interface Tracing {
  /** What makes spans, for a library that does so itself. */
  readonly provider: TracerProvider;
  /**
   * Does some work in a span.
   * @param parent a W3C traceparent (https://www.w3.org/TR/trace-context) that it goes on from;
   *   null
   *   begins a trace
   */
  span<T>(name: string, about: SpanAbout, work: (traceparent: string | null) => Promise<T>): Promise<T>;
  /** Sends what is left, for some seconds at most. */
  close(): Promise<void>;
}

export interface SpanAbout {
  readonly parent?: string | null;
  /** Traceparents of what it is also about, such as the orders of a job. */
  readonly links?: readonly string[];
  readonly attributes?: Attributes;
}

/** Does the work in a span where there is tracing, and as it is where there is none. */
export function inSpan<T>(
  tracing: Tracing | null | undefined,
  name: string,
  about: () => SpanAbout,
  work: (traceparent: string | null) => Promise<T>,
): Promise<T> {
  return tracing ? tracing.span(name, about(), work) : work(null);
}

const closeWithinMs = 3_000;
const maxQueued = 2_048; // spans; an unavailable collector costs these, and then the newer ones are lost
const maxLinks = 128; // of a job; it may have five hundred orders

/**
 * @param endpoint where spans are sent by OTLP over HTTP; undefined for no tracing
 * @param exporter takes them instead, for tests
 */
export async function openTracing(
  { endpoint, service, version, log }: { endpoint: string | undefined; service: string; version: string; log: Logger },
  exporter?: SpanExporter,
): Promise<Tracing | null> {
  if (endpoint === undefined && exporter === undefined) return null;
  const [api, sdk, otlp, resources] = await Promise.all([
    import("@opentelemetry/api"),
    import("@opentelemetry/sdk-trace-node"),
    import("@opentelemetry/exporter-trace-otlp-proto"),
    import("@opentelemetry/resources"),
  ]);
  const url = `${endpoint?.replace(/\/+$/, "")}/v1/traces`;
  const provider = new sdk.NodeTracerProvider({
    resource: resources.resourceFromAttributes({ "service.name": service, "service.version": version }),
    spanProcessors: [
      new sdk.BatchSpanProcessor(exporter ?? new otlp.OTLPTraceExporter({ url }), { maxQueueSize: maxQueued }),
    ],
  });
  provider.register(); // W3C's propagation, and the context of what is awaited
  const tracer = provider.getTracer("holdfast", version);
  const extract = (traceparent: string) => api.propagation.extract(api.ROOT_CONTEXT, { traceparent });
  const linkTo = (traceparent: string): Link[] => {
    const context = api.trace.getSpanContext(extract(traceparent));
    return context ? [{ context }] : [];
  };
  log.info({ service }, "traces are sent to OTEL_EXPORTER_OTLP_ENDPOINT");
  return {
    provider,
    span(name, { parent = null, links = [], attributes = {} }, work) {
      const from = parent === null ? api.context.active() : extract(parent);
      const options = { attributes, links: links.slice(0, maxLinks).flatMap(linkTo) };
      return tracer.startActiveSpan(name, options, from, async (span) => {
        const carrier: Record<string, string> = {};
        api.propagation.inject(api.context.active(), carrier);
        try {
          return await work(carrier.traceparent ?? null);
        } catch (error) {
          span.recordException(error as Error);
          span.setStatus({ code: api.SpanStatusCode.ERROR });
          throw error;
        } finally {
          span.end();
        }
      });
    },
    async close() {
      const late = new Promise<void>((resolve) => setTimeout(resolve, closeWithinMs).unref());
      await Promise.race([provider.shutdown().catch(() => {}), late]);
    },
  };
}
