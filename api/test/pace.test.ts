import { describe, expect, test } from "vitest";
import { chargesAhead } from "../src/orders/charge-backlog.ts";
import { inLine } from "../src/orders/order-standing.ts";
import { createPace } from "../src/orders/pace.ts";

describe("the pace of a line", () => {
  test("is the usual one until the line was seen moving", () => {
    const pace = createPace(1_000);
    expect(pace.perSecond()).toBe(1_000);
    pace.note(0, 5_000, 0);
    expect(pace.perSecond()).toBe(1_000);
  });

  test("is what was seen, after a few seconds of it", () => {
    const pace = createPace(1_000);
    for (let second = 0; second <= 30; second++) pace.note(second * 200, 100_000, second * 1_000);
    expect(pace.perSecond()).toBeGreaterThan(199);
    expect(pace.perSecond()).toBeLessThan(215);
  });

  test("slows down while the line stands still, and is never a matter of hours", () => {
    const pace = createPace(1_000);
    for (let second = 0; second <= 60; second++) pace.note(10, 5_000, second * 1_000);
    expect(pace.perSecond()).toBeGreaterThanOrEqual(1);
    expect(pace.perSecond()).toBeLessThan(2);
  });

  test("says nothing of a time in which the line was empty, went back, or nobody looked", () => {
    const pace = createPace(1_000);
    pace.note(10, 12, 0);
    pace.note(15, 20, 10_000); // past the twelfth, nobody waited for a while
    pace.note(16, 1_000, 50_000); // too long ago
    pace.note(3, 1_000, 51_000); // a Redis that was emptied
    pace.note(4, 1_000, 51_000); // no time between
    expect(pace.perSecond()).toBe(1_000);
  });
});

describe("what an order in line is told", () => {
  const line = { decidedPlace: 9, itemLocked: false, perSecond: 2 };

  test("is its place counted from what is decided, and how long that takes", () => {
    expect(inLine({ place: 12 }, line)).toEqual({ position: 3, estimatedSeconds: 2, itemLocked: false });
  });

  test("is never a place before the first, nor less than a second", () => {
    expect(inLine({ place: 4 }, line)).toMatchObject({ position: 1, estimatedSeconds: 1 });
  });

  test("is nothing where it has no place", () => {
    expect(inLine({ place: null }, line)).toMatchObject({ position: null, estimatedSeconds: null });
  });

  test("never goes back as the line moves on: neither place nor time, at any pace", () => {
    for (const perSecond of [1, 3, 50]) {
      let before = inLine({ place: 1_000 }, { ...line, decidedPlace: 0, perSecond });
      for (let decidedPlace = 1; decidedPlace <= 1_000; decidedPlace++) {
        const now = inLine({ place: 1_000 }, { ...line, decidedPlace, perSecond });
        expect(now.position).toBeLessThanOrEqual(before.position ?? 0);
        expect(now.estimatedSeconds).toBeLessThanOrEqual(before.estimatedSeconds ?? 0);
        before = now;
      }
    }
  });
});

describe("how many charges are made before an order's", () => {
  const backlog = { waiting: 100, nextAtMs: 1_000, newestAtMs: 2_000 };

  test("are those of orders that were reserved before it", () => {
    expect(chargesAhead(backlog, 1_000)).toBe(0);
    expect(chargesAhead(backlog, 1_250)).toBe(25);
    expect(chargesAhead(backlog, 2_000)).toBe(100);
  });

  test("are none where its own is under way, and all where it was reserved after them", () => {
    expect(chargesAhead(backlog, 500)).toBe(0);
    expect(chargesAhead(backlog, 3_000)).toBe(100);
    expect(chargesAhead({ waiting: 0, nextAtMs: null, newestAtMs: null }, 1_000)).toBe(0);
  });

  test("are all where everybody was reserved at the same time", () => {
    expect(chargesAhead({ waiting: 40, nextAtMs: 1_000, newestAtMs: 1_000 }, 999)).toBe(40);
  });
});
