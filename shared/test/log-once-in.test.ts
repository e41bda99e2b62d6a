import { expect, test } from "vitest";
import { onceIn } from "../src/log-once-in.ts";

test("a thousand lines of a kind within the time are one, and the next says how many were left out", () => {
  let nowMs = 0;
  const lines = onceIn(5_000, () => nowMs);
  const passed = Array.from({ length: 1_000 }, () => lines("Redis is down")).filter((one) => one !== null);
  expect(passed).toEqual([0]);
  expect(lines("Postgres is down")).toBe(0);
  nowMs = 5_000;
  expect(lines("Redis is down")).toBe(999);
});

test("kinds without end take no memory without end, once their time is over", () => {
  let nowMs = 0;
  const lines = onceIn(10, () => nowMs);
  for (nowMs = 0; nowMs < 50_000; nowMs++) lines(`order ${nowMs}`);
  expect(lines("order 49999")).toBeNull();
  expect(lines("order 1")).toBe(0);
});
