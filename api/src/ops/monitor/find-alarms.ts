import { alarmName, type RaisedName } from "@holdfast/shared/alarm.ts";
import { alarmNames, alarms } from "@holdfast/shared/alarm-catalogue.ts";
import type { RaisedAlarm } from "@holdfast/shared/raised-alarms.ts";
import type { MemberNow, SaleNow } from "../sale-now.ts";

/** An alarm that stands, and whom it is about where there can be several of its name. */
export interface Found {
  readonly name: RaisedName;
  readonly detail: string;
  /** Where it was raised by a process, since when; null where it is just seen. */
  readonly sinceMs: number | null;
}

/** What alarms are found in: the sale as measured, and what takes two looks to see. */
export interface Seen {
  readonly sale: Omit<SaleNow, "alarms" | "atMs" | "moment">;
  /** Items whose books are off. */
  readonly unbalanced: readonly string[];
  /** For how long each lane has had orders in line and decided none, in seconds; by its number. */
  readonly stalledSeconds: readonly number[];
  /** For how long each process' event loop has been slow at every report, in seconds; by its id. */
  readonly slowSeconds: ReadonlyMap<string, number>;
  /** By how much Postgres' clock is ahead of Redis', in ms; null while it is unavailable. */
  readonly postgresAheadMs: number | null;
  /** For how long somebody has looked: who has just begun does not know yet who is missing. */
  readonly lookingSeconds: number;
}

const stalledAfterSeconds = 30; // a lane with work decides many times a second; a lock of a dead worker lasts five
const backlogLongSeconds = 600; // a hold's length: later, shoppers have left the page that shows them
const overdueAfterSeconds = 60; // a hold is released within 30 s of its deadline
const failingAfterSeconds = 8; // a restart of the receiver is over, and its second try has failed
const clockOffMs = 5_000; // a report is on its way for milliseconds, at worst two seconds
const slowAfterSeconds = 10; // starting up and collecting garbage are over by then
const shedInAMinute = 10; // one or two are a moment's; a crowd is hundreds
const mostOfOneName = 10; // nobody reads a thousand, and each room is sent them every second
const settledSeconds = 6; // every living process has reported three times

/**
 * Every alarm that stands, those of one name together where the catalogue says it once.
 * @param nowMs by Redis, which says when the others were raised
 */
export function findAlarms(seen: Seen, raised: readonly RaisedAlarm[], nowMs: number): Found[] {
  return [...seenAlarms(seen), ...summed(standing(raised, nowMs))];
}

/** Those raised by processes that still stand. */
function standing(raised: readonly RaisedAlarm[], nowMs: number): Found[] {
  return raised
    .filter(({ name, lastMs }) => {
      const kind = alarms[alarmName(name)];
      return kind !== undefined && lastMs + kind.standsMs > nowMs;
    })
    .map(({ name, detail, sinceMs }) => ({ name, detail, sinceMs }));
}

/** Of those about one order each that many stand, the newest, and how many there are beside. */
function summed(raised: readonly Found[]): Found[] {
  const byName = Map.groupBy(raised, ({ name }) => alarmName(name));
  return [...byName].flatMap(([name, found]) => {
    if (found.length <= mostOfOneName) return found;
    const newest = found.toSorted((a, b) => (b.sinceMs ?? 0) - (a.sinceMs ?? 0));
    const others = newest.slice(mostOfOneName);
    const sinceMs = others.at(-1)?.sinceMs ?? null;
    const more: Found = { name: `${name}:more`, detail: `And ${others.length} more; the log has them all.`, sinceMs };
    return [...newest.slice(0, mostOfOneName), more];
  });
}

function seenAlarms(seen: Seen): Found[] {
  const { sale } = seen;
  const found: Found[] = [];
  const add = (name: RaisedName, when: boolean, detail: string) => {
    if (when) found.push({ name, detail, sinceMs: null });
  };
  add("redis_unavailable", sale.redis.state === "down", "");
  add("postgres_unavailable", sale.postgres.state === "down", "");
  add("postgres_read_only", sale.postgres.state === "read_only", "");
  addMissing(seen, add);
  for (const lane of sale.lanes) {
    add(`lane_paused:${lane.number}`, lane.paused, `Lane ${lane.number}, ${orders(lane.waiting)} in line.`);
    const stalled = seen.stalledSeconds[lane.number] ?? 0;
    add(
      `line_stalled:${lane.number}`,
      stalled >= stalledAfterSeconds && !lane.paused && sale.postgres.state === "up",
      `Lane ${lane.number}: ${orders(lane.waiting)} in line, none decided for ${seconds(stalled)}.`,
    );
  }
  const { charges, payments, shop } = sale;
  add(
    "charge_backlog_long",
    charges.emptyInSeconds > backlogLongSeconds,
    `${orders(charges.backlog)} at ${charges.perSecond} a second: ${seconds(charges.emptyInSeconds)}.`,
  );
  const overdue = payments.oldestOverdueSeconds ?? 0;
  add(
    "holds_overdue",
    overdue > overdueAfterSeconds,
    `${orders(payments.holdsOverdue)}, the oldest for ${seconds(overdue)}.`,
  );
  add("books_off", seen.unbalanced.length > 0, `Of ${seen.unbalanced.join(", ")}.`);
  add("dead_jobs", sale.deadJobs > 0, `${sale.deadJobs} in the failed sets.`);
  const failing = shop.oldestFailingSeconds ?? 0;
  add(
    "shop_webhooks_failing",
    shop.served && failing > failingAfterSeconds,
    `${shop.failing} events, the oldest for ${seconds(failing)} (${shop.lastError ?? "no answer"}).`,
  );
  add("requests_shed", sale.requests.shed >= shedInAMinute, `${sale.requests.shed} in the last minute.`);
  addMachines(seen, add);
  return found;
}

type Add = (name: RaisedName, when: boolean, detail: string) => void;

/** Who should be there and is not. */
function addMissing({ sale, lookingSeconds }: Seen, add: Add): void {
  const { members, shop } = sale;
  const needed = ["reserve", "charge", "sweep", ...(shop.served ? ["webhook"] : [])];
  const present = new Set(members.filter(({ state }) => state !== "gone").flatMap(({ roles }) => roles));
  const missing = needed.filter((role) => !present.has(role));
  // Who has just begun to look, or finds no Redis to look in, does not know.
  const known = lookingSeconds >= settledSeconds && sale.redis.state === "up";
  add("no_worker", known && missing.length > 0, `Nobody has the role ${missing.join(", ")}.`);
  for (const kind of ["worker", "api"] as const) {
    const gone = members.filter((member) => member.kind === kind && member.state === "gone");
    const names = gone.map((member) => `${place(member)}, silent for ${seconds(member.seenMsAgo / 1000)}`);
    add(kind === "api" ? "api_server_lost" : "worker_lost", gone.length > 0, `${names.join("; ")}.`);
  }
}

function addMachines({ sale, slowSeconds, postgresAheadMs }: Seen, add: Add): void {
  const up = sale.members.filter(({ state }) => state === "up");
  for (const member of up) {
    const slow = slowSeconds.get(member.id) ?? 0;
    add(
      `event_loop_slow:${member.id}`,
      slow >= slowAfterSeconds,
      `${place(member)}: held up for ${Math.round(member.eventLoopDelayMs)} ms.`,
    );
  }
  const off = [
    ...up.map((member) => ({ who: place(member), aheadMs: member.clockAheadMs })),
    ...(postgresAheadMs === null ? [] : [{ who: "Postgres", aheadMs: postgresAheadMs }]),
  ].filter(({ aheadMs }) => Math.abs(aheadMs) > clockOffMs);
  const clocks = off.map(
    ({ who, aheadMs }) => `${who} is ${seconds(Math.abs(aheadMs) / 1000)} ${aheadMs > 0 ? "ahead" : "behind"}`,
  );
  add("clock_off", off.length > 0, `By Redis' clock, ${clocks.join("; ")}.`);
}

/** The worst first, and those of one severity in the catalogue's order. */
export function inOrder(found: readonly Found[]): Found[] {
  const rank = ({ name }: Found) => {
    const known = alarmName(name);
    return (alarms[known].severity === "critical" ? 0 : 1_000) + alarmNames.indexOf(known);
  };
  return found.toSorted((a, b) => rank(a) - rank(b));
}

function place({ kind, host, pid }: MemberNow): string {
  return `${kind === "api" ? "API server" : "worker"} ${pid} on ${host}`;
}

function orders(count: number): string {
  return count === 1 ? "1 order" : `${count} orders`;
}

function seconds(count: number): string {
  return count < 120 ? `${Math.round(count)} s` : `${Math.round(count / 60)} min`;
}
