import { describe, expect, test } from "vitest";
import { coalesce, TooManyWaiting } from "../src/coalesce.ts";

/** A flush that waits to be let through, and keeps note of its batches. */
function heldFlush(maxBatch: number, maxUnderWay = 1) {
  const batches: string[][] = [];
  const gates: PromiseWithResolvers<void>[] = [];
  const call = coalesce<string, string>({ maxBatch, maxWaiting: 5, maxUnderWay }, async (key, calls) => {
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
  test("a lone call leaves in the turn of the event loop it came in", async () => {
    const { batches, call, gate, settle } = heldFlush(10);
    const answer = call("item", "a");
    await settle();
    expect(batches).toEqual([["a"]]);
    gate(0).resolve();
    expect(await answer).toBe("item:a");
  });

  test("calls of one turn leave together, and those that come while a flush is under way in the next, in their order", async () => {
    const { batches, call, gate, settle } = heldFlush(10);
    const answers = ["a", "b"].map((c) => call("item", c));
    await settle();
    answers.push(...["c", "d"].map((c) => call("item", c)));
    await settle();
    expect(batches).toEqual([["a", "b"]]);
    gate(0).resolve();
    await settle();
    await settle();
    expect(batches).toEqual([
      ["a", "b"],
      ["c", "d"],
    ]);
    gate(1).resolve();
    expect(await Promise.all(answers)).toEqual(["item:a", "item:b", "item:c", "item:d"]);
  });

  test("as many flushes overlap as may, begun in the order of arrival", async () => {
    const { batches, call, gate, settle } = heldFlush(10, 2);
    const answers: Promise<string>[] = [];
    for (const c of ["a", "b", "c"]) {
      answers.push(call("item", c));
      await settle();
    }
    expect(batches).toEqual([["a"], ["b"]]);
    gate(1).resolve(); // the later one may well be done first
    expect(await answers[1]).toBe("item:b");
    await settle();
    expect(batches).toEqual([["a"], ["b"], ["c"]]);
    for (const i of [0, 2]) gate(i).resolve();
    await Promise.all(answers);
  });

  test("no batch is larger than the maximum", async () => {
    const { batches, call, gate, settle } = heldFlush(2);
    const answers = ["a", "b", "c", "d", "e"].map((c) => call("item", c));
    for (const i of [0, 1, 2]) {
      await settle();
      gate(i).resolve();
      await settle();
    }
    await Promise.all(answers);
    expect(batches).toEqual([["a", "b"], ["c", "d"], ["e"]]);
  });

  test("another key does not wait", async () => {
    const { batches, call, settle } = heldFlush(10);
    void call("item", "a");
    void call("other", "b");
    await settle();
    expect(batches).toEqual([["a"], ["b"]]);
  });

  test("a failed flush fails those who wait behind it too, and the next call starts anew", async () => {
    const { batches, call, gate, settle } = heldFlush(10);
    const failed = [call("item", "a").catch((error: Error) => error.message)];
    await settle();
    failed.push(call("item", "b").catch((error: Error) => error.message));
    gate(0).reject(new Error("away"));
    expect(await Promise.all(failed)).toEqual(["away", "away"]);
    const next = call("item", "c");
    await settle();
    gate(1).resolve();
    expect(await next).toBe("item:c");
    expect(batches).toEqual([["a"], ["c"]]);
  });

  test("after a failure with others about to leave, no more flushes are under way than may be", async () => {
    const { batches, call, gate, settle } = heldFlush(10, 2);
    const quietly = (c: string) => call("item", c).catch(() => "failed");
    const calls = [quietly("a")];
    await settle();
    calls.push(quietly("b")); // about to leave when the first one fails
    gate(0).reject(new Error("away"));
    await calls[0];
    for (const c of ["c", "d", "e", "f"]) {
      calls.push(quietly(c));
      await settle();
    }
    expect(batches.length).toBeLessThanOrEqual(3); // the failed one, and two under way
    for (let i = 1; i < batches.length; i++) {
      gate(i).resolve();
      await settle();
      await settle();
    }
    await Promise.all(calls);
  });

  test("past the maximum that may wait, a call is refused at once", async () => {
    const { call } = heldFlush(10);
    for (const c of ["a", "b", "c", "d", "e"]) void call("item", c);
    await expect(call("item", "f")).rejects.toThrow(TooManyWaiting);
  });

  test("after a quiet moment the next call leaves at once again", async () => {
    const { batches, call, gate, settle } = heldFlush(10);
    const first = call("item", "a");
    await settle();
    gate(0).resolve();
    await first;
    await settle();
    void call("item", "b");
    await settle();
    expect(batches).toEqual([["a"], ["b"]]);
  });
});
