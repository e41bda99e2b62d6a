import type { MemberFigures, MemberReport } from "@holdfast/shared/fleet-report.ts";
import { describe, expect, test } from "vitest";
import { fleetCounter, quantileOf } from "../src/ops/monitor/fleet-counts.ts";

const none: MemberFigures = {
  orders: {},
  decisionSeconds: [],
  charges: {},
  providerErrors: {},
  requests: 0,
  shed: 0,
  waiting: 0,
};
const report = (id: string, figures: Partial<MemberFigures>) =>
  ({ id, figures: { ...none, ...figures } }) as MemberReport;

describe("the fleet's last minute", () => {
  test("is the sum of what every process has counted since a minute ago", () => {
    const counter = fleetCounter();
    counter.count([report("a", { charges: { paid: 10 } }), report("b", { charges: { paid: 5 } })], 0);
    const counts = counter.count(
      [report("a", { charges: { paid: 12 } }), report("b", { charges: { paid: 6 } })],
      1_000,
    );
    expect(counts.charges).toEqual({ paid: 3 });
    expect(counts.chargesPerSecond).toEqual({ paid: 3 });
  });

  test("knows nothing at the first look, and forgets what is older than a minute", () => {
    const counter = fleetCounter();
    expect(counter.count([report("a", { requests: 100 })], 0).requests).toBe(0);
    expect(counter.count([report("a", { requests: 150 })], 30_000).requests).toBe(50);
    expect(counter.count([report("a", { requests: 160 })], 95_000).requests).toBe(10);
  });

  test("counts a process that has just started from zero, and one that is gone no more", () => {
    const counter = fleetCounter();
    counter.count([report("old", { orders: { reserved: 50 } })], 0);
    expect(counter.count([report("new", { orders: { reserved: 7 } })], 1_000).orders).toEqual({ reserved: 7 });
  });

  test("a process that was started again under another id never makes it negative", () => {
    const counter = fleetCounter();
    counter.count([report("a", { requests: 500, decisionSeconds: [5, 5] })], 0);
    const counts = counter.count([report("a", { requests: 3, decisionSeconds: [1, 9] })], 1_000);
    expect(counts.requests).toBe(0);
    expect(counts.decisionSeconds.slice(0, 2)).toEqual([0, 4]);
  });
});

describe("a quantile", () => {
  test("lies within the bounds of the count that it falls into", () => {
    expect(quantileOf([0, 100, 0], [1, 2], 0.5)).toBeCloseTo(1.5);
    expect(quantileOf([50, 50, 0], [1, 2], 0.5)).toBe(1);
    expect(quantileOf([90, 9, 1], [1, 2], 0.99)).toBe(2);
  });

  test("of what took longer than the last bound is that bound; of nothing there is none", () => {
    expect(quantileOf([0, 0, 4], [1, 2], 0.5)).toBe(2);
    expect(quantileOf([0, 0, 0], [1, 2], 0.5)).toBeNull();
  });
});
