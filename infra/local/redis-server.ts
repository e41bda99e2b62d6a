import { execFile } from "node:child_process";
import { access, constants } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const installTimeoutMs = 5 * 60_000; // a package index and three small packages over a slow line

/** How each package manager brings a redis-server, without asking back. */
const installers: readonly { tool: string; steps: readonly (readonly string[])[]; needsRoot: boolean }[] = [
  {
    tool: "apt-get",
    steps: [
      ["apt-get", "update", "-qq"],
      ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "redis-server"],
    ],
    needsRoot: true,
  },
  { tool: "apk", steps: [["apk", "add", "--no-cache", "redis"]], needsRoot: true },
  { tool: "dnf", steps: [["dnf", "install", "-y", "-q", "valkey"]], needsRoot: true },
  { tool: "pacman", steps: [["pacman", "-Sy", "--noconfirm", "valkey"]], needsRoot: true },
  { tool: "brew", steps: [["brew", "install", "redis"]], needsRoot: false },
];

/**
 * The redis-server (or its fork valkey-server) on PATH; where there is none, the machine's package manager installs it.
 * @throws with what to do by hand where neither works
 */
export async function findRedisServer(onInstall: (text: string) => void): Promise<string> {
  const found = (await findProgram("redis-server")) ?? (await findProgram("valkey-server"));
  if (found) return found;
  for (const installer of installers) {
    if (!(await findProgram(installer.tool))) continue;
    onInstall(`No redis-server on this machine: installing it with ${installer.tool}`);
    try {
      for (const step of installer.steps) await install(step, installer.needsRoot);
    } catch (error) {
      const said = (error as { stderr?: string }).stderr?.trim().split("\n").at(-1) ?? String(error);
      throw new Error(`${installer.tool} could not install redis-server (${said}). Install it, or set REDIS_URL.`);
    }
    const installed = (await findProgram("redis-server")) ?? (await findProgram("valkey-server"));
    if (installed) return installed;
  }
  throw new Error("There is no redis-server on PATH. Install Redis 6.2 or newer, or set REDIS_URL.");
}

async function install(step: readonly string[], needsRoot: boolean): Promise<void> {
  const command = needsRoot && process.getuid?.() !== 0 ? ["sudo", "-n", ...step] : step;
  // RUNLEVEL=1 keeps Debian from starting a Redis of its own: we start ours when we need it.
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive", RUNLEVEL: "1" };
  await run(command[0] ?? "", command.slice(1), { env, timeout: installTimeoutMs });
}

async function findProgram(name: string): Promise<string | null> {
  for (const directory of [...(process.env.PATH ?? "").split(delimiter), "/usr/bin", "/usr/local/bin", "/usr/sbin"]) {
    const path = join(directory, name);
    if (directory && (await isExecutable(path))) return path;
  }
  return null;
}

function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}
