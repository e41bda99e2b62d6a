// The last fifteen minutes as charts, drawn by uPlot at most once a second.

import uPlot from "/ops/assets/uPlot.esm.js";
import { make } from "./dom.js";
import { count, span } from "./say.js";

const longestMs = 15 * 60_000;
const heightPx = 170;

// A canvas takes a colour only as it comes out in the end, for light or dark.
const probe = document.querySelector("#charts");
function style(name) {
  probe.style.color = `var(${name})`;
  const color = getComputedStyle(probe).color;
  probe.style.color = "";
  return color;
}

/**
 * Each line: its name, what of a moment it shows, its colour and dashes; no two are alike in both.
 */
const charts = [
  {
    title: "Orders in line",
    unit: count,
    lines: [
      ["in line", (moment) => moment.waiting, "--accent", []],
      ["payments waiting", (moment) => moment.backlog, "--warn", [6, 3]],
    ],
  },
  {
    title: "Units",
    unit: count,
    lines: [
      ["left", (moment) => moment.inventory, "--accent", []],
      ["held", (moment) => moment.reserved, "--warn", [6, 3]],
      ["confirmed", (moment) => moment.confirmed, "--good", [2, 2]],
    ],
  },
  {
    title: "Per second",
    unit: count,
    lines: [
      ["decided", (moment) => moment.decidedPerSecond, "--accent", []],
      ["paid", (moment) => moment.paidPerSecond, "--good", [2, 2]],
      ["declined", (moment) => moment.declinedPerSecond, "--bad", [6, 3]],
    ],
  },
  {
    title: "From press to answer",
    unit: span,
    lines: [
      ["half", (moment) => moment.p50Seconds, "--accent", []],
      ["99 of 100", (moment) => moment.p99Seconds, "--warn", [6, 3]],
    ],
  },
];

let moments = [];
let drawn = [];
const parent = document.querySelector("#charts");

/** The moments before, once; drawn anew where the colours or the width have changed. */
export function showHistory(before) {
  moments = [...before];
  build();
}

/** One more moment. */
export function addMoment(moment) {
  const last = moments.at(-1);
  if (moment === null || (last && moment.atMs <= last.atMs)) return;
  moments = [...moments, moment].filter(({ atMs }) => atMs > moment.atMs - longestMs);
  if (document.visibilityState === "visible") draw();
}

function dataOf({ lines }) {
  return [moments.map(({ atMs }) => atMs / 1_000), ...lines.map(([, read]) => moments.map(read))];
}

function draw() {
  if (drawn.length === 0) build();
  for (const [index, plot] of drawn.entries()) plot.setData(dataOf(charts[index]));
}

function build() {
  for (const plot of drawn) plot.destroy();
  const figures = charts.map(({ title }) => make("figure", { "aria-label": title }, make("figcaption", {}, title)));
  parent.replaceChildren(...figures);
  drawn = charts.map((chart, index) => plotIn(figures[index], chart));
}

function plotIn(figure, chart) {
  const axis = {
    stroke: style("--quiet"),
    grid: { stroke: style("--line"), width: 0.5 },
    ticks: { stroke: style("--line") },
  };
  return new uPlot(
    {
      width: Math.max(200, figure.clientWidth - 16),
      height: heightPx,
      scales: { y: { range: (_plot, _min, max) => [0, max > 0 ? max * 1.05 : 1] } },
      axes: [axis, { ...axis, size: 60, values: (_plot, ticks) => ticks.map((tick) => chart.unit(tick)) }],
      series: [
        {},
        ...chart.lines.map(([label, , color, dash]) => ({
          label,
          dash,
          stroke: style(color),
          width: 1.5,
          points: { show: false },
          value: (_plot, value) =>
            value === null || value === undefined ? "–" : chart.unit(Math.round(value * 100) / 100),
        })),
      ],
    },
    dataOf(chart),
    figure,
  );
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", build);
let width = parent.clientWidth;
new ResizeObserver(() => {
  if (parent.clientWidth === width) return;
  width = parent.clientWidth;
  build();
}).observe(parent);
