import { execFile } from "node:child_process";
import { access, constants } from "node:fs/promises";
import { promisify } from "node:util";
import type { TestProject } from "vitest/node";
import type {} from "./provided.ts";

const run = promisify(execFile);
const places = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const installTimeoutMs = 10 * 60_000; // some 100 MB of packages

/**
 * Finds a browser for the tests, or installs Debian's where that is missing and we may; `npm ci`
 * brings none.
 * @throws with what to do where there is none
 */
async function findChromium(): Promise<string> {
  const found = await firstThere();
  if (found !== null) return found;
  if (process.getuid?.() === 0) {
    process.stdout.write("browser tests: installing Debian's chromium\n");
    const apt = (...args: string[]) => run("apt-get", args, { timeout: installTimeoutMs });
    await apt("update", "-q");
    await apt("install", "-y", "-q", "--no-install-recommends", "chromium");
    const installed = await firstThere();
    if (installed !== null) return installed;
  }
  throw new Error(`The browser tests need Chromium (looked for ${places.join(", ")}): apt-get install chromium`);
}

async function firstThere(): Promise<string | null> {
  for (const path of places) {
    const there = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (there) return path;
  }
  return null;
}

export default async function setup(project: TestProject): Promise<void> {
  project.provide("chromium", await findChromium());
}
