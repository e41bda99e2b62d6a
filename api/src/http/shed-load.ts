import { monitorEventLoopDelay } from "node:perf_hooks";
import { getHeapStatistics } from "node:v8";
import type { App } from "./fastify-app.ts";
import { Problem } from "./problems.ts";

/** How strained a process may be and still take new work. */
export interface LoadLimits {
  /** How late, on average, the event loop comes to what is due. */
  readonly maxLoopDelayMs: number;
  readonly maxHeapBytes: number;
}

export const loadLimits: LoadLimits = {
  // An answer takes three or four turns of the loop. At a second each a shopper waits for seconds,
  // and work comes in faster than it is done.
  maxLoopDelayMs: 1_000,
  // V8 collects garbage when halfway from what is in use to its limit: above 85 % at least 70 % is
  // really in use, and at 100 % the process dies. Not the resident set: that hardly shrinks, so who
  // once went above it would refuse for ever.
  maxHeapBytes: 0.85 * getHeapStatistics().heap_size_limit,
};

const resolutionMs = 10;
const sampleEveryMs = 500;
const samplesInARow = 2; // a lone pause (a large collection, a neighbour's burst) turns nobody away
const retryAfterSeconds = 2;

/** The platform must see a process that is overloaded, not think it dead. */
const alwaysAnswered = new Set(["/healthz", "/readyz"]);

export interface LoadSample {
  readonly loopDelayMs: number;
  readonly heapBytes: number;
}

export type Overload = "event loop" | "memory";

/**
 * What is too much, judged by the latest samples, newest last; null where new work can be taken.
 */
export function judgeLoad(samples: readonly LoadSample[], limits: LoadLimits): Overload | null {
  if ((samples.at(-1)?.heapBytes ?? 0) > limits.maxHeapBytes) return "memory";
  const latest = samples.slice(-samplesInARow);
  const late = latest.filter(({ loopDelayMs }) => loopDelayMs > limits.maxLoopDelayMs);
  return late.length === samplesInARow ? "event loop" : null;
}

/**
 * Answers 503 `busy` before any work is done, for as long as the process has more to do than it
 * can. `@fastify/under-pressure` measures the same, but judges by one window alone, so that a
 * single pause turns a whole crowd away.
 * @param onShed called for each request that is refused
 */
export function registerLoadShedding(app: App, limits: LoadLimits, onShed: () => void): void {
  const delay = monitorEventLoopDelay({ resolution: resolutionMs });
  delay.enable();
  let samples: readonly LoadSample[] = [];
  let overload: Overload | null = null;
  const sample = () => {
    // Nothing was measured where the loop stood still all the time.
    const loopDelayMs = Number.isNaN(delay.mean) ? Number.POSITIVE_INFINITY : delay.mean / 1e6 - resolutionMs;
    delay.reset();
    const latest = { loopDelayMs, heapBytes: process.memoryUsage().heapUsed };
    samples = [...samples, latest].slice(-samplesInARow);
    const before = overload;
    overload = judgeLoad(samples, limits);
    if (overload !== before) app.log.warn({ overload, ...latest }, overload ? "load is shed" : "load is taken again");
  };
  const timer = setInterval(sample, sampleEveryMs).unref();
  app.addHook("onClose", async () => {
    clearInterval(timer);
    delay.disable();
  });
  app.addHook("onRequest", (request, _reply, done) => {
    if (overload === null || alwaysAnswered.has(request.routeOptions.url ?? "")) return done();
    onShed();
    done(new Problem("busy", "More is asked than this server can do. Try again shortly.", { retryAfterSeconds }));
  });
}
