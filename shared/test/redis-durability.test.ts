import { describe, expect, test } from "vitest";
import { durabilityProblems, type RedisSettings } from "../src/redis-durability.ts";

const durable: RedisSettings = { node: null, appendonly: "yes", appendfsync: "always", maxmemoryPolicy: "noeviction" };

describe("the settings of Redis", () => {
  test("that keep every accepted order are no problem", () => {
    expect(durabilityProblems([durable])).toEqual([]);
  });

  const policies = ["volatile-lru", "allkeys-lru", "volatile-lfu", "allkeys-lfu", "volatile-random", "allkeys-random"];
  const every = ["yes", "no", null].flatMap((appendonly) =>
    ["always", "everysec", "no", null].flatMap((appendfsync) =>
      ["noeviction", ...policies, "volatile-ttl", null].map((maxmemoryPolicy) => ({
        node: null,
        appendonly,
        appendfsync,
        maxmemoryPolicy,
      })),
    ),
  );

  test("have one line for each that is wrong or unknown, in every combination, and never one for what is right", () => {
    for (const settings of every) {
      const named = durabilityProblems([settings]).map(
        (line) => /(appendonly|appendfsync|maxmemory-policy)/.exec(line)?.[1],
      );
      const expected = [
        settings.appendonly === "yes" ? null : "appendonly",
        settings.appendfsync === "always" || settings.appendonly === "no" ? null : "appendfsync",
        settings.maxmemoryPolicy === "noeviction" ? null : "maxmemory-policy",
      ].filter((name) => name !== null);
      expect({ settings, named }).toEqual({ settings, named: expected });
    }
  });

  test("say what to do, and what could not be read", () => {
    expect(durabilityProblems([{ ...durable, maxmemoryPolicy: "allkeys-lru" }])[0]).toMatch(
      /set maxmemory-policy noeviction/,
    );
    expect(durabilityProblems([{ ...durable, appendfsync: null }])[0]).toBe(
      "Redis does not tell its appendfsync: make sure that it is always",
    );
  });

  test("are looked at on every master of a Cluster", () => {
    const problems = durabilityProblems([
      { ...durable, node: "a:1" },
      { ...durable, node: "b:2", appendonly: "no" },
    ]);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain("Redis at b:2 has appendonly no");
  });
});
