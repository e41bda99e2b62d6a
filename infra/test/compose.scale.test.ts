import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { ourVariables } from "@holdfast/shared/unknown-variables.ts";
import { debianProgram } from "@holdfast/testing/debian-program.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const run = promisify(execFile);
const file = fileURLToPath(new URL("../compose.yaml", import.meta.url));
const exampleFile = new URL("../compose/env.example", import.meta.url);
const required = ["POSTGRES_PASSWORD", "REDIS_PASSWORD", "JWT_SECRET", "OPS_PASSWORD", "STRIPE_SECRET_KEY"];

describe("the Compose file", () => {
  let program: readonly string[] | null;
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "holdfast-compose-test-"));
    program = await findCompose();
    if (program === null)
      process.stdout.write(
        `skipped: ${2 + required.length} tests of the Compose file, no docker-compose is to be had\n`,
      );
  });
  afterAll(() => rm(directory, { recursive: true, force: true }));

  const config = async (env: Readonly<Record<string, string>>, ...options: string[]) => {
    const envFile = join(directory, "env");
    await writeFile(
      envFile,
      Object.entries(env)
        .map(([name, value]) => `${name}=${value}\n`)
        .join(""),
    );
    const [name = "", ...before] = program ?? [];
    const around = { env: { PATH: process.env.PATH ?? "", HOME: process.env.HOME ?? "" } }; // nothing else of this shell's
    const { stdout } = await run(name, [...before, "-f", file, "--env-file", envFile, ...options, "config"], around);
    return stdout;
  };
  const filled = Object.fromEntries(required.map((name) => [name, "x".repeat(32)]));

  test("fits its schema, with every profile", async ({ skip }) => {
    skip(program === null);
    const text = await config(filled, "--profile", "simulator", "--profile", "monitoring");
    for (const service of [
      "nginx",
      "api-1",
      "api-2",
      "api-3",
      "worker-reserve-1",
      "worker-reserve-2",
      "worker-charge-1",
    ])
      expect(text).toMatch(new RegExp(`^  ${service}:$`, "m"));
  });

  test.for(required)("says that %s is missing", async (name, { skip }) => {
    skip(program === null);
    const { [name]: _, ...others } = filled;
    await expect(config(others)).rejects.toThrow("is missing in infra/.env");
  });

  test("sets variables that the processes know, and the example names those that must be filled in", async ({
    skip,
  }) => {
    skip(program === null);
    const text = await readFile(file, "utf8");
    const ours = text.slice(text.indexOf("x-environment"), text.indexOf("  pgbouncer:\n    image"));
    const set = [...ours.matchAll(/^ {2,6}([A-Z][A-Z_]+):/gm)].map(([, name = ""]) => name);
    const ofNginx = ["TRUSTED_PROXY"];
    expect(set.filter((name) => !ourVariables.includes(name as never))).toEqual(ofNginx);
    const example = await readFile(exampleFile, "utf8");
    expect([...example.matchAll(/^([A-Z_]+)=$/gm)].map(([, name]) => name)).toEqual(required);
  });
});

/** Docker's own plugin, or the program of its own that came before it. */
async function findCompose(): Promise<readonly string[] | null> {
  const plugin = await run("docker", ["compose", "version"]).then(
    () => true,
    () => false,
  );
  if (plugin) return ["docker", "compose"];
  const paths = ["/usr/bin/docker-compose", "/usr/local/bin/docker-compose"];
  const program = await debianProgram(paths, "docker-compose", "the Compose file's tests");
  return program === null ? null : [program];
}
