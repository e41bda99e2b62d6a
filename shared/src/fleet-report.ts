import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { Type } from "typebox";
import { Compile } from "typebox/compile";
import type { Logger } from "./log.ts";
import type { Store } from "./redis.ts";
import { redisScript } from "./redis-script.ts";

/**
 * What each process of the fleet says of itself every two seconds, in one hash in Redis: so that
 * whoever operates the sale sees who runs, and what the fleet as a whole has counted, without
 * asking each process. Prometheus asks each process itself (metrics/process-metrics.ts).
 */

const count = Type.Integer({ minimum: 0 });
const counts = Type.Record(Type.String(), count);

/** What a process has counted since it started; of the fleet, the sums. */
const figures = Type.Object({
  /** Orders decided and settled, by outcome: `reserved`, `out_of_stock`, `confirmed`, … */
  orders: counts,
  /** Of the orders decided here, how many took up to so long from press to decision; see bounds. */
  decisionSeconds: Type.Array(count),
  /** Answers of the provider to a charge by what they came to: `paid`, `declined`, … */
  charges: counts,
  /** Requests to the provider that failed, by class (watch-provider.ts). */
  providerErrors: counts,
  /** Requests answered, and of these refused since the server was too busy. */
  requests: count,
  shed: count,
  /** Shoppers whose request is held now. */
  waiting: count,
});
export type MemberFigures = Type.Static<typeof figures>;

/** The upper bounds of `decisionSeconds`, in seconds; the last count is of what took longer. */
export const decisionBounds = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300] as const;

const report = Type.Object({
  kind: Type.Union([Type.Literal("api"), Type.Literal("worker")]),
  /** A worker's roles; none of an API server. */
  roles: Type.Array(Type.String()),
  version: Type.String(),
  host: Type.String(),
  pid: Type.Integer(),
  startedAtMs: Type.Integer(),
  /** Its own clock when it sent this. */
  sentAtMs: Type.Integer(),
  /** The longest that its event loop was held up since the report before, in ms. */
  eventLoopDelayMs: Type.Number(),
  /** What of a payment provider it charges at; null where it does not charge. */
  provider: Type.Union([Type.Literal("live"), Type.Literal("test"), Type.Literal("simulator"), Type.Null()]),
  /** The provider's last error in its own words, and when; null while there was none. */
  providerError: Type.Union([Type.Object({ atMs: Type.Integer(), text: Type.String() }), Type.Null()]),
  /** For how long the provider has answered nothing, in ms; 0 while it answers. */
  providerSilentMs: Type.Number({ minimum: 0 }),
  /** Whether it is finishing what it has in hand. */
  leaving: Type.Boolean(),
  figures,
});
const checkReport = Compile(report);
type Report = Type.Static<typeof report>;

/** A process of the fleet, as it last said of itself. */
export interface MemberReport extends Report {
  readonly id: string;
  /** How long ago that was, by Redis' clock. */
  readonly seenMsAgo: number;
  /** By how much its clock was ahead of Redis' then, in ms: some of it is the report's way. */
  readonly clockAheadMs: number;
}

const reportEveryMs = 2_000;
/** A member that has not reported for so long is gone: three reports may be late. */
export const memberGoneMs = 7_000;
const forgottenMs = 10 * 60_000; // how long a member that is gone without having left is shown

export type OwnReport = Pick<Report, "kind" | "roles" | "version" | "provider"> & {
  readonly figures: () => MemberFigures;
  readonly providerState: () => Pick<Report, "providerError" | "providerSilentMs">;
};

// In one step with Redis' own time: how far a clock is off cannot be seen without one to go by.
const reportScript = redisScript<number>(
  "reportMember",
  `
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call("HSET", KEYS[1], ARGV[1], string.format("%d ", now) .. ARGV[2])
return now`,
);

/** Reports this process every two seconds until it leaves. */
export function reportMember({ redis, keys, log }: Store & { readonly log: Logger }, own: OwnReport) {
  const id = randomUUID();
  const startedAtMs = Date.now();
  let isLeaving = false;
  let hasLeft = false; // any later report would make it a member again
  const delay = monitorEventLoopDelay({ resolution: 20 });
  delay.enable();
  const send = async () => {
    const eventLoopDelayMs = Number.isFinite(delay.max) ? Math.round(delay.max / 1e4) / 100 : 0;
    delay.reset();
    const body: Report = {
      kind: own.kind,
      roles: [...own.roles],
      version: own.version,
      provider: own.provider,
      host: hostname(),
      pid: process.pid,
      startedAtMs,
      sentAtMs: Date.now(),
      eventLoopDelayMs,
      ...own.providerState(),
      leaving: isLeaving,
      figures: own.figures(),
    };
    await reportScript(redis, [keys.fleetReports], [id, JSON.stringify(body)]);
  };
  let sending: Promise<void> | null = null;
  const sendOnce = () => {
    sending ??= send()
      .catch((error: unknown) => log.debug({ err: error }, "no report to the fleet"))
      .finally(() => {
        sending = null;
      });
    return sending;
  };
  void sendOnce();
  const timer = setInterval(() => void sendOnce(), reportEveryMs);
  return {
    /** Says that it finishes what it has in hand, now and in every later report. */
    async leaving() {
      isLeaving = true;
      await sending; // one that is under way may not say so
      if (!hasLeft) await sendOnce();
    },
    /** Is no member any more. */
    async leave() {
      hasLeft = true;
      clearInterval(timer);
      delay.disable();
      await sending;
      await redis.hdel(keys.fleetReports, id).catch(() => {}); // without Redis it is forgotten in a while
    },
  };
}

/** All processes of the fleet, those too that are gone without having left. */
export async function readReports({ redis, keys }: Store): Promise<MemberReport[]> {
  const [[seconds = "0", micros = "0"], fields] = await Promise.all([
    redis.time() as unknown as Promise<string[]>,
    redis.hgetall(keys.fleetReports),
  ]);
  const nowMs = Number(seconds) * 1000 + Number(micros) / 1000;
  const members: MemberReport[] = [];
  const forgotten: string[] = [];
  for (const [id, text] of Object.entries(fields)) {
    const seenAtMs = Number(text.slice(0, text.indexOf(" ")));
    const body = readReport(text.slice(text.indexOf(" ") + 1));
    const seenMsAgo = Math.max(0, Math.round(nowMs - seenAtMs));
    if (body === null || seenMsAgo > forgottenMs) forgotten.push(id);
    else members.push({ ...body, id, seenMsAgo, clockAheadMs: body.sentAtMs - seenAtMs });
  }
  if (forgotten.length > 0) await redis.hdel(keys.fleetReports, ...forgotten);
  return members;
}

function readReport(text: string): Report | null {
  try {
    const body: unknown = JSON.parse(text);
    return checkReport.Check(body) ? body : null;
  } catch {
    return null;
  }
}
