import { expect, test } from "vitest";
import { judgeLoad, type LoadSample, loadLimits } from "../src/http/shed-load.ts";

const limits = { maxLoopDelayMs: 100, maxHeapBytes: 1_000 };
const calm: LoadSample = { loopDelayMs: 5, heapBytes: 500 };
const late: LoadSample = { loopDelayMs: 101, heapBytes: 500 };

test.each<[string, LoadSample[], string | null]>([
  ["nothing was measured yet", [], null],
  ["calm", [calm, calm], null],
  [
    "exactly at the limits",
    [
      { loopDelayMs: 100, heapBytes: 1_000 },
      { loopDelayMs: 100, heapBytes: 1_000 },
    ],
    null,
  ],
  ["a lone pause, first", [late], null],
  ["a lone pause", [calm, late], null],
  ["late twice in a row", [late, late], "event loop"],
  ["late, then calm again", [late, late, calm], null],
  ["a loop that stood still", [late, { loopDelayMs: Number.POSITIVE_INFINITY, heapBytes: 500 }], "event loop"],
  ["memory, at once", [calm, { loopDelayMs: 5, heapBytes: 1_001 }], "memory"],
  ["memory that is free again", [{ loopDelayMs: 5, heapBytes: 1_001 }, calm], null],
])("load is judged by the latest samples: %s", (_name, samples, overload) => {
  expect(judgeLoad(samples, limits)).toBe(overload);
});

test("this process, doing next to nothing, is far from the limits of a production server", () => {
  const sample = { loopDelayMs: 10, heapBytes: process.memoryUsage().heapUsed };
  expect(judgeLoad([sample, sample], loadLimits)).toBeNull();
});
