import { expect, test } from "vitest";
import { laneOf, laneQueueName } from "../src/lanes.ts";

test("an item always belongs to the same lane", () => {
  expect([1, 2, 3].map(() => laneOf("item_123", 4))).toEqual([2, 2, 2]);
});

test("items spread over all lanes", () => {
  const counts = [0, 0, 0, 0];
  for (let i = 0; i < 4_000; i++) {
    const lane = laneOf(`item_${i}`, 4);
    counts[lane] = (counts[lane] ?? 0) + 1;
  }
  for (const count of counts) expect(count).toBeGreaterThan(850);
});

test("a lane's queue name carries the hash tag that keeps its keys together in a Cluster", () => {
  expect(laneQueueName(3)).toBe("{lane-3}");
});
