import { alarmNames } from "@holdfast/shared/alarm-catalogue.ts";
import { lineLength } from "@holdfast/shared/line.ts";
import { metricsIn } from "@holdfast/shared/metrics/process-metrics.ts";
import type { LaneQueue } from "@holdfast/shared/queues.ts";
import type { Store } from "@holdfast/shared/redis.ts";
import { type Gauge, Registry } from "prom-client";
import type { MemberNow, SaleNow } from "../sale-now.ts";

/**
 * The figures of the fleet as a whole, for Prometheus: exported by the one server that measures
 * them, so that a sum over all servers is right.
 * @param measured what this server measured last; null where another one measures
 * @returns the text to add to this server's own metrics, empty where another one measures
 */
export function saleGauges(
  { redis, keys, lanes }: Store & { readonly lanes: readonly LaneQueue[] },
  measured: () => SaleNow | null,
): () => Promise<string> {
  const registry = new Registry();
  const set = gaugesIn(registry);
  const line = metricsIn(registry).gauge("line_orders", "Orders in line in a lane", ["lane"]);
  return async () => {
    const now = measured();
    if (now === null) return "";
    set(now);
    // Of the moment: in a second of a rush the line grows by thousands.
    const lengths = await Promise.all(
      lanes.map(({ name }) => lineLength({ redis, keys }, name).catch(() => Number.NaN)),
    );
    for (const [lane, length] of lengths.entries()) line.set({ lane }, length);
    return registry.metrics();
  };
}

const worker = ["reserve", "charge", "webhook", "sweep"] as const;

function gaugesIn(registry: Registry): (now: SaleNow) => void {
  const { gauge } = metricsIn(registry);
  const single = singleGauges(gauge);
  const head = gauge("line_head_age_seconds", "How long the first order of a lane has waited", ["lane"]);
  const paused = gauge("lane_paused", "1 while operations have paused the lane", ["lane"]);
  const members = gauge("members", "Processes that are alive", ["kind"]);
  const roles = gauge("members_with_role", "Workers that are alive and do this", ["role"]);
  const active = gauge("alarm_active", "1 while the alarm stands", ["alarm"]);
  return (now) => {
    for (const [figure, value] of single) figure.set(value(now));
    for (const lane of now.lanes) {
      head.set({ lane: lane.number }, lane.headSeconds ?? 0);
      paused.set({ lane: lane.number }, lane.paused ? 1 : 0);
    }
    const alive = now.members.filter(({ state }) => state !== "gone");
    for (const kind of ["api", "worker"] as const)
      members.set({ kind }, alive.filter((one) => one.kind === kind).length);
    for (const role of worker) roles.set({ role }, alive.filter((one) => one.roles.includes(role)).length);
    const standing = new Set(now.alarms.map(({ name }) => name));
    for (const alarm of alarmNames) active.set({ alarm }, standing.has(alarm) ? 1 : 0);
  };
}

const isUp = ({ state }: MemberNow) => state === "up";

type Read = (now: SaleNow) => number;

function singleGauges(gauge: (name: string, help: string) => Gauge): readonly (readonly [Gauge, Read])[] {
  return [
    [gauge("failed_jobs", "Jobs that failed for good and wait for people"), (now) => now.deadJobs],
    [gauge("charge_backlog_orders", "Orders whose payment waits for its first try"), (now) => now.charges.backlog],
    [gauge("charge_backlog_seconds", "Until these are tried at the rate"), (now) => now.charges.emptyInSeconds],
    [gauge("holds_open", "Units held for orders that are not paid"), (now) => now.payments.holds],
    [gauge("holds_overdue", "Orders whose hold is past its deadline"), (now) => now.payments.holdsOverdue],
    [
      gauge("holds_overdue_oldest_seconds", "For how long the longest of these is"),
      (now) => now.payments.oldestOverdueSeconds ?? 0,
    ],
    [gauge("payments_unknown", "Payments whose outcome is unknown"), (now) => now.payments.unknown],
    [
      gauge("payments_unknown_oldest_seconds", "For how long the longest of these is"),
      (now) => now.payments.oldestUnknownSeconds ?? 0,
    ],
    [gauge("payments_unmatched", "Payments that no order goes by"), (now) => now.payments.unmatched],
    [
      gauge("payments_unmatched_oldest_seconds", "For how long the longest of these is"),
      (now) => now.payments.oldestUnmatchedSeconds ?? 0,
    ],
    [gauge("refunds_open", "Refunds asked for by operations and not done"), (now) => now.payments.refundsOpen],
    [
      gauge("books_unbalanced_items", "Items whose books are off"),
      (now) => now.items.filter(({ balanced }) => !balanced).length, // those are shown before all others
    ],
    [
      gauge("redis_losses", "How often Redis was found emptied or restored from an older state"),
      (now) => now.redis.losses,
    ],
    [gauge("shop_events_waiting", "Events that the shop has not taken yet"), (now) => now.shop.waiting],
    [gauge("shop_events_failing", "Of these, the ones that were tried in vain"), (now) => now.shop.failing],
    [
      gauge("shop_events_failing_oldest_seconds", "For how long the longest of these is"),
      (now) => now.shop.oldestFailingSeconds ?? 0,
    ],
    [
      gauge("members_lost", "Processes that are gone without having finished"),
      (now) => now.members.filter(({ state }) => state === "gone").length,
    ],
    [
      gauge("clock_offset_seconds", "By how much the clock that is off most differs from Redis'"),
      ({ members }) => Math.max(0, ...members.filter(isUp).map(({ clockAheadMs }) => Math.abs(clockAheadMs) / 1000)),
    ],
  ];
}
