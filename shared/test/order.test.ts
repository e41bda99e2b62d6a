import { describe, expect, test } from "vitest";
import { isFinal, legalTransitions, orderStatuses } from "../src/order.ts";

describe("the order's states", () => {
  test("confirmed, refunded, cancelled, out_of_stock and rejected are final, and only they", () => {
    expect(orderStatuses.filter(isFinal)).toEqual(["confirmed", "refunded", "cancelled", "out_of_stock", "rejected"]);
  });

  test("every state can be reached from queued, and none leads back to it", () => {
    const reached = new Set<string>(["queued"]);
    for (const from of reached) {
      for (const to of legalTransitions[from as keyof typeof legalTransitions]) reached.add(to);
    }
    expect([...reached].sort()).toEqual([...orderStatuses].sort());
    expect(Object.values(legalTransitions).flat()).not.toContain("queued");
  });
});
