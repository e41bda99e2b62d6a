import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { seedFrom } from "@holdfast/testing/seeds.ts";
import { beforeAll, describe, expect, test } from "vitest";
import { printTable } from "../proof/faults/report.ts";
import type { RunResult } from "../proof/faults/run-scenario.ts";
import { runSuite } from "../proof/faults/run-suite.ts";
import { scenarios } from "../proof/faults/scenarios.ts";

/**
 * The short form of `npm run test:faults`: every fault once, under load, on two systems side by
 * side.
 */
describe("the whole under faults", () => {
  let results: RunResult[] = [];
  beforeAll(async () => {
    const directory = await mkdtemp(join(tmpdir(), "holdfast-faults-"));
    const seed = seedFrom(process.env.SEED) % 1e6;
    results = await runSuite(scenarios, { seed, minutes: 0, short: true, rate: 6, stages: 2, directory });
    process.stdout.write(`${printTable(results)}\n`);
    // What failed can be looked into there, and its seed is in the table.
    if (results.every((run) => run.passed)) await rm(directory, { recursive: true, force: true });
  }, 480_000); // about 180 s on two free cores

  test.each(scenarios.map(({ name, title }) => [title, name]))("%s", (_title, name) => {
    const run = results.find(({ scenario }) => scenario === name);
    expect(run?.findings.filter(({ ok }) => !ok)).toEqual([]);
    expect(run?.accepted).toBeGreaterThan(0);
    expect(run).toMatchObject({ lost: 0, doubled: 0, oversold: 0 });
  });
});
