import { randomUUID } from "node:crypto";
import { alarmName } from "@holdfast/shared/alarm.ts";
import { type Alarm, alarms } from "@holdfast/shared/alarm-catalogue.ts";
import type { Logger } from "@holdfast/shared/log.ts";
import { isOutage } from "@holdfast/shared/outage.ts";
import { forgetRaisedAlarms, type RaisedAlarm, readRaisedAlarms } from "@holdfast/shared/raised-alarms.ts";
import type { Store } from "@holdfast/shared/redis.ts";
import { redisScript } from "@holdfast/shared/redis-script.ts";
import type { SaleBefore, SaleNow } from "../sale-now.ts";
import { type Found, findAlarms, inOrder } from "./find-alarms.ts";
import { fleetCounter } from "./fleet-counts.ts";
import { type Measurement, type MeasureParts, type Memory, measureSale } from "./measure-sale.ts";

/**
 * The sale is measured every second, by one API server for the whole fleet: the one that holds
 * a lease in Redis. It keeps what it saw there, for every open operations room, and its gauges for
 * Prometheus. A server that dies with the lease is followed by another within seconds; should two
 * measure at once, they see the same.
 */
export interface SaleMonitor {
  /** What this server measured last; null unless it is the one that measures. */
  measured(): SaleNow | null;
  close(): Promise<void>;
}

export const measureEveryMs = 1_000;
const leaseMs = 3_000; // two measurements may be late
const keptMs = 15_000; // of a sale that nobody measures: after that it says nothing any more
export const momentsKept = 900; // fifteen minutes of charts
const historyTtlMs = 3_600_000; // nobody looks at a chart that ended an hour ago
const raisedKeptMs = 7 * 24 * 3_600_000; // in case somebody asks what was the matter; the log has all

const leaseScript = redisScript<number>(
  "holdSaleLease",
  `
local holder = redis.call("GET", KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call("SET", KEYS[1], ARGV[1], "PX", ARGV[2])
return 1`,
);

export type MonitorParts = MeasureParts & { readonly log: Logger };

/** Measures the sale as long as this server holds the lease. */
export function watchSale(parts: MonitorParts): SaleMonitor {
  const { redis, keys, log } = parts;
  const id = randomUUID();
  let state: MonitorState | null = null;
  let now: SaleNow | null = null;
  let measuredAtMs = Number.NEGATIVE_INFINITY;
  let closed = false;
  const runOnce = async () => {
    const holds = await leaseScript(redis, [keys.saleMonitor], [id, leaseMs]);
    if (holds === 0 || closed) {
      state = null;
      now = null;
      return;
    }
    state ??= await beginMonitoring(parts);
    const begunAtMs = performance.now();
    now = await measureOnce(parts, state);
    measuredAtMs = begunAtMs;
  };
  let running: Promise<void> | null = null;
  const timer = setInterval(() => {
    running ??= runOnce()
      .catch((error: unknown) => {
        state = null; // what was seen before an outage says nothing of how long it lasted
        now = null;
        log[isOutage(error) ? "debug" : "error"]({ err: error }, "the sale could not be measured");
      })
      .finally(() => {
        running = null;
      });
  }, measureEveryMs);
  return {
    // Who has not measured as long as the lease lasts may have been followed by another.
    measured: () => (performance.now() - measuredAtMs < leaseMs ? now : null),
    async close() {
      closed = true;
      clearInterval(timer);
      await running;
      now = null;
      // Another server measures from its next turn on.
      if (state !== null) await redis.del(keys.saleMonitor).catch(() => {});
    },
  };
}

/** What the server that measures remembers from one time to the next. */
export interface MonitorState {
  readonly memory: Memory;
  /** Since when each alarm stands, by the name it was raised under. */
  since: ReadonlyMap<string, number>;
  last: { readonly steadyMs: number; readonly decided: number } | null;
}

/** Goes on where the server before left off: an alarm stands since it was first seen. */
export async function beginMonitoring(parts: Store): Promise<MonitorState> {
  const last = await readSale(parts);
  const since = new Map<string, number>(last?.alarms.map(({ id, since }) => [id, Date.parse(since)]));
  const begunAtMs = performance.now();
  const memory = {
    counter: fleetCounter(),
    standing: new Map(),
    slow: new Map(),
    begunAtMs,
    rows: null,
    asked: null,
    heardAtMs: begunAtMs,
  };
  return { memory, since, last: null };
}

/** Measures, finds the alarms, and keeps both for every server. */
export async function measureOnce(parts: MeasureParts, state: MonitorState): Promise<SaleNow> {
  const { redis, keys } = parts;
  const steadyMs = performance.now();
  const [measurement, raised] = await Promise.all([
    measureSale(parts, state.memory, steadyMs),
    readRaisedAlarms({ redis, keys }),
  ]);
  const atMs = Date.now();
  const found = inOrder(findAlarms(measurement.seen, raised, measurement.redisMs));
  const decidedPerSecond = paceSince(state.last, measurement.decided, steadyMs);
  const moment = momentOf(atMs, measurement, decidedPerSecond);
  const standing = found.map((one) => showAlarm(one, state.since, atMs));
  const now: SaleNow = { ...measurement.seen.sale, atMs, moment, alarms: standing };
  state.since = new Map(found.map(({ name }, index) => [name, Date.parse(now.alarms[index]?.since ?? "")]));
  state.last = { steadyMs, decided: measurement.decided };
  await Promise.all([
    redis.set(keys.saleNow, JSON.stringify(now), "PX", keptMs),
    moment && keepMoment({ redis, keys }, moment),
    forgetRaisedAlarms({ redis, keys }, longGone(raised, measurement.redisMs)),
  ]);
  return now;
}

async function keepMoment({ redis, keys }: Store, moment: SaleBefore): Promise<void> {
  await Promise.all([
    redis.lpush(keys.saleBefore, JSON.stringify(moment)),
    redis.ltrim(keys.saleBefore, 0, momentsKept - 1),
    redis.pexpire(keys.saleBefore, historyTtlMs),
  ]);
}

function showAlarm({ name, detail, sinceMs }: Found, since: ReadonlyMap<string, number>, nowMs: number): Alarm {
  const known = alarmName(name);
  const { severity, sentence } = alarms[known];
  const from = sinceMs ?? since.get(name) ?? nowMs;
  return { id: name, name: known, severity, since: new Date(from).toISOString(), sentence, detail };
}

function longGone(raised: readonly RaisedAlarm[], nowMs: number) {
  return raised.filter(({ lastMs }) => lastMs + raisedKeptMs < nowMs).map(({ name }) => name);
}

function paceSince(last: MonitorState["last"], decided: number, steadyMs: number): number {
  if (last === null) return 0;
  return Math.max(0, decided - last.decided) / Math.max(0.1, (steadyMs - last.steadyMs) / 1000);
}

/** What the charts show; null where it is not known how many units there are. */
function momentOf(
  atMs: number,
  { all, chargesPerSecond, seen: { sale } }: Measurement,
  decidedPerSecond: number,
): SaleBefore | null {
  if (all === null) return null;
  const { lanes, charges, decision } = sale;
  const { inventory, reserved, confirmed } = all;
  const { p50Seconds, p99Seconds } = decision;
  return {
    atMs,
    waiting: lanes.reduce((sum, lane) => sum + lane.waiting, 0),
    inventory,
    reserved,
    confirmed,
    decidedPerSecond,
    paidPerSecond: chargesPerSecond.paid ?? 0,
    declinedPerSecond: chargesPerSecond.declined ?? 0,
    backlog: charges.backlog,
    p50Seconds,
    p99Seconds,
  };
}

/** The sale as it was last measured by whichever server; null where nobody did lately. */
export async function readSale({ redis, keys }: Store): Promise<SaleNow | null> {
  const text = await redis.get(keys.saleNow);
  return text === null ? null : (JSON.parse(text) as SaleNow);
}

/** The moments before, oldest first. */
export async function readBefore({ redis, keys }: Store): Promise<SaleBefore[]> {
  const texts = await redis.lrange(keys.saleBefore, 0, -1);
  return texts.map((text) => JSON.parse(text) as SaleBefore).toReversed();
}
