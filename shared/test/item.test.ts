import { expect, test } from "vitest";
import { isItemId, saleWindow } from "../src/item.ts";

test.each([
  [null, null, 5, "open"],
  [null, null, -1, "open"],
  [5, null, 4, "before"],
  [5, null, 5, "open"],
  [null, 5, 4, "open"],
  [null, 5, 5, "after"],
  [null, 5, 6, "after"],
  [3, 5, 2, "before"],
  [3, 5, 3, "open"],
  [3, 5, 5, "after"],
  [0, null, -1, "before"],
  [null, 0, 0, "after"],
] as const)("a sale from %s to %s is, at %s, %s", (opensAtMs, closesAtMs, atMs, window) => {
  expect(saleWindow({ opensAtMs, closesAtMs }, atMs)).toBe(window);
});

test.each(["a", "item_123", "A.b-c_9", "0", "x".repeat(64)])("%s can be an item's id", (id) => {
  expect(isItemId(id)).toBe(true);
});

test.each(["", ".a", "-a", "_a", "a b", "a/b", "ä", "a\n", "\na", " a", "a?", "x".repeat(65)])(
  "%o cannot be an item's id",
  (id) => {
    expect(isItemId(id)).toBe(false);
  },
);
