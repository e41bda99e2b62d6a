import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { Report } from "../rush/report.ts";
import { type Compared, median } from "./compare.ts";
import { cpuText } from "./cpu.ts";
import type { Crowds } from "./crowds.ts";
import type { CostAtDepth } from "./growth.ts";
import type { HotItem } from "./hot-item.ts";
import type { Rates } from "./rates.ts";
import type { CostOfWaiting } from "./waiting.ts";

/** Everything a run measured; a part is missing where it was left out. */
export interface BenchResults {
  readonly machine: string;
  readonly measuredAt: string;
  readonly rounds: number;
  crowds?: Crowds;
  hot?: HotItem;
  rates?: Rates;
  charges?: Compared[];
  reserve?: { alone: Compared[]; whole: Compared[]; observed?: Compared[] };
  waiting?: CostOfWaiting;
  growth?: CostAtDepth[];
  rushes?: { small: Report[]; large: Report };
}

/** What must hold, and what was measured. */
interface Target {
  readonly what: string;
  readonly wanted: string;
  readonly found: number;
  readonly ok: boolean;
}

function targets(results: BenchResults): Target[] {
  const found: Target[] = [];
  const atLeast = (what: string, least: number, value: number | undefined) => {
    if (value !== undefined) found.push({ what, wanted: `at least ${least}`, found: value, ok: value >= least });
  };
  const atMost = (what: string, most: number, value: number | undefined) => {
    if (value !== undefined) found.push({ what, wanted: `at most ${most}`, found: value, ok: value <= most });
  };
  crowdTargets(results, atLeast, atMost);
  hotItemTargets(results, atLeast, atMost);
  rateTargets(results, atLeast, atMost);
  growthTargets(results, atLeast, atMost);
  return found;
}

type AddTarget = (what: string, bound: number, value: number | undefined) => void;

function crowdTargets({ crowds, rushes }: BenchResults, atLeast: AddTarget, atMost: AddTarget): void {
  if (crowds) {
    const [, , , ours, keyed, limitsOff, bare] = crowds.warm; // each to the first way, round by round
    atLeast("5,000 shoppers, 100 units, all know, warm: to one statement per purchase", 2, ours?.ratio);
    atLeast("the same under Idempotency-Keys", 1.8, keyed?.ratio);
    atLeast("the same with limits off", 2, limitsOff?.ratio);
    atMost("the same, to 5,000 answers of the bare route (a goal)", 1.4, bare && ours && bare.ratio / ours.ratio);
    const { opponent: theirs, holdfast, tenth } = crowds.cold;
    atLeast("the first crowd after start: to the opponent's first", 2, median(theirs) / median(holdfast));
    atMost(
      "the first crowd after start: to the tenth",
      1.25,
      median(holdfast.map((one, i) => one / (tenth[i] ?? one))),
    );
    atMost("seconds until an API server is ready", 3, median(crowds.ready.api));
    atMost("seconds until a worker is ready", 3, median(crowds.ready.worker));
  }
  if (!rushes) return;
  const ratios = rushes.small.map((one) => (one.lastLoserMs ?? Number.NaN) / (one.lastAcceptMs ?? Number.NaN));
  atMost("5,000 shoppers: the last “Out of stock” of those in line to the last 202", 1.5, median(ratios));
  const own = rushes.large.processes.filter(({ name }) => /^(api|worker)/.test(name));
  atMost("MB of an API server or worker in a rush of 100,000", 250, Math.max(...own.map(({ peakMb }) => peakMb)));
}

function hotItemTargets({ hot, charges }: BenchResults, atLeast: AddTarget, atMost: AddTarget): void {
  if (hot) {
    const at = (connections: number, way: number) => hot.held.filter((one) => one.connections === connections)[way];
    const [opponent, ours, lone, eight] = [at(200, 0), at(200, 3), at(1, 3), at(8, 3)];
    const [loneOpponent, off] = [at(1, 0), at(200, 4)];
    if (!opponent || !ours || !lone || !eight || !loneOpponent || !off) return;
    atLeast("one hot item, answer held, 200 connections: to one statement", 3, ours.perSecond / opponent.perSecond);
    atMost("the same: p99 to the opponent's", 1, ours.p99Ms / opponent.p99Ms);
    atLeast("the same with limits off", 3, off.perSecond / opponent.perSecond);
    atMost("answer held: p50 of 8 connections to 1", 2.2, eight.p50Ms / lone.p50Ms);
    atMost("answer held, 1 connection: p50 to the opponent's", 5, lone.p50Ms / loneOpponent.p50Ms);
    const [theirs, accepted] = hot.accepted;
    atLeast(
      "one hot item, 202 only: decided, to one statement",
      3,
      theirs && accepted && accepted.perSecond / theirs.perSecond,
    );
  }
  atLeast("reserving with 200 charges a second in the same worker, to none", 0.7, charges?.[1]?.ratio);
  atLeast("the same, charges in a worker of their own", 0.7, charges?.[2]?.ratio);
  const made = charges?.slice(1).map(({ cpuUs }) => cpuUs["charges a second"] ?? 0);
  atLeast("charges a second that were made beside it", 160, made && Math.min(...made));
}

function rateTargets({ rates, reserve }: BenchResults, atLeast: AddTarget, atMost: AddTarget): void {
  if (rates) {
    const [bare, ours, off] = rates.accept;
    const cpu = (one: Compared | undefined, name: string) => one?.cpuUs[name] ?? Number.NaN;
    atMost("CPU of the API per accepted purchase, to the bare route", 1.9, cpu(ours, "api") / cpu(bare, "bare"));
    atMost("the same with limits off", 1.9, cpu(off, "api") / cpu(bare, "bare"));
    atLeast("“Out of stock” answers a second, to the bare route", 0.85, rates.soldOut[1]?.ratio);
    atLeast("the same with limits off", 0.85, rates.soldOut[2]?.ratio);
    atLeast("reading an order, to a bare route with one Redis GET", 0.8, rates.read[1]?.ratio);
  }
  const [book, route, statement, raw, ours] = reserve?.alone ?? [];
  if (!book || !route || !statement || !raw || !ours) return;
  atLeast("reserving on one hot item, to lock and transaction per order", 40, ours.ratio);
  // To the statement alone, without the web server that both have before them.
  atLeast("reserving on one hot item, to one statement per purchase", 3, ours.ratio / statement.ratio);
  atLeast("reserving on one hot item, to raw multi-row inserts", 0.4, ours.ratio / raw.ratio);
}

function growthTargets({ growth, waiting }: BenchResults, _atLeast: AddTarget, atMost: AddTarget): void {
  atMost("bytes of an API server per waiting shopper of 10,000, beside the connection", 10_240, waiting?.waitingBytes);
  const [shallow, deep] = [growth?.[0], growth?.at(-1)];
  if (!shallow || !deep) return;
  atMost(`CPU per order, ${deep.queued} in line to ${shallow.queued}`, 1.1, cpuOf(deep) / cpuOf(shallow));
  atMost("Redis bytes per queued order", 350, deep.redisBytes);
}

function cpuOf({ accept, decide }: CostAtDepth): number {
  return [accept, decide].flatMap((step) => Object.values(step)).reduce((sum: number, us: number) => sum + us, 0);
}

export function printTargets(results: BenchResults): string {
  return targets(results)
    .map(({ what, wanted, found, ok }) => `  ${ok ? "✓" : "✗"} ${what}: ${rounded(found)} (${wanted})`)
    .join("\n");
}

const docs = fileURLToPath(new URL("../../../docs/", import.meta.url));
const [begin, end] = ["<!-- npm run bench writes from here -->", "<!-- to here -->"];

/**
 * Writes the results as JSON, and as tables between the marks in docs/performance.md. @returns
 * where
 */
export async function writeResults(results: BenchResults): Promise<string> {
  await writeFile(`${docs}performance.json`, `${JSON.stringify(results, null, 1)}\n`);
  const page = await readFile(`${docs}performance.md`, "utf8");
  const [before, rest] = page.split(begin);
  const after = rest?.split(end)[1];
  if (after === undefined) throw new Error("docs/performance.md has lost the marks between which the tables go");
  await writeFile(`${docs}performance.md`, `${before}${begin}\n\n${tables(results)}\n\n${end}${after}`);
  return `${docs}performance.md and performance.json`;
}

function tables(results: BenchResults): string {
  const { reserve, rates, hot, growth = [], rushes } = results;
  const sections = [
    `${results.machine}; ${results.measuredAt.slice(0, 10)}. Medians of ${results.rounds} rounds that alternate; ratios are taken within a round.`,
    table(
      ["what must hold", "wanted", "measured"],
      targets(results).map((t) => [t.what, t.wanted, `${rounded(t.found)}${t.ok ? "" : " ✗"}`]),
    ),
    comparison("5,000 shoppers, 100 units, until the last of them knows, crowds a second", results.crowds?.warm, 3),
    ...coldTable(results.crowds),
    ...decidedTables(hot),
    comparison("Refusing a purchase of a sold-out item, one API server, answers a second", rates?.soldOut),
    comparison("Accepting a purchase, one API server, answers a second", rates?.accept),
    comparison("Reading an order, one API server, answers a second", rates?.read),
    comparison("One hot item, answers held, beside 200 charges a second, decided a second", results.charges),
    comparison("Reserving alone on one hot item, orders a second", reserve?.alone),
    comparison("The whole reserve step, orders a second", reserve?.whole),
    comparison("The same, counted and traced, one in fifty finds a unit", reserve?.observed),
    ...waitingTable(results.waiting),
    ...growthTable(growth),
  ];
  for (const report of rushes ? [rushes.small.at(-1), rushes.large] : []) if (report) sections.push(rushTable(report));
  return sections.filter(Boolean).join("\n\n");
}

function comparison(title: string, compared: readonly Compared[] = [], digits = 0): string {
  if (compared.length === 0) return "";
  const rows = compared.map(({ name, median: middle, min, max, ratio, cpuUs }) => {
    const spread = `${min.toFixed(digits)} … ${max.toFixed(digits)}`;
    return [name, middle.toFixed(digits), spread, `${ratio.toFixed(2)}×`, cpuText(cpuUs)];
  });
  return table([title, "median", "spread", "ratio", "µs of CPU each"], rows);
}

function coldTable(crowds: Crowds | undefined): string[] {
  if (!crowds) return [];
  const { cold, ready } = crowds;
  const seconds = (values: readonly number[]) => values.map((value) => `${value.toFixed(2)} s`).join(", ");
  return [
    table(
      ["a fresh process", "ready after", "its first crowd", "its tenth"],
      [
        ["one statement per purchase", seconds(ready.bare), seconds(cold.opponent), ""],
        [
          "Holdfast: API server and worker",
          `${seconds(ready.api)} and ${seconds(ready.worker)}`,
          seconds(cold.holdfast),
          seconds(cold.tenth),
        ],
      ],
    ),
  ];
}

function decidedTables(hot: HotItem | undefined): string[] {
  if (!hot) return [];
  const rows = (decided: HotItem["held"]) =>
    decided.map(({ connections, way, perSecond, p50Ms, p99Ms, cpuUs }) => {
      const figures = [perSecond.toFixed(0), p50Ms.toFixed(2), p99Ms.toFixed(2)];
      return [String(connections), way, ...figures, cpuText(cpuUs)];
    });
  const heads = ["decided a second", "p50 ms", "p99 ms", "µs of CPU each"];
  return [
    table(["connections", "One hot item, the answer held", ...heads], rows(hot.held)),
    table(["connections", "One hot item, 202 only, until all are decided", ...heads], rows(hot.accepted)),
  ];
}

function growthTable(growth: readonly CostAtDepth[]): string[] {
  if (growth.length === 0) return [];
  const heads = [
    "accept: API",
    "accept: Redis",
    "decide: worker",
    "decide: Redis",
    "decide: Postgres",
    "bytes in Redis",
  ];
  const rows = growth.map(({ queued, accept, decide, redisBytes }) => [
    queued.toLocaleString("en"),
    ...[accept.api, accept.redis, decide.worker, decide.redis, decide.postgres].map((us) => `${us} µs`),
    String(redisBytes),
  ]);
  return [table(["orders in line", ...heads], rows)];
}

function waitingTable(waiting: CostOfWaiting | undefined): string[] {
  if (!waiting) return [];
  const { shoppers, connectionBytes, waitingBytes, redisCommandsPerSecond } = waiting;
  const head = `${shoppers.toLocaleString("en")} shoppers wait at one API server`;
  return [
    table(
      [
        head,
        "bytes each for the open connection",
        "bytes each for waiting",
        "commands a second to Redis, for all of them",
      ],
      [["", String(connectionBytes), String(waitingBytes), String(redisCommandsPerSecond)]],
    ),
  ];
}

function rushTable({ buyers, lastAnswerMs, lastLoserMs, firstAnswerMs, finalAnswerMs, processes }: Report): string {
  const slowest = firstAnswerMs.curve.find(({ percent }) => percent === 99.9)?.ms ?? Number.NaN;
  const head = `${buyers.toLocaleString("en")} shoppers: all answered once after ${lastAnswerMs} ms (p99.9 ${Math.round(slowest)} ms), the last “Out of stock” of those in line after ${lastLoserMs} ms, all paid after ${Math.round(finalAnswerMs.max)} ms`;
  const rows = processes.map(({ name, cpuMs, startMb, peakMb, endMb }) => {
    return [name, `${Math.round((cpuMs * 1_000) / buyers)} µs`, ...[startMb, peakMb, endMb].map((mb) => `${mb} MB`)];
  });
  return table([head, "CPU per shopper", "at start", "at most", "at the end"], rows);
}

function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(heads), line(heads.map(() => "---")), ...rows.map(line)].join("\n");
}

function rounded(value: number): string {
  return value >= 100 ? String(Math.round(value)) : value.toFixed(2);
}
