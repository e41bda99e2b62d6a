import { execFile } from "node:child_process";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../../", import.meta.url));
const installTimeoutMs = 5 * 60_000;

/** The release before this one, ready to run. */
export interface PreviousRelease {
  readonly version: string;
  readonly root: string;
}

/**
 * Unpacks the release that CHANGELOG.md names first into a folder, and installs what it needs.
 * @returns why not, where the clone has not its commit (a shallow one) or no packages are to be had
 */
export async function unpackPreviousRelease(directory: string): Promise<PreviousRelease | string> {
  const changelog = await readFile(join(root, "CHANGELOG.md"), "utf8");
  const { version, commit } =
    /^## (?<version>\d+\.\d+\.\d+).*\(commit (?<commit>[0-9a-f]{7,40})\)/m.exec(changelog)?.groups ?? {};
  if (version === undefined || commit === undefined) return "CHANGELOG.md names no earlier release with its commit";
  const archive = join(directory, "release.tar");
  const release = join(directory, "release");
  await mkdir(release, { recursive: true });
  try {
    await run("git", ["-C", root, "archive", "--output", archive, commit]);
    await run("tar", ["-x", "-f", archive, "-C", release]);
  } catch {
    return `the commit ${commit} of release ${version} is not in this clone`;
  }
  try {
    const options = ["ci", "--prefer-offline", "--no-audit", "--no-fund", "--loglevel=error"];
    await run("npm", options, { cwd: release, timeout: installTimeoutMs });
  } catch (error) {
    return `the packages of release ${version} could not be installed: ${(error as Error).message.split("\n")[0]}`;
  }
  return { version, root: release };
}
