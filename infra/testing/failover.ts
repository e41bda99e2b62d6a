import { randomBytes } from "node:crypto";
import { join } from "node:path";
import type { LocalServer } from "@holdfast/infra/local/local-server.ts";
import { redisUrl, startRedis } from "@holdfast/infra/local/redis.ts";
import { Redis } from "ioredis";
import { type CuttableProxy, cuttableProxy } from "./cuttable-proxy.ts";
import { eventually } from "./world.ts";

/** A master and its replica behind one address, as a managed Redis has them. */
export interface FailoverPair {
  /** The address that every part of the system knows. */
  readonly url: string;
  /** The replica becomes the master and the master its replica. No connection breaks. */
  failOver(): Promise<void>;
  /** New connections to the address lead to the new master from now on. */
  moveAddress(): void;
  close(): Promise<void>;
}

export async function failoverPair(directory: string): Promise<FailoverPair> {
  const password = randomBytes(24).toString("hex"); // the same for both, and for each to be let in by the other
  const start = (name: string) =>
    startRedis(join(directory, name), () => {}, { password, settings: { masterauth: password } });
  const servers = [await start("one"), await start("other")] as [LocalServer, LocalServer];
  const clients = servers.map(({ url }) => new Redis(url)) as [Redis, Redis];
  const ports = servers.map(({ url }) => Number(new URL(url).port)) as [number, number];
  let master: 0 | 1 = 0;
  let leadsTo: 0 | 1 = 0;
  const proxy: CuttableProxy = await cuttableProxy("127.0.0.1", () => ports[leadsTo]);
  const role = async (server: 0 | 1) => String((await clients[server].role())[0]);
  const isLinked = async () => /master_link_status:up/.test(await clients[master === 0 ? 1 : 0].info("replication"));
  await clients[1].replicaof("127.0.0.1", ports[0]);
  await eventually("the replica has all", isLinked);
  return {
    url: redisUrl(password, Number(proxy.address.split(":")[1])),
    async failOver() {
      const next = master === 0 ? 1 : 0;
      // FAILOVER hands over without a loss: writes wait until the replica has all of them.
      await clients[master].call("FAILOVER", "TO", "127.0.0.1", String(ports[next]));
      await eventually("the replica is the master", async () => (await role(next)) === "master");
      await eventually("the master is its replica", async () => (await role(master)) === "slave");
      master = next;
      await eventually("it has all", isLinked);
    },
    moveAddress() {
      leadsTo = master;
    },
    async close() {
      for (const client of clients) client.disconnect();
      await proxy.close();
      await Promise.all(servers.map((server) => server.stop()));
    },
  };
}
