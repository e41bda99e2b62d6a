import { spawn } from "node:child_process";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { giveTo, serverAccount } from "@holdfast/infra/local/account.ts";
import { childEnded, freePort } from "@holdfast/infra/local/processes.ts";
import { debianProgram } from "./debian-program.ts";

export interface PgBouncer {
  /** The database, through it. */
  readonly url: string;
  stop(): Promise<void>;
}

const stopTimeoutMs = 5_000;
const startTimeoutMs = 10_000;

/**
 * Debian's PgBouncer in transaction mode before a database: each transaction may be on another
 * connection to Postgres.
 * @returns null where the program is not to be had
 */
export async function startPgBouncer(databaseUrl: string, settings: readonly string[] = []): Promise<PgBouncer | null> {
  const program = await debianProgram(["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer"], "pgbouncer", "PgBouncer's tests");
  if (program === null) return null;
  const directory = await mkdtemp(join(tmpdir(), "holdfast-pgbouncer-"));
  const port = await freePort();
  const target = new URL(databaseUrl);
  const name = target.pathname.slice(1);
  const [user, password] = [target.username, target.password].map(decodeURIComponent);
  const file = join(directory, "pgbouncer.ini");
  const config = [
    "[databases]",
    `${name} = host=${target.hostname} port=${target.port} dbname=${name} user=${user} password=${password}`,
    "[pgbouncer]",
    "listen_addr = 127.0.0.1",
    `listen_port = ${port}`,
    "unix_socket_dir =",
    "auth_type = any",
    "pool_mode = transaction",
    "max_client_conn = 500",
    "default_pool_size = 10",
    ...settings,
  ];
  await writeFile(file, `${config.join("\n")}\n`, { mode: 0o600 });
  const account = await serverAccount();
  await chmod(directory, 0o755);
  await giveTo(account, file);
  const child = spawn(program, [file], { stdio: ["ignore", "ignore", "pipe"], ...account });
  const said: string[] = [];
  const listening = new Promise<void>((resolve, reject) => {
    setTimeout(() => reject(new Error("PgBouncer did not start in time")), startTimeoutMs).unref();
    child.stderr.on("data", (chunk: Buffer) => {
      said.push(chunk.toString());
      if (said.join("").includes("process up")) resolve();
    });
    child.once("exit", () => reject(new Error(`PgBouncer ended at start: ${said.join("")}`)));
  });
  const stop = async () => {
    child.kill("SIGINT");
    await childEnded(child, stopTimeoutMs);
    await rm(directory, { recursive: true, force: true });
  };
  try {
    await listening;
  } catch (error) {
    await stop();
    throw error;
  }
  const url = new URL(databaseUrl);
  url.host = `127.0.0.1:${port}`;
  return { url: url.href, stop };
}
