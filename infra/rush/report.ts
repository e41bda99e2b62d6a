import type { Finding } from "./audit.ts";
import type { Fare } from "./crowd.ts";

export interface Report {
  readonly buyers: number;
  readonly units: number;
  readonly outcomes: Readonly<Record<string, number>>;
  /** Milliseconds from pressing Buy to the first answer, and to the final one. */
  readonly firstAnswerMs: Quantiles;
  readonly finalAnswerMs: Quantiles;
  readonly findings: readonly Finding[];
  readonly passed: boolean;
}

interface Quantiles {
  readonly median: number;
  readonly p99: number;
  readonly max: number;
}

export function makeReport(fares: readonly Fare[], units: number, findings: readonly Finding[]): Report {
  const outcomes: Record<string, number> = {};
  for (const { outcome } of fares) outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
  return {
    buyers: fares.length,
    units,
    outcomes,
    firstAnswerMs: quantiles(fares.map((fare) => fare.answeredMs - fare.pressedMs)),
    finalAnswerMs: quantiles(fares.map((fare) => fare.settledMs - fare.pressedMs)),
    findings,
    passed: findings.every((finding) => finding.ok),
  };
}

function quantiles(values: readonly number[]): Quantiles {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number) => Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0);
  return { median: at(0.5), p99: at(0.99), max: at(1) };
}

/** The report as a table for the terminal. */
export function printReport(report: Report): string {
  const row = (name: string, q: Quantiles) =>
    `  ${name.padEnd(16)}${`${q.median} ms`.padStart(10)}${`${q.p99} ms`.padStart(10)}${`${q.max} ms`.padStart(10)}`;
  const outcomes = Object.entries(report.outcomes).sort(([, a], [, b]) => b - a);
  return [
    `${report.buyers} shoppers, ${report.units} units`,
    "",
    ...outcomes.map(([outcome, count]) => `  ${outcome.padEnd(16)}${String(count).padStart(10)}`),
    "",
    `  ${"".padEnd(16)}${"median".padStart(10)}${"99 %".padStart(10)}${"last".padStart(10)}`,
    row("first answer", report.firstAnswerMs),
    row("final answer", report.finalAnswerMs),
    "",
    ...report.findings.map((finding) => `  ${finding.ok ? "✓" : "✗"} ${finding.check} (${finding.found})`),
    "",
    report.passed ? "The audit passed." : "THE AUDIT FAILED.",
  ].join("\n");
}
