import { describe, expect, test } from "vitest";
import { isOutage, isPermanent, isRedisOutage } from "../src/outage.ts";

const withCode = (code: string) => Object.assign(new Error("said the server"), { code });

describe("an outage passes by itself", () => {
  test.each(["ECONNREFUSED", "ECONNRESET", "57P01", "57P03", "08006", "53300", "40001", "40P01", "55P03", "25006"])(
    "%s",
    (code) => expect(isOutage(withCode(code))).toBe(true),
  );
  test.each([
    "Connection is closed.",
    "Connection terminated unexpectedly",
    "timeout exceeded when trying to connect",
    "Query read timeout",
    "Stream isn't writeable and enableOfflineQueue options is false",
    'Reached the max retries per request limit (which is 0). Refer to "maxRetriesPerRequest" option for details.',
    "Command timed out",
    "Command aborted due to connection close",
    "Cluster isn't ready and enableOfflineQueue options is false",
    "None of startup nodes is available",
    "LOADING Redis is loading the dataset in memory",
    "READONLY You can't write against a read only replica. script: 0f5f, on @user_script:1.",
    "ERR Error running script (call to f_0f5f): @user_script:1: -READONLY You can't write against a read only replica.",
    "NOREPLICAS Not enough good replicas to write.",
    "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)",
    "MISCONF Redis is configured to save RDB snapshots",
  ])("%s", (message) => expect(isOutage(new Error(message))).toBe(true));
  test("one that another error was caused by, or several at once", () => {
    expect(isOutage(new Error("cannot be reached", { cause: withCode("ECONNREFUSED") }))).toBe(true);
    expect(isOutage(new AggregateError([withCode("ECONNREFUSED"), withCode("ECONNREFUSED")]))).toBe(true);
  });
});

describe("work is given up only where every further try would meet the same", () => {
  test.each(["22P02", "23514", "23503"])("%s", (code) => expect(isPermanent(withCode(code))).toBe(true));
  test.each(["23505", "57P01", "42P01"])("not for %s", (code) => expect(isPermanent(withCode(code))).toBe(false));
  test("data of the wrong shape", () => expect(isPermanent(new TypeError("Not a purchase job"))).toBe(true));
  test("a time that is none", () => expect(isPermanent(new RangeError("Invalid time value"))).toBe(true));
  test("not for what nobody foresaw", () => expect(isPermanent(new Error("what is this"))).toBe(false));
});

describe("anything else is a surprise", () => {
  test.each(["23514", "22P02", "42P01"])("%s", (code) => expect(isOutage(withCode(code))).toBe(false));
  test("a bug", () => expect(isOutage(new TypeError("x is not a function"))).toBe(false));
  test("what is no error", () => expect(isOutage("ECONNREFUSED")).toBe(false));
});

test.each([
  [new Error("Connection is closed."), true],
  [new Error("Command timed out"), true],
  [new Error("NOREPLICAS Not enough good replicas to write."), true],
  [new Error("Too many Cluster redirections. Last error: Error: Connection is closed."), true],
  [Object.assign(new Error("TRYAGAIN Multiple keys"), { name: "ReplyError" }), true],
  [new Error("Connection terminated unexpectedly"), false],
  [new Error("timeout exceeded when trying to connect"), false],
  [new Error("Query read timeout"), false],
  [withCode("57P01"), false],
  [withCode("ECONNREFUSED"), false], // nobody knows whose
])("%s is an outage of Redis: %s", (error, redis) => {
  expect([isOutage(error), isRedisOutage(error)]).toEqual([true, redis]);
});
