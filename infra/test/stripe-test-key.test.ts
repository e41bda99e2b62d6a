import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { readTestKey } from "../proof/stripe/test-key.ts";

const main = fileURLToPath(new URL("../proof/stripe/main.ts", import.meta.url));
const run = (env: Record<string, string>) =>
  spawnSync(process.execPath, [main], { env, encoding: "utf8", timeout: 20_000 });

test("a secret key of the test mode is taken", () => {
  expect(readTestKey({ STRIPE_SECRET_KEY: "sk_test_abc123" })).toEqual({ kind: "test_key", key: "sk_test_abc123" });
});

test.each([
  "sk_live_abc",
  "rk_test_abc",
  "rk_live_abc",
  "pk_test_abc",
  "sk_test_",
  " sk_test_abc",
  "sk_live_sk_test_abc",
])("%j is not: nothing is sent under it", (key) => {
  expect(readTestKey({ STRIPE_SECRET_KEY: key })).toEqual({ kind: "no_test_key" });
});

test("npm run test:stripe refuses a live key in one line that does not show it", () => {
  const { status, stdout, stderr } = run({ STRIPE_SECRET_KEY: "sk_live_abc123" });
  expect(status).toBe(1);
  expect(stdout).toBe("");
  expect(stderr).toMatch(/^test:stripe: STRIPE_SECRET_KEY .*sk_test_.*\n$/);
  expect(stderr).not.toContain("abc123");
});

test("without a key it says what it would do, and does not pass for tested", () => {
  const { status, stdout } = run({});
  expect(status).toBe(1);
  expect(stdout).toContain("STRIPE_SECRET_KEY=sk_test_… npm run test:stripe");
});
