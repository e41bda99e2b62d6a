import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);
const installTimeoutMs = 5 * 60_000; // some 30 MB of packages

/**
 * Finds Prometheus' promtool, or installs Debian's where that is missing and we may; npm has none.
 * @returns null where there is none to be had
 */
export async function findPromtool(): Promise<string | null> {
  if (await runs()) return program;
  if (process.getuid?.() !== 0) return null;
  process.stdout.write("tests of the alarms' rules: installing Debian's prometheus, for promtool\n");
  const apt = (...args: string[]) => run("apt-get", args, { timeout: installTimeoutMs });
  try {
    await apt("update", "-q");
    await apt("install", "-y", "-q", "--no-install-recommends", "prometheus");
  } catch {
    return null; // without apt, or without a way to its packages
  }
  return (await runs()) ? program : null;
}

const program = "promtool";

function runs(): Promise<boolean> {
  return run(program, ["--version"], { timeout: 10_000 }).then(
    () => true,
    () => false,
  );
}
