import { execFile } from "node:child_process";
import { access, chmod, constants, mkdir, mkdtemp, readdir, rename, rm, writeFile } from "node:fs/promises";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { type Account, isOpenToAll } from "./account.ts";
import { openCopy } from "./open-copy.ts";
import { ownFolder } from "./own-folder.ts";

const run = promisify(execFile);
const stepTimeoutMs = 3 * 60_000; // a package index and a handful of small packages over a slow line

/** A program and where its libraries are that the machine lacks. */
export interface RedisProgram {
  readonly path: string;
  readonly libraryPath: string | null;
  /** What it was unpacked into; null where it is the machine's own. */
  readonly folder: string | null;
  readonly origin: string;
}

const holdfast = fileURLToPath(new URL("../../.holdfast", import.meta.url));
const program = "usr/bin/redis-server"; // within the folder that Debian's packages are unpacked into
const advice = "Install Redis 6.2 or newer (redis-server or valkey-server on PATH), or set REDIS_URL.";

/**
 * The redis-server, or its fork valkey-server, on PATH. Where there is none, Debian's package and
 * what it needs are downloaded and unpacked into `.holdfast/`, without root, and nothing on the
 * machine is changed.
 * @param home where they are unpacked, such as the clone's `.holdfast/`
 * @throws one line that says what to install where that can't be
 */
export async function findRedisServer(onNotice: (text: string) => void, home = holdfast): Promise<RedisProgram> {
  const found = (await findProgram("redis-server")) ?? (await findProgram("valkey-server"));
  if (found) return { path: found, libraryPath: null, folder: null, origin: "redis-server" };
  const unpacked = join(home, "redis-server");
  await ownFolder(home, null, 0o755);
  const unpackedBefore = await isExecutable(join(unpacked, program));
  const ready = await unpackedProgram(unpacked);
  if (ready) return ready;
  if (!(await findProgram("apt-get")) || !(await findProgram("dpkg"))) {
    throw new Error(`There is no redis-server on PATH, and no Debian package can be unpacked here. ${advice}`);
  }
  if (unpackedBefore) await rm(unpacked, { recursive: true, force: true }); // it does not run any more
  onNotice(`No redis-server on PATH: unpacking Debian's into ${unpacked}; nothing else is changed`);
  try {
    await unpackDebianPackages(unpacked);
  } catch (error) {
    const said = (error as { stderr?: string }).stderr?.trim().split("\n").at(-1) || (error as Error).message;
    throw new Error(`Debian's redis-server could not be unpacked (${said}). ${advice}`);
  }
  const made = await unpackedProgram(unpacked);
  if (made) return made;
  throw new Error(`Debian's redis-server does not run on this machine. ${advice}`);
}

/** The same program where the account may run it. */
export async function reachableRedis(account: Account | null, redis: RedisProgram): Promise<RedisProgram> {
  if (account === null || (await isOpenToAll(dirname(redis.path)))) return redis;
  const { folder } = redis;
  if (folder === null)
    throw new Error(`Started by root, Redis runs as nobody, who cannot get to ${redis.path}. ${advice}`);
  const env = async (copy: string) => ({ LD_LIBRARY_PATH: await librariesIn(copy) });
  const copy = await openCopy(account, { folder, program, name: "redis", env });
  return { ...redis, path: join(copy, program), libraryPath: await librariesIn(copy), folder: copy };
}

/**
 * Those of its own that apt-get may write to, so that it needs neither root nor the machine's
 * lists, and leaves them as they are.
 */
function aptOptions(work: string): string[] {
  const settings = {
    "Dir::State::lists": join(work, "lists"),
    "Dir::Cache": join(work, "cache"),
    "Debug::NoLocking": "1",
    "APT::Sandbox::User": "",
    "Acquire::Languages": "none",
    "Acquire::Retries": "2",
    "Acquire::http::Timeout": "20",
    "Acquire::https::Timeout": "20",
  };
  return Object.entries(settings).flatMap(([name, value]) => ["-o", `${name}=${value}`]);
}

/**
 * What the machine has apt-get run besides, such as a refresh of its software catalogue: by root,
 * for the whole machine.
 */
const hooks = [
  "APT::Update::Pre-Invoke",
  "APT::Update::Post-Invoke",
  "APT::Update::Post-Invoke-Success",
  "DPkg::Pre-Invoke",
  "DPkg::Post-Invoke",
  "DPkg::Pre-Install-Pkgs",
  "AptCli::Hooks",
];

async function unpackDebianPackages(target: string): Promise<void> {
  const work = await mkdtemp(`${target}-`);
  try {
    for (const folder of ["lists/partial", "cache/archives/partial", "root"]) {
      await mkdir(join(work, folder), { recursive: true });
    }
    const root = join(work, "root");
    // By `-c`, which is read after the machine's own files; what APT_CONFIG names is read before
    // them, and clears nothing.
    const noHooks = join(work, "no-hooks.conf");
    await writeFile(noHooks, hooks.map((name) => `#clear ${name};\n`).join(""));
    const apt = async (...args: string[]) => {
      const all = ["-q", `-c=${noHooks}`, ...aptOptions(work), ...args];
      return (await run("apt-get", all, { cwd: work, timeout: stepTimeoutMs, env: { ...process.env, LC_ALL: "C" } }))
        .stdout;
    };
    await apt("update");
    const plan = await apt("install", "--simulate", "--no-install-recommends", "redis-server");
    // What this machine lacks; redis-tools holds the program itself.
    const missing = [...plan.matchAll(/^Inst (\S+)/gm)].map(([, name]) => name ?? "");
    await apt("download", ...new Set(["redis-server", "redis-tools", ...missing]));
    const packages = (await readdir(work)).filter((name) => name.endsWith(".deb"));
    for (const name of packages) await run("dpkg", ["-x", join(work, name), root], { timeout: stepTimeoutMs });
    await chmod(root, 0o755);
    // Whoever else unpacked at the same time may have been first.
    await rename(root, target).catch(async (error: unknown) => {
      if (!(await unpackedProgram(target))) throw error;
    });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** What was unpacked here before, if it runs. */
async function unpackedProgram(folder: string): Promise<RedisProgram | null> {
  const path = join(folder, program);
  if (!(await isExecutable(path))) return null;
  await ownFolder(folder, null, 0o755);
  const libraryPath = await librariesIn(folder);
  const env = { ...process.env, LD_LIBRARY_PATH: libraryPath };
  const runs = await run(path, ["--version"], { env, timeout: 10_000 }).then(
    () => true,
    () => false,
  );
  return runs ? { path, libraryPath, folder, origin: "Debian's redis-server, unpacked here" } : null;
}

/** `usr/lib/x86_64-linux-gnu` and its like. */
async function librariesIn(folder: string): Promise<string> {
  const found = await Promise.all(
    ["usr/lib", "lib"].map(async (parent) => {
      const names = await readdir(join(folder, parent)).catch(() => [] as string[]);
      return names.filter((name) => name.includes("-linux-")).map((name) => join(folder, parent, name));
    }),
  );
  return found.flat().join(delimiter);
}

async function findProgram(name: string): Promise<string | null> {
  for (const directory of (process.env.PATH ?? "").split(delimiter)) {
    const file = join(directory, name);
    if (directory && (await isExecutable(file))) return file;
  }
  return null;
}

function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}
