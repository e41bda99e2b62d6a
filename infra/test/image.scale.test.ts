import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { createWorld, eventually, type World } from "@holdfast/testing/world.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { freePort } from "../local/processes.ts";
import { startRedis } from "../local/redis.ts";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../../", import.meta.url));
const base = process.env.TEST_BASE_IMAGE ?? "node:24-bookworm-slim";
const tag = "holdfast:test";
const pullTimeoutMs = 4 * 60_000;
const buildTimeoutMs = 8 * 60_000;

describe("the image", () => {
  let world: World;
  let missing: string | null;
  let directory: string;
  const containers: string[] = [];
  beforeAll(async () => {
    world = await createWorld();
    directory = await mkdtemp(join(tmpdir(), "holdfast-image-test-"));
    missing = await buildImage();
    if (missing !== null) process.stdout.write(`skipped: 3 tests of the image: ${missing}\n`);
  });
  afterAll(async () => {
    for (const id of containers) await run("docker", ["rm", "-f", id]).catch(() => {});
    await world?.close();
    await rm(directory, { recursive: true, force: true });
  });

  /** On this machine's network, where the tests' Postgres and Redis are. */
  const start = async (program: string, env: Record<string, string>) => {
    const variables = Object.entries(env).flatMap(([name, value]) => ["--env", `${name}=${value}`]);
    const hardened = ["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"];
    const { stdout } = await run("docker", ["run", "-d", "--network", "host", ...hardened, ...variables, tag, program]);
    const id = stdout.trim();
    containers.push(id);
    return id;
  };
  const inspect = async (id: string, format: string) =>
    (await run("docker", ["inspect", "--format", format, id])).stdout.trim();
  const logs = async (id: string) => {
    const { stdout, stderr } = await run("docker", ["logs", id]);
    return stdout + stderr;
  };

  test("runs all programs as nobody in particular, and says which there are", async ({ skip }) => {
    skip(missing !== null);
    expect(await inspect(tag, "{{.Config.User}}")).toBe("10001:10001");
    await expect(run("docker", ["run", "--rm", tag, "shop"])).rejects.toThrow("The image runs api, worker, migrations");
  });

  test("migrates, serves, is healthy and ends in good order, on a file system that it cannot write to", async ({
    skip,
  }) => {
    skip(missing !== null);
    const migrations = await start("migrations", world.env);
    await eventually("it has ended", async () => (await inspect(migrations, "{{.State.Status}}")) === "exited", 30_000);
    expect([await inspect(migrations, "{{.State.ExitCode}}"), await logs(migrations)]).toEqual([
      "0",
      expect.stringContaining("schema is up to date"),
    ]);
    const own = async () => ({
      HOST: "127.0.0.1",
      PORT: String(await freePort()),
      ADMIN_PORT: String(await freePort()),
    });
    const api = await start("api", { ...world.env, ...(await own()), JWT_SECRET: "a".repeat(32) });
    const worker = await start("worker", { ...world.env, ...(await own()), STRIPE_SECRET_KEY: "sk_test_simulator" });
    for (const id of [api, worker]) {
      const startedAtMs = performance.now();
      await eventually(
        "it is healthy",
        async () => (await inspect(id, "{{.State.Health.Status}}")) === "healthy",
        30_000,
      );
      process.stdout.write(`healthy after ${((performance.now() - startedAtMs) / 1_000).toFixed(1)} s\n`);
      await run("docker", ["stop", "--time", "12", id]);
      expect(await inspect(id, "{{.State.ExitCode}}")).toBe("0");
      expect(await logs(id)).not.toMatch(/"level":50/);
    }
  });

  test("refuses a Redis that could lose accepted orders", async ({ skip }) => {
    skip(missing !== null);
    const weak = await startRedis(join(directory, "redis"), () => {}, { settings: { appendonly: "no" } });
    try {
      const env = { ...world.env, REDIS_URL: weak.url, HOST: "127.0.0.1", PORT: String(await freePort()) };
      const api = await start("api", { ...env, JWT_SECRET: "a".repeat(32) });
      await eventually("it has ended", async () => (await inspect(api, "{{.State.Status}}")) === "exited", 30_000);
      expect(await inspect(api, "{{.State.ExitCode}}")).toBe("1");
      expect(await logs(api)).toContain("appendonly");
    } finally {
      await weak.stop();
    }
  });
});

/** @returns why there can be none. @throws where the Dockerfile does not build */
async function buildImage(): Promise<string | null> {
  try {
    await run("docker", ["version", "--format", "{{.Server.Version}}"], { timeout: 5_000 });
  } catch {
    return "no Docker engine answers";
  }
  try {
    await run("docker", ["image", "inspect", base]).catch(() =>
      run("docker", ["pull", base], { timeout: pullTimeoutMs }),
    );
  } catch {
    return `its base ${base} is neither here nor to be had`;
  }
  const options = ["--network", "host", "--build-arg", `BASE=${base}`, "--tag", tag, root];
  await run("docker", ["build", ...options], { timeout: buildTimeoutMs, maxBuffer: 2 ** 26 });
  return null;
}
