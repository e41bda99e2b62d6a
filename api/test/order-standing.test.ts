import { queuedOrder } from "@holdfast/shared/purchase-job.ts";
import { purchaseRequest } from "@holdfast/testing/purchases.ts";
import { describe, expect, test } from "vitest";
import { chargesAhead } from "../src/orders/charge-backlog.ts";
import { inLine, standingReader } from "../src/orders/order-standing.ts";

describe("what an order in line is told", () => {
  const line = { decidedPlace: 9, itemLocked: false, perSecond: 2 };

  test("is its place counted from what is decided, and how long that takes", () => {
    expect(inLine({ place: 12 }, line)).toEqual({ position: 3, estimatedSeconds: 2, itemLocked: false });
  });

  test("is never a place before the first, nor less than a second", () => {
    expect(inLine({ place: 4 }, line)).toMatchObject({ position: 1, estimatedSeconds: 1 });
  });

  test("is nothing where Redis does not answer: an order that is in line is answered all the same", async () => {
    const fails = () => Promise.reject(new Error("Connection is closed."));
    const read = standingReader({ readLine: fails, readBacklog: fails, chargesPerSecond: 25, onLine: () => {} });
    const queued = queuedOrder("item_1", purchaseRequest());
    expect(await read(queued)).toBeNull();
    expect(await read({ ...queued, status: "reserved", paymentStatus: "pending", reservedAtMs: 1 })).toBeNull();
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
