import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createAlarms } from "../src/alarm.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function listener() {
  const lines: { fields: object; message: string }[] = [];
  const log = { error: (fields: object, message: string) => void lines.push({ fields, message }) };
  return { lines, raise: createAlarms(log as never) };
}

test("an alarm is one line at error that begins with ALARM and says what happened", () => {
  const { lines, raise } = listener();
  raise("books_off", "The books of item_1 are off. Pause the item", { item: "item_1" });
  expect(lines).toEqual([
    { fields: { alarm: "books_off", item: "item_1" }, message: "ALARM: The books of item_1 are off. Pause the item" },
  ]);
});

test("each alarm is raised at most once a minute, and others are not held up by it", () => {
  const { lines, raise } = listener();
  for (let second = 0; second < 180; second++) {
    raise("one", "first");
    raise("other", "second");
    vi.advanceTimersByTime(1_000);
  }
  expect(lines.filter(({ message }) => message === "ALARM: first")).toHaveLength(3);
  expect(lines.filter(({ message }) => message === "ALARM: second")).toHaveLength(3);
});
