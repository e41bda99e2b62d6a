import { alarmNames, alarms } from "@holdfast/shared/alarm-catalogue.ts";
import { describe, expect, test } from "vitest";
import { findAlarms, inOrder, type Seen } from "../src/ops/monitor/find-alarms.ts";
import { emptySale } from "../src/ops/monitor/sale-feed.ts";
import type { MemberNow, SaleNow } from "../src/ops/sale-now.ts";

const member = (change: Partial<MemberNow> = {}): MemberNow => ({
  id: "one",
  kind: "worker",
  roles: ["reserve", "charge", "webhook", "sweep"],
  version: "1.0.0",
  host: "host",
  pid: 1,
  startedAtMs: 0,
  seenMsAgo: 100,
  clockAheadMs: 3,
  eventLoopDelayMs: 20,
  state: "up",
  ...change,
});

const quiet: SaleNow = {
  ...emptySale,
  lanes: [{ number: 0, paused: false, waiting: 5, headSeconds: 1, jobs: 1, failed: 0 }],
  members: [member(), member({ id: "two", kind: "api", roles: [] })],
};

interface Change extends Partial<Omit<Seen, "sale">> {
  readonly sale?: Partial<SaleNow>;
}

const seenWith = ({ sale, ...change }: Change = {}): Seen => ({
  unbalanced: [],
  stalledSeconds: [0],
  slowSeconds: new Map(),
  postgresAheadMs: 2,
  lookingSeconds: 60,
  ...change,
  sale: { ...quiet, ...sale },
});
const namesWith = (change: Change = {}) => findAlarms(seenWith(change), [], 0).map(({ name }) => name);

describe("of the sale as it is measured", () => {
  test("nothing is an alarm while all is well", () => {
    expect(namesWith()).toEqual([]);
  });

  const lane = quiet.lanes[0] as SaleNow["lanes"][number];
  test.each<[string, Change]>([
    ["postgres_unavailable", { sale: { postgres: { state: "down", answerMs: null } }, postgresAheadMs: null }],
    ["postgres_read_only", { sale: { postgres: { state: "read_only", answerMs: 1 } } }],
    ["no_worker", { sale: { members: [member({ roles: ["reserve", "sweep"] })] } }],
    ["lane_paused:0", { sale: { lanes: [{ ...lane, paused: true }] }, stalledSeconds: [600] }],
    ["line_stalled:0", { stalledSeconds: [31] }],
    ["charge_backlog_long", { sale: { charges: { ...quiet.charges, backlog: 20_000, emptyInSeconds: 800 } } }],
    ["holds_overdue", { sale: { payments: { ...quiet.payments, holdsOverdue: 1, oldestOverdueSeconds: 61 } } }],
    ["books_off", { unbalanced: ["kettle"] }],
    ["dead_jobs", { sale: { deadJobs: 1 } }],
    [
      "shop_webhooks_failing",
      { sale: { shop: { served: true, waiting: 3, failing: 3, oldestFailingSeconds: 9, lastError: "refused" } } },
    ],
    ["requests_shed", { sale: { requests: { perSecond: 900, shed: 10, waiting: 0 } } }],
    ["event_loop_slow:one", { slowSeconds: new Map([["one", 10]]) }],
    ["clock_off", { sale: { members: [...quiet.members, member({ clockAheadMs: -60_000 })] } }],
    ["clock_off", { postgresAheadMs: 60_000 }],
    ["api_server_lost", { sale: { members: [member(), member({ kind: "api", roles: [], state: "gone" })] } }],
    ["worker_lost", { sale: { members: [member(), member({ state: "gone", seenMsAgo: 8_000 })] } }],
  ])("%s is one", (name, change) => {
    expect(namesWith(change)).toEqual([name]);
  });

  test("a worker that is gone and was the only one of its role is missed, too", () => {
    expect(namesWith({ sale: { members: [member({ state: "gone" })] } })).toEqual(["no_worker", "worker_lost"]);
  });

  test("who has just begun to look misses nobody yet", () => {
    expect(namesWith({ lookingSeconds: 1, sale: { members: [] } })).toEqual([]);
  });

  test("the role webhook is missed only where there is a shop", () => {
    const members = [member({ roles: ["reserve", "charge", "sweep"] })];
    expect(namesWith({ sale: { members } })).toEqual([]);
    expect(namesWith({ sale: { members, shop: { ...quiet.shop, served: true } } })).toEqual(["no_worker"]);
  });
});

describe("an alarm that a process raised", () => {
  const raised = { name: "provider_refuses" as const, sinceMs: 1_000, lastMs: 50_000, detail: "It says: no." };

  test("stands for as long as the catalogue says, since it was first raised", () => {
    const { standsMs } = alarms.provider_refuses;
    expect(findAlarms(seenWith(), [raised], 50_000 + standsMs - 1)).toEqual([
      { name: "provider_refuses", detail: "It says: no.", sinceMs: 1_000 },
    ]);
    expect(findAlarms(seenWith(), [raised], 50_000 + standsMs)).toEqual([]);
  });

  test("of a name that this version does not know is left out: an older process may raise it", () => {
    const unknown = { ...raised, name: "of_another_version" as "books_off" };
    expect(findAlarms(seenWith(), [unknown], 50_001)).toEqual([]);
  });
});

test("the worst come first", () => {
  const found = inOrder(findAlarms(seenWith({ sale: { deadJobs: 1 }, unbalanced: ["kettle"] }), [], 0));
  expect(found.map(({ name }) => name)).toEqual(["books_off", "dead_jobs"]);
});

test("every alarm has a sentence that says what to do, and ends as one", () => {
  for (const name of alarmNames) expect(alarms[name].sentence).toMatch(/^[A-Z].+[.,;] ?.+\.$/);
});
