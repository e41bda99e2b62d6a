import { expect, test } from "vitest";
import { windowCounter } from "../src/http/window-counter.ts";

test("a key is let through so often in a window, is told when that is over, and then begins anew", () => {
  let nowMs = 0;
  const count = windowCounter(2, 60_000, () => nowMs);
  expect([count("a"), count("a"), count("b")]).toEqual([null, null, null]);
  nowMs = 20_000;
  expect(count("a")).toBe(40_000);
  expect(count("b")).toBeNull();
  nowMs = 60_000;
  expect(count("a")).toBeNull();
});

test("more keys than fit are forgotten together, so that made-up ones fill no memory", () => {
  const count = windowCounter(1, 60_000, () => 0);
  count("a");
  expect(count("a")).not.toBeNull();
  for (let i = 0; i < 100_000; i++) count(`made-up-${i}`);
  expect(count("a")).toBeNull();
});
