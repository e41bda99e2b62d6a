import { randomBytes } from "node:crypto";
import { join } from "node:path";
import type { LocalServer } from "@holdfast/infra/local/local-server.ts";
import { freePort } from "@holdfast/infra/local/processes.ts";
import { startRedis } from "@holdfast/infra/local/redis.ts";
import { Redis } from "ioredis";
import { eventually } from "./world.ts";

/** A server of the Cluster, whatever its role is now. */
export interface ClusterNode {
  readonly port: number;
  readonly id: string;
  readonly client: Redis;
  readonly server: LocalServer;
}

/** A Redis Cluster of masters with one replica each, on the loopback interface. */
export interface RedisCluster {
  /** As REDIS_URL has it: all its nodes. */
  readonly url: string;
  readonly nodes: readonly ClusterNode[];
  /** Who has a slot now; null where somebody is just taking over. */
  findMaster(slot: number): Promise<ClusterNode | null>;
  masterOf(slot: number): Promise<ClusterNode>;
  /** Its replica takes over by itself. */
  kill(node: ClusterNode): Promise<void>;
  /** Starts a killed one again, with the data it had: it becomes a replica. */
  restart(node: ClusterNode): Promise<void>;
  /** After all were killed. */
  restartAll(): Promise<void>;
  /** A planned failover: the replica of this master takes its place, with everything it has. */
  failOver(master: ClusterNode): Promise<void>;
  /** Moves slots with their keys to another master, while everybody goes on. */
  moveSlots(slots: readonly number[], target: ClusterNode): Promise<void>;
  close(): Promise<void>;
}

const nodeTimeoutMs = 2_000; // a killed master is missed after this, and replaced a second or two later
const slotCount = 16_384;

export async function startRedisCluster(directory: string, { masters = 3 } = {}): Promise<RedisCluster> {
  const password = randomBytes(24).toString("hex");
  const clients = new Map<LocalServer, Redis>();
  const start = async (port: number, busPort: number) => {
    const settings = {
      "cluster-enabled": "yes",
      "cluster-node-timeout": String(nodeTimeoutMs),
      "cluster-port": String(busPort),
      masterauth: password,
    };
    const server = await startRedis(join(directory, `node-${port}`), () => {}, { password, port, settings });
    const client = new Redis(server.url);
    client.on("error", () => {});
    clients.set(server, client);
    return { server, client };
  };
  const free = new Set<number>(); // one that is free may be named twice
  while (free.size < 4 * masters) free.add(await freePort());
  const all = [...free];
  const ports = Array.from({ length: 2 * masters }, (_, i) => [all[2 * i], all[2 * i + 1]]);
  const nodes: { port: number; busPort: number; id: string; client: Redis; server: LocalServer }[] = [];
  for (const [port = 0, busPort = 0] of ports) {
    const { server, client } = await start(port, busPort);
    nodes.push({ port, busPort, id: String(await client.cluster("MYID")), client, server });
  }
  const [first] = nodes as [(typeof nodes)[number]];
  const share = Math.ceil(slotCount / masters);
  for (const [i, { client, port, busPort }] of nodes.entries()) {
    if (i < masters) {
      await client.call("CLUSTER", "ADDSLOTSRANGE", i * share, Math.min((i + 1) * share, slotCount) - 1);
      await client.call("CLUSTER", "SET-CONFIG-EPOCH", i + 1);
    }
    await first.client.call("CLUSTER", "MEET", "127.0.0.1", port, busPort);
  }
  const knows = async (client: Redis, id: string) => String(await client.cluster("NODES")).includes(id);
  await eventually("all nodes know each other", async () => {
    const asked = await Promise.all(nodes.flatMap(({ client }) => nodes.map(({ id }) => knows(client, id))));
    return !asked.includes(false);
  });
  for (const [i, { client }] of nodes.entries()) {
    if (i >= masters) await client.cluster("REPLICATE", (nodes[i - masters] as (typeof nodes)[number]).id);
  }
  const isLinked = async (client: Redis) => /role:master|master_link_status:up/.test(await client.info("replication"));
  const isOk = async (client: Redis) => /cluster_state:ok/.test(String(await client.cluster("INFO")));
  const whole = (all: readonly { client: Redis }[]) => async () => {
    const asked = all.flatMap(({ client }) => [isOk(client), isLinked(client)]);
    return !(await Promise.all(asked)).includes(false);
  };
  await eventually("the Cluster has all slots and replicas", whole(nodes));

  const findMaster = async (slot: number) => {
    const alive = nodes.filter(({ server }) => server.process.exitCode === null && server.process.signalCode === null);
    for (const { client } of alive) {
      const ranges = await client.cluster("SLOTS");
      const range = ranges.find(([from, to]) => slot >= from && slot <= to);
      const node = alive.find(({ port }) => port === range?.[2]?.[1]);
      if (node) return node;
    }
    return null;
  };
  const masterOf = async (slot: number) => {
    const master = await findMaster(slot);
    if (master === null) throw new Error(`Nobody has slot ${slot}`);
    return master;
  };
  return {
    url: nodes.map(({ port }) => `redis://:${password}@127.0.0.1:${port}`).join(","),
    nodes,
    findMaster,
    masterOf,
    async kill(node) {
      node.server.process.kill("SIGKILL");
      await eventually("it has ended", async () => node.server.process.signalCode !== null);
    },
    async restart(node) {
      const known = nodes.find(({ id }) => id === node.id) as (typeof nodes)[number];
      known.client.disconnect();
      Object.assign(known, await start(known.port, known.busPort));
      await eventually("it is back", whole([known]));
    },
    async restartAll() {
      for (const known of nodes) {
        known.client.disconnect();
        Object.assign(known, await start(known.port, known.busPort));
      }
      await eventually("the Cluster is back", whole(nodes), 60_000);
    },
    async failOver(master) {
      const replicas = (await master.client.call("CLUSTER", "REPLICAS", master.id)) as string[];
      const replica = nodes.find(({ id }) => replicas.some((line) => line.startsWith(id)));
      if (!replica) throw new Error("This master has no replica");
      const isMaster = async () => (await replica.client.info("replication")).includes("role:master");
      // On a busy machine a replica gives it up after some seconds, and says nothing.
      for (let tries = 1; !(await isMaster()); tries += 1) {
        await replica.client.cluster("FAILOVER");
        await eventually("the replica is the master", isMaster, 10_000).catch((error: unknown) => {
          if (tries === 3) throw error;
        });
      }
    },
    async moveSlots(slots, target) {
      for (const slot of slots) await moveSlot(slot, await masterOf(slot), target, nodes, password);
    },
    async close() {
      for (const client of clients.values()) client.disconnect();
      await Promise.all([...clients.keys()].map((server) => server.stop()));
    },
  };
}

/** As https://redis.io/docs/latest/commands/cluster-setslot describes it. */
async function moveSlot(
  slot: number,
  source: ClusterNode,
  target: ClusterNode,
  all: readonly ClusterNode[],
  password: string,
): Promise<void> {
  if (source.id === target.id) return;
  await target.client.call("CLUSTER", "SETSLOT", slot, "IMPORTING", source.id);
  await source.client.call("CLUSTER", "SETSLOT", slot, "MIGRATING", target.id);
  for (;;) {
    const keys = (await source.client.call("CLUSTER", "GETKEYSINSLOT", slot, 100)) as string[];
    if (keys.length === 0) break;
    const to = ["127.0.0.1", target.port, "", 0, 5_000, "AUTH", password, "KEYS", ...keys];
    await source.client.call("MIGRATE", ...to);
  }
  await target.client.call("CLUSTER", "SETSLOT", slot, "NODE", target.id);
  await source.client.call("CLUSTER", "SETSLOT", slot, "NODE", target.id);
  for (const { client, server } of all) {
    const isMaster = server.process.signalCode === null && String((await client.role())[0]) === "master";
    if (isMaster) await client.call("CLUSTER", "SETSLOT", slot, "NODE", target.id);
  }
}
