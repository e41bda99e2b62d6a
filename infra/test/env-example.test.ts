import { readFile } from "node:fs/promises";
import { parseEnv } from "node:util";
import { readApiConfig } from "@holdfast/api/config.ts";
import { ourVariables } from "@holdfast/shared/unknown-variables.ts";
import { readWorkerConfig } from "@holdfast/worker/config.ts";
import { expect, test } from "vitest";

const text = await readFile(new URL("../../.env.example", import.meta.url), "utf8");
const example = parseEnv(text) as Record<string, string>;

test("names every variable there is, and none that there is not", () => {
  const named = [...text.matchAll(/^(?:# )?([A-Z_]+)=/gm)].map(([, name]) => name);
  expect(new Set(named)).toEqual(new Set(ourVariables));
  expect(named).toHaveLength(ourVariables.length);
});

test("starts an API server and a worker as it is", () => {
  expect(() => readApiConfig(example)).not.toThrow();
  expect(() => readWorkerConfig(example)).not.toThrow();
});

test("shows the defaults: leaving them out changes nothing", () => {
  const required = new Set(["DATABASE_URL", "REDIS_URL", "JWT_SECRET", "STRIPE_SECRET_KEY"]);
  const least = Object.fromEntries(Object.entries(example).filter(([name]) => required.has(name)));
  expect(readApiConfig(example)).toEqual(readApiConfig(least));
  expect(readWorkerConfig(example)).toEqual(readWorkerConfig(least));
});
