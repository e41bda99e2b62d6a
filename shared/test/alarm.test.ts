import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { createAlarms, type RaiseAlarm } from "../src/alarm.ts";

describe("an alarm", () => {
  let lines: string[];
  let raiseAlarm: RaiseAlarm;
  beforeEach(() => {
    vi.useFakeTimers();
    lines = [];
    raiseAlarm = createAlarms({ error: (...[, line]: unknown[]) => void lines.push(String(line)) });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  test("is one line with the word ALARM, however many meet the same fault within a minute", () => {
    for (let i = 0; i < 1_000; i++) raiseAlarm("provider_refuses", "Check the key");
    expect(lines).toEqual([
      expect.stringMatching(/^ALARM: The payment provider refuses our requests\..* Check the key$/),
    ]);
  });

  test("is raised again after a minute in which the fault lasts", () => {
    raiseAlarm("provider_refuses", "Check the key");
    vi.advanceTimersByTime(59_000);
    raiseAlarm("provider_refuses", "Check the key");
    expect(lines).toHaveLength(1);
    vi.advanceTimersByTime(1_000);
    raiseAlarm("provider_refuses", "Check the key");
    expect(lines).toHaveLength(2);
  });

  test("keeps no other one quiet", () => {
    raiseAlarm("redis_emptied", "Once");
    raiseAlarm("redis_emptied:again", "Twice");
    expect(lines).toHaveLength(2);
  });
});
