import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { alarmNames, alarms } from "@holdfast/shared/alarm-catalogue.ts";
import { exportedMetrics } from "@holdfast/testing/exported-metrics.ts";
import { findPromtool } from "@holdfast/testing/promtool.ts";
import { expect, test } from "vitest";

const run = promisify(execFile);
const folder = fileURLToPath(new URL("../monitoring/", import.meta.url));
const rules = await readFile(`${folder}alarms.rules.yml`, "utf8");
const dashboard = JSON.parse(await readFile(`${folder}grafana-dashboard.json`, "utf8")) as object;
const runbook = await readFile(new URL("../../docs/runbook.md", import.meta.url), "utf8");

/** Of Prometheus alone: what nothing of ours can say of itself. */
const prometheusOnly = ["scrape_failed", "nobody_measures"];

const ruleOf = (name: string) =>
  rules.split(/^ {6}(?=(?:# .*\n {6})*- alert: )/m).find((one) => one.includes(`- alert: ${name}\n`)) ?? "";

test("Prometheus has a rule for every alarm, and for nothing else but what it alone can see", () => {
  const named = [...rules.matchAll(/- alert: (\w+)/g)].map(([, name]) => name);
  expect(named).toEqual([...alarmNames, ...prometheusOnly]);
});

test.each(alarmNames)("%s has the same severity and sentence in the rules and in the runbook", (name) => {
  const { severity, sentence } = alarms[name];
  const rule = ruleOf(name);
  expect(rule).toContain(`severity: ${severity}\n`);
  expect(rule).toContain(`summary: ${JSON.stringify(sentence)}\n`);
  expect(rule).toContain(`runbook_url: docs/runbook.md#${name}\n`);
  const section = runbook.split(/^## /m).find((one) => one.startsWith(`${name}\n`)) ?? "";
  expect(section).toContain(sentence);
  for (const part of ["What it means", "What shoppers see", "What to type", "When it is over"])
    expect(section).toContain(part);
});

test("every metric that rules and dashboard name is exported by an API server or a worker", async () => {
  const exported = await exportedMetrics();
  const named = (text: string) =>
    new Set([...text.matchAll(/\b(?:holdfast|nodejs|process)_[a-z0-9_]+/g)].map(([name]) => name));
  const missing = [...named(rules), ...named(JSON.stringify(dashboard))].filter(
    (name) => !exported.has(name.replace(/_(bucket|sum|count)$/, "")) && !exported.has(name),
  );
  expect(named(rules).size).toBeGreaterThan(15);
  expect(missing).toEqual([]);
});

test("the rules stand when they must, and not while all is well", { timeout: 300_000 }, async ({ skip }) => {
  const promtool = await findPromtool();
  if (promtool === null) return skip("promtool is not here: apt-get install prometheus");
  await run(promtool, ["check", "config", "prometheus.yml"], { cwd: folder }); // with the rules
  const { stdout } = await run(promtool, ["test", "rules", "alarms.test.yml"], { cwd: folder });
  expect(stdout).toContain("SUCCESS");
});
