import { expect, test } from "vitest";
import { waitSeconds } from "../src/orders/prefer.ts";

test.each([
  ["wait=20", 20],
  ["Wait = 5", 5],
  ['wait="7"', 7],
  ["respond-async, wait=10", 10],
  ["wait=10; foo=bar, handling=lenient", 10],
  ["wait=31", 30],
  ["wait=999999999", 30],
  ["wait=0", 0],
  ["wait", 0],
  ["wait=-1", 0],
  ["wait=1.5", 0],
  ["wait=ten", 0],
  ["await=20", 0],
  ["", 0],
  [undefined, 0],
])("Prefer: %s waits %i seconds", (prefer, seconds) => {
  expect(waitSeconds({ prefer })).toBe(seconds);
});
