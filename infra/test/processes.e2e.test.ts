import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { joinFleet } from "@holdfast/shared/fleet.ts";
import { createLog } from "@holdfast/shared/log.ts";
import { createWorld, eventually, type World } from "@holdfast/testing/world.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startRedis } from "../local/redis.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const nowhere = { postgres: "postgres://user:s3cret@127.0.0.1:9/db", redis: "redis://:s3cret@127.0.0.1:9" };

/** Runs one process until it ends; none of these is supposed to stay. */
function runToEnd(
  file: string,
  env: Record<string, string>,
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const bare = { PATH: process.env.PATH ?? "", ...env };
    const child = execFile(
      process.execPath,
      [file],
      { cwd: root, env: bare, timeout: 30_000 },
      (_error, stdout, stderr) => resolve({ code: child.exitCode, stdout, stderr }),
    );
  });
}

describe("a process that cannot start", () => {
  let world: World;
  beforeAll(async () => {
    world = await createWorld();
  });
  afterAll(() => world.close());

  const api = "api/src/main.ts";
  const worker = "worker/src/main.ts";
  const migrations = "migrations/src/main.ts";
  const full = (env: Record<string, string>) => ({
    ...world.env,
    JWT_SECRET: "a s3cret of thirty-two bytes or more",
    STRIPE_SECRET_KEY: "s3cret",
    PORT: "0",
    ...env,
  });

  test.each([
    [api, /^api: DATABASE_URL is missing.*\napi: REDIS_URL is missing.*\napi: JWT_SECRET or JWKS_URL is missing.*\n$/],
    [
      worker,
      /^worker: DATABASE_URL is missing.*\nworker: REDIS_URL is missing.*\nworker: STRIPE_SECRET_KEY is missing.*\n$/,
    ],
    [migrations, /^migrations: DATABASE_URL is missing.*\n$/],
  ])("%s without its environment: one line per problem, exit code 1", async (file, lines) => {
    const { code, stderr } = await runToEnd(file, {});
    expect(stderr).toMatch(lines);
    expect(code).toBe(1);
  });

  test.each([
    [api, "DATABASE_URL", nowhere.postgres, "api: Postgres cannot be reached"],
    [api, "REDIS_URL", nowhere.redis, "api: Redis cannot be reached"],
    [worker, "DATABASE_URL", nowhere.postgres, "worker: Postgres cannot be reached"],
    [worker, "REDIS_URL", nowhere.redis, "worker: Redis cannot be reached"],
    [migrations, "DATABASE_URL", nowhere.postgres, "migrations: "],
  ])("%s with %s leading nowhere: one clear line, exit code 1, no secret", async (file, name, url, line) => {
    const { code, stdout, stderr } = await runToEnd(file, full({ [name]: url }));
    expect(stderr.trim().split("\n")).toHaveLength(1);
    expect(stderr).toContain(line);
    expect(stdout + stderr).not.toContain("s3cret");
    expect(code).toBe(1);
  });

  test.each([api, worker])("%s names all servers that do not answer, with variable, host and port", async (file) => {
    const { stderr } = await runToEnd(file, full({ DATABASE_URL: nowhere.postgres, REDIS_URL: nowhere.redis }));
    const lines = stderr.trim().split("\n");
    expect(lines).toHaveLength(2);
    expect(lines[0]).toMatch(/Postgres cannot be reached \(DATABASE_URL, [\w.]+:\d+\)$/);
    expect(lines[1]).toMatch(/Redis cannot be reached \(REDIS_URL, [\w.]+:\d+\)$/);
  });

  test.each([api, worker])("%s on a database without a schema says what to do", async (file) => {
    const empty = await createWorld({ schema: false });
    const { code, stderr } = await runToEnd(file, full({ DATABASE_URL: empty.databaseUrl }));
    expect(stderr).toContain("run the migrations first");
    expect(code).toBe(1);
    await empty.close();
  });

  test.each([api, worker])("%s with another number of lanes than the running fleet does not start", async (file) => {
    const fleet = await joinFleet({ ...world, laneCount: 4, log: createLog("fleet", "silent") });
    const { code, stderr } = await runToEnd(file, full({ PURCHASE_LANES: "8" }));
    expect(stderr).toMatch(/^\w+: PURCHASE_LANES is 8 here and 4 in the fleet: .*\n$/);
    expect(code).toBe(1);
    await fleet.leave();
  });

  test.each([api, worker])(
    "%s ends with exit code 1 where an older process turns out to have another number",
    async (file) => {
      const own = await createWorld();
      const ending = runToEnd(file, full({ ...own.env, PURCHASE_LANES: "8" }));
      await eventually("it serves", async () => (await own.redis.hlen(own.keys.fleet)) > 1);
      // As after Redis was emptied: an older one shows itself again.
      await own.redis.hset(own.keys.fleet, "member:older", `4 1 ${Date.now() + 5_000}`);
      const { code, stdout } = await ending;
      expect(stdout).toContain("PURCHASE_LANES is 8 here and 4 in the fleet: an older process has that number");
      expect(code).toBe(1);
      await own.close();
    },
  );

  test("a variable that looks like ours and is none is named in the log, without its value", async () => {
    const { stdout } = await runToEnd(migrations, { ...world.env, CHARGE_CONCURENCY: "s3cret" });
    expect(stdout).toContain("CHARGE_CONCURENCY is not known here and has no effect: do you mean CHARGE_CONCURRENCY?");
    expect(stdout).not.toContain("s3cret");
  });

  test.each([api, worker])("%s with REQUIRE_DURABLE_REDIS=on refuses a Redis that could lose orders", async (file) => {
    const directory = await mkdtemp(join(tmpdir(), "holdfast-forgetful-"));
    const settings = { appendonly: "no", "maxmemory-policy": "allkeys-lru" };
    const forgetful = await startRedis(directory, () => {}, { settings });
    const env = full({ REDIS_URL: forgetful.url, REQUIRE_DURABLE_REDIS: "on" });
    const { code, stderr } = await runToEnd(file, env);
    expect(stderr).toMatch(
      /^\w+: Redis has appendonly no: set .*\n\w+: Redis has maxmemory-policy allkeys-lru: set .*\n$/,
    );
    expect(code).toBe(1);
    await forgetful.stop();
    await rm(directory, { recursive: true, force: true });
  });

  test("the migrations run as a process of their own, twice", async () => {
    const empty = await createWorld({ schema: false });
    const env = { DATABASE_URL: empty.databaseUrl };
    expect((await runToEnd(migrations, env)).stdout).toContain("schema brought up to date");
    expect((await runToEnd(migrations, env)).stdout).toContain("schema is up to date");
    await empty.close();
  });
});
