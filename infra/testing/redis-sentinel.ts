import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { giveTo, serverAccount } from "@holdfast/infra/local/account.ts";
import type { LocalServer } from "@holdfast/infra/local/local-server.ts";
import { ownFolder } from "@holdfast/infra/local/own-folder.ts";
import { childEnded, freePort } from "@holdfast/infra/local/processes.ts";
import { startRedis } from "@holdfast/infra/local/redis.ts";
import { findRedisServer, reachableRedis } from "@holdfast/infra/local/redis-server.ts";
import { Redis } from "ioredis";
import { type CuttableProxy, cuttableProxy } from "./cuttable-proxy.ts";
import { eventually } from "./world.ts";

export interface SentinelServer {
  readonly port: number;
  readonly server: LocalServer;
  readonly client: Redis;
}

/** A master and a replica, watched by three sentinels, on the loopback interface. */
export interface RedisSentinel {
  /** As REDIS_URL has it. */
  readonly url: string;
  /** Who is the master now, as the sentinels see it. */
  master(): Promise<SentinelServer>;
  readonly servers: readonly SentinelServer[];
  /** What the replica copies the master through: it can be made to lag. */
  readonly link: CuttableProxy;
  readonly sentinels: readonly ChildProcess[];
  /** A failover as somebody asks for it, with a live master. */
  failOver(): Promise<void>;
  /**
   * Kills the master, waits until the sentinels name another one, and starts it again with the data
   * it had: it becomes a replica.
   * @returns when it was killed, in ms since 1970: what it was asked for before may be lost
   */
  killMaster(): Promise<number>;
  close(): Promise<void>;
}

const masterName = "holdfast";
const downAfterMs = 2_000; // on a busy machine a master that is well may be silent for one

/**
 * @param minReplicas how many replicas a master must have to take writes: with none, one that is
 *   being replaced takes them for seconds after another was promoted, and they are lost
 */
export async function startRedisSentinel(directory: string, { minReplicas = 0 } = {}): Promise<RedisSentinel> {
  await chmod(directory, 0o711); // a sentinel opens its file by its whole name, as nobody
  const password = randomBytes(24).toString("hex");
  const ports = [await freePort(), await freePort()];
  const start = async (port: number): Promise<SentinelServer> => {
    const settings = {
      masterauth: password,
      "repl-diskless-sync-delay": "0",
      "min-replicas-to-write": String(minReplicas),
      "min-replicas-max-lag": "2",
    };
    const server = await startRedis(join(directory, `redis-${port}`), () => {}, { password, port, settings });
    const client = new Redis(server.url);
    client.on("error", () => {});
    return { port, server, client };
  };
  const servers: SentinelServer[] = [];
  for (const port of ports) servers.push(await start(port));
  const [first, second] = servers as [SentinelServer, SentinelServer];
  const link = await cuttableProxy("127.0.0.1", first.port);
  await second.client.config("SET", "replica-announce-port", second.port);
  await second.client.replicaof("127.0.0.1", Number(link.address.split(":")[1]));
  await eventually("the replica has all", async () =>
    /master_link_status:up/.test(await second.client.info("replication")),
  );

  const sentinels: ChildProcess[] = [];
  const sentinelPorts: number[] = [];
  for (let i = 0; i < 3; i++) {
    const port = await freePort();
    sentinelPorts.push(port);
    sentinels.push(await startSentinel(join(directory, `sentinel-${port}`), port, first.port, password));
  }
  const clients = sentinelPorts.map((port) => new Redis({ port, retryStrategy: () => 200 }));
  for (const client of clients) client.on("error", () => {});
  const [asked] = clients as [Redis];
  await eventually(
    "the sentinels know each other and the replica",
    async () => {
      const states = await Promise.all(
        clients.map(async (client) => (await client.call("SENTINEL", "MASTER", masterName)) as string[]),
      );
      const read = (state: string[], name: string) => state[state.indexOf(name) + 1];
      return states.every((state) => read(state, "num-slaves") === "1" && read(state, "num-other-sentinels") === "2");
    },
    30_000,
  );

  const master = async () => {
    const address = (await asked.call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", masterName)) as [string, string];
    const found = servers.find(({ port }) => port === Number(address[1]));
    if (!found) throw new Error(`The sentinels name a master that is none of ours: ${address.join(":")}`);
    return found;
  };
  const untilAnother = (before: SentinelServer) =>
    eventually(
      "there is another master",
      async () => {
        const now = await master();
        return now.port !== before.port && (await now.client.info("replication")).includes("role:master");
      },
      // A sentinel whose clock jumps by two seconds, on a machine that stood still, does nothing for
      // thirty (TILT).
      75_000,
    );
  return {
    url: `redis+sentinel://:${password}@${sentinelPorts.map((port) => `127.0.0.1:${port}`).join(",")}/${masterName}`,
    master,
    servers,
    link,
    sentinels,
    async failOver() {
      const before = await master();
      // A sentinel that has just been busy knows of no good replica for a moment.
      await eventually("a sentinel fails over", () =>
        asked.call("SENTINEL", "FAILOVER", masterName).then(
          () => true,
          () => false,
        ),
      );
      await untilAnother(before);
    },
    async killMaster() {
      const before = await master();
      before.server.process.kill("SIGKILL");
      const killedAtMs = Date.now();
      await link.cut(); // what is on the way is lost with it
      await link.mend();
      await untilAnother(before);
      before.client.disconnect();
      servers[servers.indexOf(before)] = await start(before.port);
      return killedAtMs;
    },
    async close() {
      for (const client of [...clients, ...servers.map(({ client }) => client)]) client.disconnect();
      for (const sentinel of sentinels) {
        sentinel.kill("SIGCONT");
        sentinel.kill("SIGTERM");
      }
      await Promise.all(sentinels.map((sentinel) => childEnded(sentinel, 5_000)));
      await Promise.all(servers.map(({ server }) => server.stop()));
      await link.close();
    },
  };
}

/** It keeps what it learns in its configuration file. */
async function startSentinel(
  directory: string,
  port: number,
  masterPort: number,
  password: string,
): Promise<ChildProcess> {
  const account = await serverAccount();
  const program = await reachableRedis(account, await findRedisServer(() => {}));
  await ownFolder(directory, account);
  const settings = [
    `port ${port}`,
    "bind 127.0.0.1",
    `sentinel monitor ${masterName} 127.0.0.1 ${masterPort} 2`,
    `sentinel auth-pass ${masterName} ${password}`,
    `sentinel down-after-milliseconds ${masterName} ${downAfterMs}`,
    `sentinel failover-timeout ${masterName} 60000`, // so long a replica may copy through another address
    `sentinel parallel-syncs ${masterName} 1`,
  ];
  const file = join(directory, "sentinel.conf");
  await writeFile(file, `${settings.join("\n")}\n`, { mode: 0o600 });
  await giveTo(account, directory);
  const env = { ...process.env, ...(program.libraryPath && { LD_LIBRARY_PATH: program.libraryPath }) };
  return spawn(program.path, ["sentinel.conf", "--sentinel"], { ...account, env, cwd: directory, stdio: "ignore" });
}
