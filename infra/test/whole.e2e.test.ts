import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createWorld, type World } from "@holdfast/testing/world.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type PrivateSystem, startPrivateSystem } from "../local/private-system.ts";
import { rush } from "../proof/rush/rush.ts";
import { signedTokens } from "../proof/rush/shopper-tokens.ts";

describe("the whole: two API servers, two workers, the payment simulator, as processes of their own", () => {
  let world: World;
  let system: PrivateSystem;
  let logDirectory: string;
  beforeAll(async () => {
    logDirectory = await mkdtemp(join(tmpdir(), "holdfast-e2e-"));
    world = await createWorld();
    // The real limit of 25 charges a second is for real money; here it would only take time.
    const env = { ...world.env, CHARGE_RATE_PER_SECOND: "200" };
    system = await startPrivateSystem({
      apis: 2,
      workers: 2,
      env,
      logDirectory,
      simulatorEnv: { SIMULATOR_LATENCY_MS: "20" },
    });
  });
  afterAll(async () => {
    await system?.stop();
    await world?.close();
    await rm(logDirectory, { recursive: true, force: true });
  });

  const run = (buyers: number, units: number, more: Partial<Parameters<typeof rush>[0]> = {}) => {
    const tokenOf = signedTokens(system.jwtSecret);
    return rush({ ...system, urls: system.apiUrls, buyers, units, tokenOf, db: world.db, ...more });
  };

  test("1,000 shoppers, 50 units: 50 confirmed and paid, 950 told “Out of stock”, in the order of arrival", async () => {
    const report = await run(1_000, 50);
    expect(report.findings.filter((finding) => !finding.ok)).toEqual([]);
    expect(report.outcomes).toEqual({ confirmed: 50, out_of_stock: 950 });
  });

  test("with every tenth card declined nobody is left guessing, and a returned unit is never sold twice", async () => {
    const report = await run(500, 400, { declines: 0.1 }); // so many units that some who are declined get one, whoever comes first
    expect(report.findings.filter((finding) => !finding.ok)).toEqual([]);
    const { confirmed = 0, cancelled = 0, out_of_stock = 0 } = report.outcomes;
    expect(confirmed + cancelled + out_of_stock).toBe(500);
    expect(cancelled).toBeGreaterThan(0);
    expect(confirmed).toBeGreaterThan(300);
  });

  test("a worker killed in mid-rush loses nothing: another one carries on", async () => {
    const rushing = run(1_000, 50);
    await new Promise((resolve) => setTimeout(resolve, 700));
    system.workers[0]?.process.kill("SIGKILL");
    const report = await rushing;
    expect(report.findings.filter((finding) => !finding.ok)).toEqual([]);
    expect(report.outcomes).toEqual({ confirmed: 50, out_of_stock: 950 });
    await system.addWorker();
  });

  test("SIGTERM ends every process within ten seconds, with exit code 0", async () => {
    const started = Date.now();
    await system.stop();
    expect(Date.now() - started).toBeLessThan(10_000);
    for (const { process: child } of [...system.apis, system.workers[1]].filter((part) => part !== undefined)) {
      expect(child.exitCode).toBe(0);
    }
  });
});
