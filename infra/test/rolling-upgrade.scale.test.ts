import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type PreviousRelease, unpackPreviousRelease } from "@holdfast/testing/previous-release.ts";
import { describeSale, saleUnderChange } from "@holdfast/testing/sale-under-change.ts";
import { createWorld, type World } from "@holdfast/testing/world.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { freePort } from "../local/processes.ts";
import { type Part, runMigrations, startPart } from "../local/system.ts";

const servers = 2; // of each kind, replaced one at a time

describe("a rolling upgrade from the release before", () => {
  let world: World;
  let directory: string;
  let previous: PreviousRelease | string;
  const parts = new Map<string, Part>();
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "holdfast-upgrade-test-"));
    world = await createWorld({ schema: false });
    previous = await unpackPreviousRelease(directory);
    if (typeof previous === "string") process.stdout.write(`skipped: 1 test of a rolling upgrade: ${previous}\n`);
  });
  afterAll(async () => {
    await Promise.all([...parts.values()].map((part) => part.stop()));
    await world?.close();
    await rm(directory, { recursive: true, force: true });
  });

  test("2,000 shoppers while the schema, then the workers, then the API servers are replaced, one at a time", async ({
    skip,
  }) => {
    skip(typeof previous === "string");
    const { root } = previous as PreviousRelease;
    const logs = join(directory, "log");
    const simulator = await startPart("simulator", "simulator", { PORT: "0" }, logs);
    parts.set("simulator", simulator);
    const [jwtSecret, opsPassword] = [randomBytes(32).toString("hex"), randomBytes(12).toString("hex")];
    const env = {
      ...world.env,
      JWT_SECRET: jwtSecret,
      JWKS_URL: "",
      OPS_PASSWORD: opsPassword,
      STRIPE_SECRET_KEY: "sk_test_simulator",
      STRIPE_API_BASE: simulator.url ?? "",
      ADDRESS_RATE_PER_MINUTE: "0",
      CHARGE_RATE_PER_SECOND: "500",
    };
    const ports = await Promise.all(Array.from({ length: servers }, freePort));
    const start = async (program: "api" | "worker", i: number, release?: string) => {
      const name = `${program}-${i + 1}`;
      await parts.get(name)?.stop();
      const of = release === undefined ? "new" : "old";
      const port = program === "api" ? { PORT: String(ports[i]) } : {};
      const part = await startPart(
        program,
        `${name}-${of}`,
        { ...env, ...port },
        logs,
        release === undefined ? {} : { root: release },
      );
      parts.set(name, part);
    };
    await runMigrations(world.env, logs, root);
    for (const program of ["worker", "api"] as const) {
      for (let i = 0; i < servers; i++) await start(program, i, root);
    }

    const system = {
      jwtSecret,
      simulatorUrl: simulator.url ?? "",
      apiUrls: ports.map((port) => `http://127.0.0.1:${port}`),
    };
    const shoppers = 2_000;
    const sale = await saleUnderChange(
      { system, db: world.db, redis: world.redis, redisPrefix: world.redisPrefix, shoppers, perSecond: 100 },
      async () => {
        await runMigrations(world.env, logs);
        for (const program of ["worker", "api"] as const) {
          for (let i = 0; i < servers; i++) await start(program, i);
        }
        return undefined;
      },
    );
    process.stdout.write(describeSale("a rolling upgrade", sale));
    expect(sale.findings.filter(({ ok }) => !ok)).toEqual([]);
    expect(sale).toMatchObject({ gone: 0, lost: 0, doubled: 0, oversold: 0 });
  });
});
