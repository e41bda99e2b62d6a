import { linePlot } from "./plot.ts";
import type { Report } from "./report.ts";

/**
 * The report as one HTML page that needs nothing else: the plots are drawn into it. Longer than a
 * screen, as the page is: a template from top to bottom.
 */
export function reportPage(report: Report): string {
  const { buyers, units, items, timeline, samples, line, findings } = report;
  const seconds = (i: number) => ((i + 0.5) * timeline.bucketMs) / 1_000;
  const perSecond = (counts: readonly number[]) =>
    counts.map((count, i) => ({ x: seconds(i), y: (count * 1_000) / timeline.bucketMs }));
  const title = `${thousands(buyers)} shoppers, ${thousands(units)} units${items > 1 ? ` of each of ${items} items` : ""}`;
  const curve = (name: string, points: Report["firstAnswerMs"]["curve"]) => ({
    name,
    // Each step to the right is ten times rarer.
    points: points.map(({ percent, ms }) => ({ x: -Math.log10(Math.max(1e-4, 1 - percent / 100)), y: ms })),
  });
  const plots = [
    linePlot({
      title: "Answers a second",
      yScale: "log",
      xLabel: "seconds since the rush began",
      series: Object.entries(timeline.series).map(([name, counts]) => ({
        name: words(name),
        points: perSecond(counts),
      })),
    }),
    linePlot({
      title: "How long it took, in milliseconds",
      xLabel: "of all shoppers",
      xTicks: [
        { at: 0, label: "0 %" },
        { at: 1, label: "90 %" },
        { at: 2, label: "99 %" },
        { at: 3, label: "99.9 %" },
        { at: 4, label: "all" },
      ],
      series: [curve("first answer", report.firstAnswerMs.curve), curve("final answer", report.finalAnswerMs.curve)],
    }),
    linePlot({
      title: "Orders in line",
      xLabel: "seconds since the rush began",
      series: [
        {
          name: "in line",
          points: (line.length > 0 ? line : samples).flatMap((s) =>
            s.inLine === null ? [] : [{ x: s.atMs / 1_000, y: s.inLine }],
          ),
        },
      ],
    }),
    linePlot({
      title: "Units left",
      xLabel: "seconds since the rush began",
      series: [{ name: "units left", points: samples.map((s) => ({ x: s.atMs / 1_000, y: s.unitsLeft })) }],
    }),
  ];
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<style>${style}</style>
<main>
<p class="verdict ${report.passed ? "ok" : "bad"}">${report.passed ? "The audit passed" : "The audit failed"}</p>
<h1>${title}</h1>
<p>${escaped(report.beganAt)} · ${escaped(report.machine)} · ${report.connections} connections · everyone ${report.overMs === 0 ? "at once" : `within ${report.overMs / 1_000} s`}</p>
<div class="plots">${plots.join("\n")}</div>
<section><h2>Outcomes</h2>${table(
    [],
    Object.entries(report.outcomes).map(([name, count]) => [words(name), thousands(count)]),
  )}</section>
<section><h2>Times</h2>${table(
    ["", "median", "99 %", "last"],
    [
      ["first answer", ...times(report.firstAnswerMs)],
      ["final answer", ...times(report.finalAnswerMs)],
    ],
  )}</section>
${processes(report)}
<section><h2>Audit</h2><ul>${findings
    .map(
      ({ ok, check, found }) =>
        `<li class="${ok ? "ok" : "bad"}">${escaped(check)} <small>${escaped(found)}</small></li>`,
    )
    .join("")}</ul></section>
</main>
</html>
`;
}

const style = `
:root { color-scheme: light dark; --ink: light-dark(#1d2430, #e6e9ee); --paper: light-dark(#fbfaf7, #14171c); --faint: light-dark(#d9d6cd, #333a45) }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif }
main { max-width: 68rem; margin: 0 auto; padding: 2rem 1.25rem 4rem }
h1 { margin: .2rem 0 } h2 { font-size: 1.05rem; margin: 2rem 0 .4rem }
.verdict { display: inline-block; margin: 0; padding: .15rem .7rem; border-radius: 1rem; color: #fff; font-weight: 600 }
.verdict.ok { background: #1a7f4b } .verdict.bad { background: #b3261e }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr)); gap: 1.5rem }
figure { margin: 0 } figcaption { font-weight: 600 } svg { width: 100%; height: auto; overflow: visible }
svg text { fill: var(--ink); font: 13px system-ui, sans-serif } svg .grid { stroke: var(--faint) }
section { overflow-x: auto } table { border-collapse: collapse } th, td { padding: .2rem 1.2rem .2rem 0; text-align: right } th:first-child, td:first-child { text-align: left }
ul { list-style: none; padding: 0 } li.ok::before { content: "✓ "; color: #1a7f4b } li.bad::before { content: "✗ "; color: #b3261e } small { opacity: .7; overflow-wrap: anywhere }
@media (max-width: 30rem) { th, td { padding-right: .6rem } td:not(:first-child) { white-space: nowrap } }
`;

function processes({ processes: used, buyers }: Report): string {
  if (used.length === 0) return "";
  const rows = used.map(({ name, cpuMs, startMb, peakMb, endMb }) => {
    return [name, `${Math.round((cpuMs * 1_000) / buyers)} µs`, ...[startMb, peakMb, endMb].map((mb) => `${mb} MB`)];
  });
  const heads = ["", "CPU per shopper", "memory at start", "at most", "at the end"];
  return `<section><h2>Processes</h2>${table(heads, rows)}</section>`;
}

function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const row = (tag: string, cells: readonly string[]) =>
    `<tr>${cells.map((cell) => `<${tag}>${escaped(cell)}</${tag}>`).join("")}</tr>`;
  return `<table>${heads.length > 0 ? row("th", heads) : ""}${rows.map((cells) => row("td", cells)).join("")}</table>`;
}

function times({ median, p99, max }: Report["firstAnswerMs"]): string[] {
  return [median, p99, max].map((ms) => `${thousands(Math.round(ms))} ms`);
}

function words(name: string): string {
  return name.replaceAll("_", " ");
}

function thousands(count: number): string {
  return count.toLocaleString("en");
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}
