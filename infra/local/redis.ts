import { spawn } from "node:child_process";
import { readFile, rm, writeFile } from "node:fs/promises";
import { basename } from "node:path";
import { Redis } from "ioredis";
import { type Account, giveTo, serverAccount } from "./account.ts";
import { localPassword } from "./local-password.ts";
import type { LocalServer } from "./local-server.ts";
import { ownFolder } from "./own-folder.ts";
import { childEnded, endProcess, freePort, isRunning, isRunningIn, waitUntil } from "./processes.ts";
import { findRedisServer, type RedisProgram, reachableRedis } from "./redis-server.ts";

/**
 * The settings a purchase needs of Redis: every accepted order is on disk before its 202
 * (`appendfsync always`), nothing is thrown away when memory runs short (`noeviction`).
 */
const redisSettings = {
  appendonly: "yes",
  appendfsync: "always",
  "maxmemory-policy": "noeviction",
  save: "",
};

export interface RedisOptions {
  /** Whether its data is thrown away first. */
  readonly fresh?: boolean;
  /** Instead of a free one. */
  readonly port?: number | undefined;
  /** Instead of one that is kept beside its data. */
  readonly password?: string;
  /** In place of those above, or beside them. */
  readonly settings?: Readonly<Record<string, string>>;
}

/**
 * Starts a Redis on the loopback interface, its data in `directory`. A server that an earlier,
 * killed run left there is ended first; its data is kept. It asks for a password: whoever may
 * change its settings can make it write files.
 */
export async function startRedis(
  directory: string,
  onNotice: (text: string) => void,
  options: RedisOptions = {},
): Promise<LocalServer> {
  const account = await serverAccount();
  const program = await reachableRedis(account, await findRedisServer(onNotice));
  await ownFolder(directory, account);
  const pidFile = `${directory}.pid`;
  const orphan = Number(await readFile(pidFile, "utf8").catch(() => "0"));
  // Redis shows a title in place of its command line, but it works in its data's folder (which root
  // may not be shown).
  const isRedis = orphan > 0 && (await isRunning(orphan, basename(program.path)));
  if (isRedis && (await isRunningIn(orphan, directory))) await endProcess(orphan, "SIGTERM");
  if (options.fresh) await rm(directory, { recursive: true, force: true });
  await ownFolder(directory, account);
  await giveTo(account, directory);

  const port = options.port ?? (await freePort());
  const password = options.password ?? (await localPassword(directory));
  const settings = {
    bind: "127.0.0.1",
    port: String(port),
    requirepass: password,
    ...redisSettings,
    ...options.settings,
  };
  const server = await spawnRedis(program, account, directory, settings);
  const url = redisUrl(password, port);
  try {
    await writeFile(pidFile, String(server.process.pid));
    await waitUntil(30_000, "Redis to start", async () => {
      if (server.process.exitCode !== null) throw new Error(`Redis ended at start: ${server.lastWords()}`);
      return answers(url);
    });
  } catch (error) {
    server.process.kill("SIGKILL"); // nobody else knows of it, and it would keep the port
    throw error;
  }
  return {
    name: "redis",
    origin: program.origin,
    url,
    process: server.process,
    async stop() {
      server.process.kill("SIGTERM");
      await childEnded(server.process, 10_000);
      await rm(pidFile, { force: true });
    },
  };
}

export const redisUrl = (password: string, port: number) => `redis://:${password}@127.0.0.1:${port}`;

/**
 * Its settings go in by stdin: a command line, and the password with it, is there for every local
 * user to read.
 */
async function spawnRedis(
  program: RedisProgram,
  account: Account | null,
  directory: string,
  settings: Readonly<Record<string, string>>,
) {
  const env = { ...process.env, ...(program.libraryPath && { LD_LIBRARY_PATH: program.libraryPath }) };
  const server = spawn(program.path, ["-"], {
    ...account,
    env,
    cwd: directory, // and there it stays, so that it need not be able to pass through the folders above
    detached: true,
    stdio: ["pipe", "pipe", "pipe"],
  });
  server.on("error", () => {}); // exit code and output say the rest
  server.stdin.on("error", () => {});
  server.stdin.end(
    Object.entries(settings)
      .map(([name, value]) => `${name} "${value}"\n`)
      .join(""),
  );
  let output = "";
  for (const stream of [server.stdout, server.stderr]) {
    stream.on("data", (chunk: Buffer) => {
      output = (output + chunk.toString()).slice(-4_000);
    });
  }
  return { process: server, lastWords: () => output.trim() };
}

async function answers(url: string): Promise<boolean> {
  const client = new Redis(url, { lazyConnect: true, retryStrategy: () => null, connectTimeout: 1_000 });
  client.on("error", () => {});
  try {
    await client.connect();
    return (await client.ping()) === "PONG";
  } catch {
    return false; // not listening yet, or still loading its data
  } finally {
    client.disconnect();
  }
}
