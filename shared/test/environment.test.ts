import { Type } from "typebox";
import { describe, expect, test } from "vitest";
import {
  databaseUrl,
  EnvironmentError,
  logLevel,
  purchaseLanes,
  readEnvironment,
  redisUrl,
} from "../src/environment.ts";

const schema = Type.Object({
  DATABASE_URL: databaseUrl,
  REDIS_URL: redisUrl,
  PURCHASE_LANES: purchaseLanes,
  LOG_LEVEL: logLevel,
});
const good = { DATABASE_URL: "postgres://user:s3cret@host/db", REDIS_URL: "redis://host" };

function problemsOf(env: Record<string, string>): readonly string[] {
  try {
    readEnvironment(schema, env);
    return [];
  } catch (error) {
    if (error instanceof EnvironmentError) return error.problems;
    throw error;
  }
}

describe("the environment", () => {
  test("is read with defaults, numbers as numbers, nothing else taken along, and frozen", () => {
    const config = readEnvironment(schema, { ...good, PURCHASE_LANES: "8", PATH: "/bin" });
    expect(config).toEqual({ ...good, PURCHASE_LANES: 8, LOG_LEVEL: "info" });
    expect(Object.isFrozen(config)).toBe(true);
  });

  test("an empty variable counts as absent", () => {
    expect(readEnvironment(schema, { ...good, PURCHASE_LANES: "" }).PURCHASE_LANES).toBe(4);
  });

  test("each missing or wrong variable gets one line that names it", () => {
    const problems = problemsOf({ DATABASE_URL: "mysql://host", PURCHASE_LANES: "four", LOG_LEVEL: "loud" });
    expect(problems.map((line) => line.replace(/ .*/, "")).sort()).toEqual([
      "DATABASE_URL",
      "LOG_LEVEL",
      "PURCHASE_LANES",
      "REDIS_URL",
    ]);
  });

  test.each(["0", "-1", "1.5", "1e9", "257"])("PURCHASE_LANES=%s is refused", (value) => {
    expect(problemsOf({ ...good, PURCHASE_LANES: value })).toHaveLength(1);
  });

  test("several Redis addresses are taken for a Cluster", () => {
    expect(problemsOf({ ...good, REDIS_URL: "redis://a:1,redis://b:2" })).toEqual([]);
    expect(problemsOf({ ...good, REDIS_URL: "redis://a:1,b:2" })).toHaveLength(1);
  });

  test("no value is ever shown: it may be a secret", () => {
    const problems = problemsOf({ DATABASE_URL: "mysql://user:s3cret@host", REDIS_URL: "s3cret", LOG_LEVEL: "s3cret" });
    expect(problems).toHaveLength(3);
    expect(problems.join()).not.toContain("s3cret");
  });
});
