import type { RecordableHistogram } from "node:perf_hooks";
import type { Finding } from "./audit.ts";
import type { Follow } from "./crowd.ts";
import type { LineSample, Sample, UsedByProcess } from "./sampler.ts";
import type { Tally } from "./tally.ts";

/** What a rush was about. */
export interface RushTerms {
  readonly buyers: number;
  readonly units: number;
  readonly items: number;
  /** Which share of the cards is declined. */
  readonly declines: number;
  readonly overMs: number;
  readonly follow: Follow;
  readonly connections: number;
}

export interface Report extends RushTerms {
  readonly beganAt: string;
  readonly machine: string;
  readonly outcomes: Readonly<Record<string, number>>;
  /** Milliseconds from pressing Buy to the first answer, and to the final one. */
  readonly firstAnswerMs: Distribution;
  readonly finalAnswerMs: Distribution;
  /**
   * Milliseconds since the rush began: the last 202, and the last final answer of those who were in
   * line and got nothing; null where there was none.
   */
  readonly lastAcceptMs: number | null;
  readonly lastLoserMs: number | null;
  /** When the last shopper had their first answer, a 202 or a refusal. */
  readonly lastAnswerMs: number;
  readonly answersPerSecond: number;
  readonly timeline: { readonly bucketMs: number; readonly series: Readonly<Record<string, readonly number[]>> };
  readonly samples: readonly Sample[];
  /** The line, finely; nothing where it could only be seen with the rest. */
  readonly line: readonly LineSample[];
  readonly processes: readonly UsedByProcess[];
  readonly findings: readonly Finding[];
  readonly passed: boolean;
}

/** Points of a distribution: how long the fastest so many percent took. */
interface Distribution {
  readonly median: number;
  readonly p99: number;
  readonly max: number;
  readonly curve: readonly { readonly percent: number; readonly ms: number }[];
}

export function makeReport(
  terms: RushTerms,
  tally: Tally,
  more: Pick<Report, "beganAt" | "machine" | "samples" | "line" | "processes" | "findings">,
): Report {
  const lastLoserMs = Math.max(...tally.items.map((item) => item.lastLoserSettledMs));
  return {
    ...terms,
    ...more,
    outcomes: Object.fromEntries([...tally.outcomes].sort(([, a], [, b]) => b - a)),
    firstAnswerMs: distribution(tally.firstAnswer),
    finalAnswerMs: distribution(tally.finalAnswer),
    lastAcceptMs: tally.lastAcceptMs === 0 ? null : Math.round(tally.lastAcceptMs),
    lastLoserMs: lastLoserMs === 0 ? null : Math.round(lastLoserMs),
    lastAnswerMs: Math.round(tally.lastFirstAnswerMs),
    answersPerSecond: Math.round(terms.buyers / (tally.lastFirstAnswerMs / 1_000)),
    timeline: tally.timeline.toJSON(),
    passed: more.findings.every((finding) => finding.ok),
  };
}

const curvePercents = [1, 5, 10, 25, 50, 75, 90, 95, 98, 99, 99.5, 99.9, 99.99, 100];

function distribution(histogram: RecordableHistogram): Distribution {
  const at = (percent: number) => Math.round(histogram.percentile(percent) / 100) / 10;
  return {
    median: at(50),
    p99: at(99),
    max: at(100),
    curve: curvePercents.map((percent) => ({ percent, ms: at(percent) })),
  };
}

/** The report as a table for the terminal. */
export function printReport(report: Report): string {
  const cells = (...values: (string | number)[]) => values.map((value) => String(value).padStart(10)).join("");
  const row = (name: string, { median, p99, max }: Distribution) =>
    `  ${name.padEnd(16)}${cells(...[median, p99, max].map((ms) => `${Math.round(ms)} ms`))}`;
  return [
    `${report.buyers} shoppers, ${report.units} units${report.items > 1 ? ` of each of ${report.items} items` : ""}`,
    "",
    ...Object.entries(report.outcomes).map(([outcome, count]) => `  ${outcome.padEnd(16)}${cells(count)}`),
    "",
    `  ${"".padEnd(16)}${cells("median", "99 %", "last")}`,
    row("first answer", report.firstAnswerMs),
    row("final answer", report.finalAnswerMs),
    `  ${report.answersPerSecond} first answers a second; the last 202 after ${report.lastAcceptMs ?? "–"} ms, the last “Out of stock” from the line after ${report.lastLoserMs ?? "–"} ms`,
    ...printRates(report),
    ...printRefused(report),
    "",
    ...printProcesses(report),
    ...report.findings.map((finding) => `  ${finding.ok ? "✓" : "✗"} ${finding.check} (${finding.found})`),
    "",
    report.passed ? "The audit passed." : "THE AUDIT FAILED.",
  ].join("\n");
}

/**
 * What the system made of it a second: of those in line until nobody was, of payments until the
 * last one.
 */
function printRates({ timeline, outcomes, lastAcceptMs, lastLoserMs, finalAnswerMs }: Report): string[] {
  const accepted = (timeline.series.accepted ?? []).reduce((sum, count) => sum + count, 0);
  const rate = (count: number, ms: number | null) => (ms ? Math.round((count * 1_000) / ms) : "–");
  const paid = rate(outcomes.confirmed ?? 0, outcomes.confirmed ? finalAnswerMs.max : null);
  return [`  a second: ${rate(accepted, lastAcceptMs)} accepted, ${rate(accepted, lastLoserMs)} decided, ${paid} paid`];
}

/** Refusals that say more about the load or a bound than about the sale, with what to set. */
function printRefused({ outcomes }: Report): string[] {
  const { rate_limited: limited, busy } = outcomes;
  return [
    ...(limited
      ? [
          `  ${limited} came too often: a rush is many shoppers behind one address. Set ADDRESS_RATE_PER_MINUTE=0 on the API servers meanwhile.`,
        ]
      : []),
    ...(busy
      ? [
          `  ${busy} found no room: the line was full (MAX_LINE), or a server had as much in hand as it takes: start more of them.`,
        ]
      : []),
  ];
}

function printProcesses({ processes, buyers }: Report): string[] {
  if (processes.length === 0) return [];
  const cells = (values: readonly (string | number)[]) => values.map((value) => String(value).padStart(12)).join("");
  return [
    `  ${"".padEnd(16)}${cells(["CPU/shopper", "at start", "at most", "at the end"])}`,
    ...processes.map(({ name, cpuMs, startMb, peakMb, endMb }) => {
      const cpu = `${Math.round((cpuMs * 1_000) / buyers)} µs`;
      return `  ${name.padEnd(16)}${cells([cpu, `${startMb} MB`, `${peakMb} MB`, `${endMb} MB`])}`;
    }),
    "",
  ];
}
