import type { RunResult } from "./run-scenario.ts";

/** All runs of one scenario in a line. */
interface Row {
  readonly scenario: string;
  readonly title: string;
  readonly runs: number;
  readonly failed: number;
  readonly underWay: number;
  readonly lost: number;
  readonly doubled: number;
  readonly oversold: number;
  /**
   * Seconds until the shop was itself again: new orders decided, those under way settled; without
   * payments of unknown outcome.
   */
  readonly medianSeconds: number;
  readonly worstSeconds: number;
}

function summarize(results: readonly RunResult[]): Row[] {
  return [...Map.groupBy(results, (run) => run.scenario).values()].map((runs) => {
    const sum = (of: (run: RunResult) => number) => runs.reduce((total, run) => total + of(run), 0);
    const seconds = runs.map(recoverySeconds).sort((a, b) => a - b);
    return {
      scenario: runs[0]?.scenario ?? "",
      title: runs[0]?.title ?? "",
      runs: runs.length,
      failed: runs.filter((run) => !run.passed).length,
      underWay: sum((run) => run.underWay),
      lost: sum((run) => run.lost),
      doubled: sum((run) => run.doubled),
      oversold: sum((run) => run.oversold),
      medianSeconds: middle(seconds),
      worstSeconds: seconds.at(-1) ?? 0,
    };
  });
}

/** The middle of sorted values; of an even number of them, half-way between the two. */
function middle(sorted: readonly number[]): number {
  const half = sorted.length / 2;
  return ((sorted[Math.ceil(half) - 1] ?? 0) + (sorted[Math.floor(half)] ?? 0)) / 2;
}

function recoverySeconds({ recovery }: RunResult): number {
  return Math.max(recovery.firstOrderMs ?? 0, recovery.underWayMs ?? 0, 0) / 1_000;
}

const columns = ["runs", "under way", "lost", "doubled", "oversold", "median", "worst"];

const cells = (row: Row) => [
  String(row.runs),
  String(row.underWay),
  String(row.lost),
  String(row.doubled),
  String(row.oversold),
  `${row.medianSeconds.toFixed(1)} s`,
  `${row.worstSeconds.toFixed(1)} s`,
];

/** The table for the terminal. */
export function printTable(results: readonly RunResult[]): string {
  const line = (name: string, values: readonly string[], mark = " ") =>
    `  ${mark} ${name.padEnd(22)}${values.map((value) => value.padStart(11)).join("")}`;
  const rows = summarize(results);
  return [
    line("", columns),
    ...rows.map((row) => line(row.scenario, cells(row), row.failed === 0 ? "✓" : "✗")),
    "",
    ...results.filter((run) => !run.passed).flatMap(printFailure),
    results.every((run) => run.passed) ? `All ${results.length} runs passed.` : "SOMETHING DID NOT HOLD.",
  ].join("\n");
}

/** One run in a line, as it is done. */
export function printRun(run: RunResult): string {
  const { firstOrderMs, underWayMs } = run.recovery;
  const seconds = (ms: number | null) => (ms === null ? "–" : `${(ms / 1_000).toFixed(1)} s`);
  const figures = `${run.accepted} accepted, ${run.underWay} under way, first order ${seconds(firstOrderMs)}, settled ${seconds(underWayMs)}`;
  const note = run.note === null ? "" : ` (${run.note})`;
  return `  ${run.passed ? "✓" : "✗"} ${run.scenario.padEnd(22)} ${figures}${note}`;
}

/** What did not hold in a run, and how to have the same drawn again. */
export function printFailure(run: RunResult): string[] {
  const broken = run.findings.filter(({ ok }) => !ok);
  return [`${run.scenario}, seed ${run.seed}:`, ...broken.map(({ check, found }) => `  ✗ ${check} (${found})`), ""];
}

/** The table for docs/reliability.md. */
export function markdownTable(results: readonly RunResult[]): string {
  const head = [
    "fault",
    "runs",
    "orders under way",
    "lost",
    "doubled",
    "oversold",
    "seconds to recover: median",
    "worst",
  ];
  const row = (values: readonly string[]) => `| ${values.join(" | ")} |`;
  const number = (seconds: number) => seconds.toFixed(1);
  return [
    row(head),
    row(head.map((_, i) => (i === 0 ? "---" : "---:"))),
    ...summarize(results).map((r) =>
      row([
        r.title.split(": ")[0] ?? r.title,
        ...[r.runs, r.underWay, r.lost, r.doubled, r.oversold].map(String),
        number(r.medianSeconds),
        number(r.worstSeconds),
      ]),
    ),
  ].join("\n");
}
