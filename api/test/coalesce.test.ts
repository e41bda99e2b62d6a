import { describe, expect, test } from "vitest";
import { coalesce, TooManyWaiting } from "../src/coalesce.ts";

/** A flush that waits to be let through, and keeps note of its batches. */
function heldFlush(maxBatch: number) {
  const batches: string[][] = [];
  const gates: PromiseWithResolvers<void>[] = [];
  const call = coalesce<string, string>({ maxBatch, maxWaiting: 5 }, async (key, calls) => {
    const gate = Promise.withResolvers<void>();
    gates.push(gate);
    batches.push([...calls]);
    await gate.promise;
    return calls.map((c) => `${key}:${c}`);
  });
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  return { batches, call, gate: (i: number) => gates[i] as PromiseWithResolvers<void>, settle };
}

describe("coalesce", () => {
  test("a lone call leaves at once", async () => {
    const { batches, call, gate } = heldFlush(10);
    const answer = call("item", "a");
    expect(batches).toEqual([["a"]]);
    gate(0).resolve();
    expect(await answer).toBe("item:a");
  });

  test("calls that come while a flush is under way leave together in the next, in their order", async () => {
    const { batches, call, gate, settle } = heldFlush(10);
    const answers = ["a", "b", "c"].map((c) => call("item", c));
    gate(0).resolve();
    await settle();
    expect(batches).toEqual([["a"], ["b", "c"]]);
    gate(1).resolve();
    expect(await Promise.all(answers)).toEqual(["item:a", "item:b", "item:c"]);
  });

  test("no batch is larger than the maximum", async () => {
    const { batches, call, gate, settle } = heldFlush(2);
    const answers = ["a", "b", "c", "d", "e"].map((c) => call("item", c));
    for (const i of [0, 1, 2]) {
      gate(i).resolve();
      await settle();
    }
    await Promise.all(answers);
    expect(batches).toEqual([["a"], ["b", "c"], ["d", "e"]]);
  });

  test("another key does not wait", () => {
    const { batches, call } = heldFlush(10);
    void call("item", "a");
    void call("other", "b");
    expect(batches).toEqual([["a"], ["b"]]);
  });

  test("a failed flush fails those who wait behind it too, and the next call starts anew", async () => {
    const { batches, call, gate, settle } = heldFlush(10);
    const failed = ["a", "b"].map((c) => call("item", c).catch((error: Error) => error.message));
    gate(0).reject(new Error("away"));
    expect(await Promise.all(failed)).toEqual(["away", "away"]);
    await settle();
    const next = call("item", "c");
    gate(1).resolve();
    expect(await next).toBe("item:c");
    expect(batches).toEqual([["a"], ["c"]]);
  });

  test("past the maximum that may wait, a call is refused at once", async () => {
    const { call } = heldFlush(10);
    for (const c of ["a", "b", "c", "d", "e", "f"]) void call("item", c);
    await expect(call("item", "g")).rejects.toThrow(TooManyWaiting);
  });

  test("after a quiet moment the next call leaves at once again", async () => {
    const { batches, call, gate, settle } = heldFlush(10);
    const first = call("item", "a");
    gate(0).resolve();
    await first;
    await settle();
    void call("item", "b");
    expect(batches).toEqual([["a"], ["b"]]);
  });
});
