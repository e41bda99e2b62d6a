import type { Database } from "@holdfast/shared/database.ts";
import { decisionBounds, type MemberReport, memberGoneMs, readReports } from "@holdfast/shared/fleet-report.ts";
import type { ChargeQueue, LaneQueue, WebhookQueue } from "@holdfast/shared/queues.ts";
import type { Store } from "@holdfast/shared/redis.ts";
import { saleStatus } from "@holdfast/shared/sale-status.ts";
import type { ItemNow, LaneNow, MemberNow, SaleNow } from "../sale-now.ts";
import type { Seen } from "./find-alarms.ts";
import { type fleetCounter, quantileOf } from "./fleet-counts.ts";
import { countFailed, readItemLines, readLanes } from "./read-lines.ts";
import { type AllItems, type ItemRow, noItems, noMoney, readItemRows, readMoney } from "./read-money.ts";

export interface MeasureParts extends Store {
  readonly db: Database;
  readonly lanes: readonly LaneQueue[];
  readonly charges: ChargeQueue;
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
}

type Rows = Awaited<ReturnType<typeof readRows>>;

export interface Measurement {
  readonly seen: Seen;
  /** Null where Postgres has not been heard yet. */
  readonly all: AllItems | null;
  /** Orders ever decided, in all lanes. */
  readonly decided: number;
  readonly chargesPerSecond: Readonly<Record<string, number>>;
}

const promptMs = 2_000;
const slowMs = 500; // by then a shopper notices

/**
 * Measures the sale once: two statements in Postgres and some dozen small commands in Redis,
 * whatever the number of orders. While Postgres is unavailable what it said last stands.
 * @param nowMs by a steady clock
 * @throws where Redis is unavailable
 */
export async function measureSale(parts: MeasureParts, memory: Memory, nowMs: number): Promise<Measurement> {
  const { db, redis, keys, lanes, charges, webhooks, chargesPerSecond } = parts;
  const startedAtMs = performance.now();
  const timeMs = readTime(parts).then((ms) => ({ ms, answerMs: performance.now() - startedAtMs }));
  const asked = readRows(db).then(
    (rows) => ({ rows, answerMs: performance.now() - startedAtMs }),
    () => null,
  );
  const [reports, laneRows, failed, redisTime, answer] = await Promise.all([
    readReports({ redis, keys }),
    readLanes({ redis, keys }, lanes),
    countFailed([charges, webhooks]),
    timeMs,
    asked,
  ]);
  if (answer !== null) memory.rows = answer.rows;
  const { money, items, all } = memory.rows ?? unread;
  const lines = await readItemLines(
    { redis, keys },
    lanes,
    items.map(({ id }) => id),
  );
  const counts = memory.counter.count(reports, nowMs);
  const quantile = (share: number) => quantileOf(counts.decisionSeconds, decisionBounds, share);
  const postgres = answer === null ? "down" : money.readOnly ? "read_only" : "up";
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
    postgres: { state: postgres, answerMs: answer?.answerMs ?? null },
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
    all: memory.rows && all,
    decided: laneRows.reduce((sum, lane) => sum + lane.decided, 0),
    chargesPerSecond: counts.chargesPerSecond,
    seen: {
      sale,
      unbalanced: items.filter(({ balanced }) => !balanced).map(({ id }) => id),
      stalledSeconds: laneRows.map((lane) => standingFor(memory, lane, nowMs)),
      slowSeconds: new Map(members.map((member) => [member.id, slowFor(memory, member, nowMs)])),
      // Both were asked at the same moment; an answer that was long on its way says nothing.
      postgresAheadMs: answer === null || answer.answerMs > promptMs ? null : money.clockMs - redisTime.ms,
      lookingSeconds: (nowMs - memory.begunAtMs) / 1000,
    },
  };
}

const unread: Rows = { money: noMoney, items: [], all: noItems };

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
