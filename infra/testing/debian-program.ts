import { execFile } from "node:child_process";
import { access, constants } from "node:fs/promises";
import { promisify } from "node:util";

const run = promisify(execFile);
const installTimeoutMs = 5 * 60_000; // of each step; some 100 MB of packages

/**
 * Finds a program that npm has not, or installs Debian's where it is missing and we may.
 * @param paths where it may be; the first that is there is taken
 * @param purpose what it is for, to be said where it is installed
 * @returns null where there is none to be had: no apt, no way to its packages, or no right to
 *   install any
 */
export async function debianProgram(
  paths: readonly string[],
  packageName: string,
  purpose: string,
): Promise<string | null> {
  const found = await firstThere(paths);
  if (found !== null || process.getuid?.() !== 0) return found;
  process.stdout.write(`${purpose}: installing Debian's ${packageName}\n`);
  // Asks nothing, and starts no service of the package's: RUNLEVEL is what invoke-rc.d goes by.
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive", RUNLEVEL: "1" };
  const apt = (...args: string[]) => run("apt-get", args, { timeout: installTimeoutMs, env });
  try {
    await apt("update", "-q");
    await apt("install", "-y", "-q", "--no-install-recommends", packageName);
  } catch {
    return null;
  }
  return firstThere(paths);
}

async function firstThere(paths: readonly string[]): Promise<string | null> {
  for (const path of paths) {
    const there = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (there) return path;
  }
  return null;
}
