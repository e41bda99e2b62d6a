import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, test } from "vitest";
import { linePlot } from "../proof/rush/plot.ts";
import { printReport, type Report } from "../proof/rush/report.ts";
import { reportPage } from "../proof/rush/report-page.ts";
import { startSampling } from "../proof/rush/sampler.ts";

const times = { median: 300, p99: 900, max: 5_000, curve: [{ percent: 50, ms: 300 }] };
const report: Report = {
  buyers: 6_100,
  units: 100,
  items: 1,
  declines: 0,
  overMs: 0,
  follow: "wait",
  connections: 256,
  beganAt: "2026-11-27T20:00:00Z",
  machine: "a <machine>",
  outcomes: { out_of_stock: 6_000, confirmed: 100 },
  firstAnswerMs: times,
  finalAnswerMs: times,
  lastAcceptMs: 500,
  lastLoserMs: 1_000,
  lastAnswerMs: 1_000,
  answersPerSecond: 6_100,
  timeline: { bucketMs: 100, series: { accepted: [1_500, 500], out_of_stock: [0, 6_000], confirmed: [0, 100] } },
  samples: [{ atMs: 0, inLine: 0, unitsLeft: 100 }],
  line: [
    { atMs: 0, inLine: 0 },
    { atMs: 25, inLine: 400 },
  ],
  processes: [],
  findings: [],
  passed: true,
};

/**
 * The points of a plot's lines, each its height above the lowest of all as a share of the highest.
 */
function heights(svg: string): number[][] {
  const lines = [...svg.matchAll(/points="([^"]*)"/g)].map(([, points = ""]) =>
    points.split(" ").map((point) => Number(point.split(",")[1])),
  );
  const [lowest, highest] = [Math.max(...lines.flat()), Math.min(...lines.flat())];
  return lines.map((line) => line.map((y) => (lowest - y) / (lowest - highest)));
}

describe("a plot by tens", () => {
  const series = [
    { name: "out of stock", points: [0, 6_000].map((y, x) => ({ x, y })) },
    { name: "confirmed", points: [0, 100].map((y, x) => ({ x, y })) },
  ];

  test("shows a hundred beside six thousand, and nothing at the bottom", () => {
    const [many, few] = heights(linePlot({ title: "t", xLabel: "s", yScale: "log", series }));
    expect(many).toEqual([0, 1]);
    expect(few?.[0]).toBe(0);
    expect(few?.[1]).toBeGreaterThan(0.5);
    const [, flat] = heights(linePlot({ title: "t", xLabel: "s", series }));
    expect(flat?.[1]).toBeLessThan(0.02);
  });

  test("says of itself that each step is ten times as many", () => {
    const svg = linePlot({ title: "t", xLabel: "s", yScale: "log", series });
    expect(svg).toContain("up by tens");
    for (const tick of ["0", "1", "10", "100", "1000", "10 k"]) expect(svg).toContain(`>${tick}</text>`);
  });

  test("of nothing has no number that is none", () => {
    for (const yScale of ["log", "linear"] as const) {
      const empty = [{ name: "none", points: [{ x: 0, y: 0 }] }];
      expect(linePlot({ title: "t", xLabel: "s", yScale, series: empty })).not.toMatch(/NaN|Infinity/);
      expect(linePlot({ title: "t", xLabel: "s", yScale, series: [] })).not.toMatch(/NaN|Infinity/);
    }
  });
});

describe("the page of a rush", () => {
  test("fits a phone and follows its colours, and nothing of it is taken for markup", () => {
    const page = reportPage(report);
    expect(page).toContain('name="viewport"');
    expect(page).toContain("color-scheme: light dark");
    expect(page).toContain("a &lt;machine>");
    expect(page).not.toMatch(/NaN|Infinity|undefined/);
  });
});

describe("the report of a rush", () => {
  test("says what was accepted, decided and paid a second", () => {
    expect(printReport(report)).toContain("a second: 4000 accepted, 2000 decided, 20 paid");
    const nothing = { ...report, outcomes: {}, lastAcceptMs: null, lastLoserMs: null };
    expect(printReport(nothing)).toContain("a second: – accepted, – decided, – paid");
  });

  test("says what to set where the crowd was refused for coming from one address", () => {
    const limited = { ...report, outcomes: { rate_limited: 5_000 } };
    expect(printReport(limited)).toContain("5000 came too often");
    expect(printReport(limited)).toContain("ADDRESS_RATE_PER_MINUTE=0");
    expect(printReport(report)).not.toContain("ADDRESS_RATE_PER_MINUTE");
  });
});

test("the line is looked at far oftener than the rest, where Redis can be asked itself", async () => {
  const server = createServer((_request, response) => response.end('{"available":5}'));
  await once(server.listen(0, "127.0.0.1"), "listening");
  let asked = 0;
  const readLine = async () => {
    asked += 1;
    return asked;
  };
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const sampler = await startSampling(url, null, ["item_1"], [], readLine);
  await expect.poll(() => asked, { timeout: 30_000 }).toBeGreaterThan(20);
  await sampler.stop();
  server.close();
  expect(sampler.line().map(({ inLine }) => inLine)).toEqual(Array.from({ length: asked }, (_, i) => i + 1));
  expect(sampler.line().length).toBeGreaterThan(2 * sampler.samples.length);
});
