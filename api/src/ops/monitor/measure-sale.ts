import { setTimeout as sleep } from "node:timers/promises";
import type { Database } from "@holdfast/shared/database.ts";
import { decisionBounds, type MemberReport, memberGoneMs, readReports } from "@holdfast/shared/fleet-report.ts";
import type { LaneQueue, WebhookQueue } from "@holdfast/shared/queues.ts";
import type { Store } from "@holdfast/shared/redis.ts";
import { saleStatus } from "@holdfast/shared/sale-status.ts";
import type { ItemNow, LaneNow, MemberNow, SaleNow } from "../sale-now.ts";
import type { Seen } from "./find-alarms.ts";
import { type fleetCounter, quantileOf } from "./fleet-counts.ts";
import { readItemLines, readLanes } from "./read-lines.ts";
import { type AllItems, type ItemRow, noItems, noMoney, readItemRows, readMoney } from "./read-money.ts";

export interface MeasureParts extends Store {
  readonly db: Database;
  readonly lanes: readonly LaneQueue[];
  readonly webhooks: WebhookQueue;
  readonly chargesPerSecond: number;
}

/** What one measurement needs of those before it. */
export interface Memory {
  readonly counter: ReturnType<typeof fleetCounter>;
  /** Since when each lane has had orders in line and decided none. */
  readonly standing: Map<number, { readonly decided: number; readonly sinceMs: number }>;
  /** Since when each process' event loop has been slow. */
  readonly slow: Map<string, number>;
  readonly begunAtMs: number;
  /** What Postgres said last, shown while it is unavailable; null where it has said nothing yet. */
  rows: Rows | null;
  /** Under way, from this measurement or one before: Postgres is asked once at a time. */
  asked: Promise<Answer> | null;
  /** When it last answered. */
  heardAtMs: number;
}

type Rows = Awaited<ReturnType<typeof readRows>>;

/** Null where Postgres refused. */
type Answer = { readonly rows: Rows; readonly answerMs: number } | null;

export interface Measurement {
  /** The time by Redis. */
  readonly redisMs: number;
  readonly seen: Seen;
  /** Null where Postgres has not been heard yet. */
  readonly all: AllItems | null;
  /** Orders ever decided, in all lanes. */
  readonly decided: number;
  readonly chargesPerSecond: Readonly<Record<string, number>>;
}

const promptMs = 2_000;
const patienceMs = 1_500; // one that hangs must hold up neither the other figures nor the lease
const hangsMs = 4_000; // since it last answered
const slowMs = 500; // by then a shopper notices

/**
 * Measures the sale once: two statements in Postgres and some dozen small commands in Redis,
 * whatever the number of orders. While Postgres is unavailable what it said last stands.
 * @param nowMs by a steady clock
 * @throws where Redis is unavailable
 */
export async function measureSale(parts: MeasureParts, memory: Memory, nowMs: number): Promise<Measurement> {
  const { db, redis, keys, lanes, webhooks, chargesPerSecond } = parts;
  const startedAtMs = performance.now();
  const timeMs = readTime(parts).then((ms) => ({ ms, answerMs: performance.now() - startedAtMs }));
  const [reports, laneRows, failed, redisTime, answer] = await Promise.all([
    readReports({ redis, keys }),
    readLanes({ redis, keys }, lanes),
    webhooks.getFailedCount(),
    timeMs,
    askPostgres(db, memory),
  ]);
  if (answer !== null && answer !== "late") {
    memory.rows = answer.rows;
    memory.heardAtMs = nowMs;
  }
  const { money, items, all } = memory.rows ?? unread;
  const lines = await readItemLines(
    { redis, keys },
    lanes,
    items.map(({ id }) => id),
  );
  const counts = memory.counter.count(reports, nowMs);
  const quantile = (share: number) => quantileOf(counts.decisionSeconds, decisionBounds, share);
  const postgres = answer === null || nowMs - memory.heardAtMs > hangsMs ? "down" : money.readOnly ? "read_only" : "up";
  const answerMs = answer === null || answer === "late" ? null : answer.answerMs;
  const members = reports.map(memberNow);
  const sale: Seen["sale"] = {
    items: items.map((row) => itemNow(row, lines.get(row.id))),
    moreItems: Math.max(0, all.count - items.length),
    orders: counts.orders,
    decision: {
      count: counts.decisionSeconds.reduce((sum, count) => sum + count, 0),
      p50Seconds: quantile(0.5),
      p99Seconds: quantile(0.99),
    },
    charges: {
      outcomes: counts.charges,
      backlog: money.backlog,
      perSecond: chargesPerSecond,
      emptyInSeconds: Math.ceil(money.backlog / chargesPerSecond),
    },
    provider: { ...providerOf(reports), errors: counts.providerErrors },
    payments: {
      unknown: money.unknown,
      oldestUnknownSeconds: money.oldestUnknownSeconds,
      unmatched: money.unmatched,
      oldestUnmatchedSeconds: money.oldestUnmatchedSeconds,
      holds: all.reserved,
      holdsOverdue: money.overdue,
      oldestOverdueSeconds: money.oldestOverdueSeconds,
      refundsOpen: money.refundsOpen,
    },
    lanes: laneRows.map(({ number, paused, waiting, headAtMs, jobs, failed: dead }): LaneNow => {
      const headSeconds = waiting > 0 && headAtMs !== null ? Math.max(0, (redisTime.ms - headAtMs) / 1000) : null;
      return { number, paused, waiting, headSeconds, jobs, failed: dead };
    }),
    members,
    redis: { state: "up", answerMs: redisTime.answerMs, losses: money.losses },
    postgres: { state: postgres, answerMs },
    shop: {
      served: money.shopServed,
      waiting: money.shopWaiting,
      failing: money.shopFailing,
      oldestFailingSeconds: money.oldestFailingSeconds,
      lastError: money.shopLastError,
    },
    requests: {
      perSecond: Math.round(counts.requests / counts.seconds),
      shed: counts.shed,
      waiting: reports.reduce((sum, { figures }) => sum + figures.waiting, 0),
    },
    deadJobs: laneRows.reduce((sum, lane) => sum + lane.failed, failed),
  };
  return {
    redisMs: redisTime.ms,
    all: memory.rows && all,
    decided: laneRows.reduce((sum, lane) => sum + lane.decided, 0),
    chargesPerSecond: counts.chargesPerSecond,
    seen: {
      sale,
      unbalanced: items.filter(({ balanced }) => !balanced).map(({ id }) => id),
      stalledSeconds: laneRows.map((lane) => standingFor(memory, lane, nowMs)),
      slowSeconds: new Map(members.map((member) => [member.id, slowFor(memory, member, nowMs)])),
      // Both were asked at the same moment; an answer that was long on its way says nothing.
      postgresAheadMs: answerMs === null || answerMs > promptMs ? null : money.clockMs - redisTime.ms,
      lookingSeconds: (nowMs - memory.begunAtMs) / 1000,
    },
  };
}

const unread: Rows = { money: noMoney, items: [], all: noItems };

/** @returns "late" where it has not answered yet; its answer is heard by a later measurement */
async function askPostgres(db: Database, memory: Memory): Promise<Answer | "late"> {
  const sinceMs = performance.now();
  memory.asked ??= readRows(db).then(
    (rows) => ({ rows, answerMs: performance.now() - sinceMs }),
    () => null,
  );
  const late = new AbortController();
  const answer = await Promise.race([
    memory.asked,
    sleep(patienceMs, "late" as const, { signal: late.signal }).catch(() => "late" as const),
  ]);
  late.abort();
  if (answer !== "late") memory.asked = null;
  return answer;
}

async function readRows(db: Database) {
  const [money, { items, all }] = await Promise.all([readMoney(db), readItemRows(db)]);
  return { money, items, all };
}

async function readTime({ redis }: Store): Promise<number> {
  const [seconds, micros] = (await redis.time()) as unknown as [string, string];
  return Number(seconds) * 1000 + Number(micros) / 1000;
}

function itemNow(row: ItemRow, line: { waiting: number; perSecond: number } | undefined): ItemNow {
  const { id, name, currency, stocked, inventory, reserved, confirmed, refunded, balanced, paused } = row;
  const opensAtMs = row.opensAt?.getTime() ?? null;
  const closesAtMs = row.closesAt?.getTime() ?? null;
  return {
    id,
    name,
    price: row.priceMinor,
    currency,
    status: saleStatus({ inventory, paused, opensAtMs, closesAtMs }, Date.now()),
    paused,
    opensAt: row.opensAt?.toISOString() ?? null,
    closesAt: row.closesAt?.toISOString() ?? null,
    stocked,
    inventory,
    reserved,
    confirmed,
    refunded,
    taken: row.takenMinor,
    refundedAmount: row.refundedMinor,
    balanced,
    waiting: line?.waiting ?? 0,
    perSecond: line?.perSecond ?? 0,
  };
}

function memberNow(report: MemberReport): MemberNow {
  const { id, kind, roles, version, host, pid, startedAtMs, seenMsAgo, clockAheadMs, eventLoopDelayMs } = report;
  const state = seenMsAgo > memberGoneMs ? "gone" : report.leaving ? "leaving" : "up";
  return { id, kind, roles, version, host, pid, startedAtMs, seenMsAgo, clockAheadMs, eventLoopDelayMs, state };
}

function providerOf(reports: readonly MemberReport[]): Pick<SaleNow["provider"], "kind" | "lastError"> {
  const charging = reports.filter(({ provider, seenMsAgo }) => provider !== null && seenMsAgo <= memberGoneMs);
  const kinds = charging.map(({ provider }) => provider);
  // One that charges for real counts, whatever the others do.
  const kind = kinds.includes("live") ? "live" : (kinds[0] ?? null);
  const errors = charging.flatMap(({ providerError }) => (providerError === null ? [] : [providerError]));
  return { kind, lastError: errors.toSorted((a, b) => b.atMs - a.atMs)[0] ?? null };
}

function standingFor({ standing }: Memory, lane: { number: number; waiting: number; decided: number }, nowMs: number) {
  const before = standing.get(lane.number);
  if (lane.waiting === 0 || before?.decided !== lane.decided) {
    standing.set(lane.number, { decided: lane.decided, sinceMs: nowMs });
    return 0;
  }
  return (nowMs - before.sinceMs) / 1000;
}

function slowFor({ slow }: Memory, { id, eventLoopDelayMs, state }: MemberNow, nowMs: number): number {
  if (state !== "up" || eventLoopDelayMs < slowMs) {
    slow.delete(id);
    return 0;
  }
  const sinceMs = slow.get(id) ?? nowMs;
  slow.set(id, sinceMs);
  return (nowMs - sinceMs) / 1000;
}
