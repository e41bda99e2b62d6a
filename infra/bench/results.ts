import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { Report } from "../rush/report.ts";
import { type Compared, median } from "./compare.ts";
import type { CostAtDepth } from "./growth.ts";
import type { CostOfWaiting } from "./waiting.ts";

/** Everything a run measured; a part is missing where it was left out. */
export interface BenchResults {
  readonly machine: string;
  readonly measuredAt: string;
  readonly rounds: number;
  accept?: Compared[];
  read?: Compared[];
  reserve?: { alone: Compared[]; whole: Compared[] };
  crowds?: Compared[];
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
  const { accept, read, reserve, crowds, growth, rushes } = results;
  const found: Target[] = [];
  const atLeast = (what: string, least: number, value: number | undefined) => {
    if (value !== undefined) found.push({ what, wanted: `at least ${least}`, found: value, ok: value >= least });
  };
  const atMost = (what: string, most: number, value: number | undefined) => {
    if (value !== undefined) found.push({ what, wanted: `at most ${most}`, found: value, ok: value <= most });
  };
  const [book, route, statement, raw, ours] = reserve?.alone ?? [];
  atLeast("accepting, to the bare route", 0.85, accept?.[1]?.ratio);
  atLeast("reading an order, to a bare route with one Redis GET", 0.8, read?.[1]?.ratio);
  if (book && route && statement && raw && ours) {
    atLeast("reserving on one hot item, to lock and transaction per order", 40, ours.ratio);
    // To the statement alone, without the web server that both have before them.
    atLeast("reserving on one hot item, to one statement per purchase", 3, ours.ratio / statement.ratio);
    atLeast("reserving on one hot item, to the same behind a Fastify route", 3, ours.ratio / route.ratio);
    atLeast("reserving on one hot item, to raw multi-row inserts", 0.4, ours.ratio / raw.ratio);
  }
  atLeast("5,000 shoppers, 100 units, all answered, to one statement per purchase", 2, crowds?.[1]?.ratio);
  atMost(
    "bytes of an API server per waiting shopper of 10,000, beside the connection",
    10_240,
    results.waiting?.waitingBytes,
  );
  const [shallow, deep] = [growth?.[0], growth?.at(-1)];
  if (shallow && deep) {
    atMost(`CPU per order, ${deep.queued} in line to ${shallow.queued}`, 1.1, cpuOf(deep) / cpuOf(shallow));
    atMost("Redis bytes per queued order", 350, deep.redisBytes);
  }
  if (rushes) {
    const ratios = rushes.small.map(
      (report) => (report.lastLoserMs ?? Number.NaN) / (report.lastAcceptMs ?? Number.NaN),
    );
    atMost("5,000 shoppers: the last “Out of stock” of those in line to the last 202", 1.5, median(ratios));
    const ours = rushes.large.processes.filter(({ name }) => /^(api|worker)/.test(name));
    atMost("MB of an API server or worker in a rush of 100,000", 250, Math.max(...ours.map(({ peakMb }) => peakMb)));
  }
  return found;
}

function cpuOf({ accept, decide }: CostAtDepth): number {
  return [accept, decide].flatMap((step) => Object.values(step)).reduce((sum: number, us: number) => sum + us, 0);
}

export function printTargets(results: BenchResults): string {
  return targets(results)
    .map(({ what, wanted, found, ok }) => `  ${ok ? "✓" : "✗"} ${what}: ${rounded(found)} (${wanted})`)
    .join("\n");
}

const docs = fileURLToPath(new URL("../../docs/", import.meta.url));
const [begin, end] = ["<!-- npm run bench writes from here -->", "<!-- to here -->"];

/** Writes the results as JSON, and as tables between the marks in docs/performance.md. @returns where */
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
  const { reserve, growth = [], rushes } = results;
  const sections = [
    `${results.machine}; ${results.measuredAt.slice(0, 10)}. Medians of ${results.rounds} rounds that alternate; ratios are taken within a round.`,
    table(
      ["what must hold", "wanted", "measured"],
      targets(results).map((t) => [t.what, t.wanted, `${rounded(t.found)}${t.ok ? "" : " ✗"}`]),
    ),
    comparison("Accepting a purchase, one API server, answers a second", results.accept),
    comparison("Reading an order, one API server, answers a second", results.read),
    comparison("Reserving alone on one hot item, orders a second", reserve?.alone),
    comparison("The whole reserve step, orders a second", reserve?.whole),
    ...waitingTable(results.waiting),
    comparison("5,000 shoppers, 100 units, until the last of them knows, crowds a second", results.crowds, 3),
    table(
      [
        "orders in line",
        "accept: API",
        "accept: Redis",
        "decide: worker",
        "decide: Redis",
        "decide: Postgres",
        "bytes in Redis",
      ],
      growth.map(({ queued, accept, decide, redisBytes }) => [
        queued.toLocaleString("en"),
        ...[accept.api, accept.redis, decide.worker, decide.redis, decide.postgres].map((us) => `${us} µs`),
        String(redisBytes),
      ]),
    ),
  ];
  for (const report of rushes ? [rushes.small.at(-1), rushes.large] : []) if (report) sections.push(rushTable(report));
  return sections.join("\n\n");
}

function comparison(title: string, compared: readonly Compared[] = [], digits = 0): string {
  const rows = compared.map(({ name, median: middle, min, max, ratio }) => {
    return [name, middle.toFixed(digits), `${min.toFixed(digits)} … ${max.toFixed(digits)}`, `${ratio.toFixed(2)}×`];
  });
  return table([title, "median", "spread", "ratio"], rows);
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

function rushTable({ buyers, lastAnswerMs, lastLoserMs, finalAnswerMs, processes }: Report): string {
  const head = `${buyers.toLocaleString("en")} shoppers: all answered once after ${lastAnswerMs} ms, the last “Out of stock” after ${lastLoserMs} ms, all paid after ${Math.round(finalAnswerMs.max)} ms`;
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
