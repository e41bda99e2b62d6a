import { spawn } from "node:child_process";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Redis } from "ioredis";
import type { LocalServer } from "./postgres.ts";
import { childEnded, endProcess, freePort, isRunningIn, waitUntil } from "./processes.ts";
import { findRedisServer } from "./redis-server.ts";

/**
 * The settings a purchase needs of Redis: every accepted order is on disk before its 202 (`appendfsync always`), nothing is
 * thrown away when memory runs short (`noeviction`).
 */
const redisSettings = {
  appendonly: "yes",
  appendfsync: "always",
  "maxmemory-policy": "noeviction",
  save: "",
};

/**
 * Starts a Redis on the loopback interface, its data in `directory`. A server that an earlier, killed run left there is ended
 * first; its data is kept.
 * @param more `port`: a given one instead of a free one; `settings`: in place of those above, or beside them
 */
export async function startRedis(
  directory: string,
  onInstall: (text: string) => void,
  fresh = false,
  more: { readonly port?: number; readonly settings?: Readonly<Record<string, string>> } = {},
): Promise<LocalServer> {
  const program = await findRedisServer(onInstall);
  await mkdir(directory, { recursive: true });
  const pidFile = join(directory, "redis.pid");
  const orphan = Number(await readFile(pidFile, "utf8").catch(() => "0"));
  // Redis shows another title than its command line, but it works in its data's folder.
  if (orphan > 0 && (await isRunningIn(orphan, directory))) await endProcess(orphan, "SIGTERM");
  if (fresh) await rm(directory, { recursive: true, force: true });
  await mkdir(directory, { recursive: true });

  const port = more.port ?? (await freePort());
  const settings = { bind: "127.0.0.1", port: String(port), dir: directory, ...redisSettings, ...more.settings };
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
  const server = spawn(program, args, { detached: true, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [server.stdout, server.stderr]) {
    stream.on("data", (chunk: Buffer) => {
      output = (output + chunk.toString()).slice(-4_000);
    });
  }
  const url = `redis://127.0.0.1:${port}`;
  try {
    await writeFile(pidFile, String(server.pid));
    await waitUntil(30_000, "Redis to start", async () => {
      if (server.exitCode !== null) throw new Error(`Redis ended at start: ${output.trim()}`);
      return answers(url);
    });
  } catch (error) {
    server.kill("SIGKILL"); // nobody else knows of it, and it would keep the port
    throw error;
  }
  return {
    name: "redis",
    url,
    process: server,
    async stop() {
      server.kill("SIGTERM");
      await childEnded(server, 10_000);
      await rm(pidFile, { force: true });
    },
  };
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
