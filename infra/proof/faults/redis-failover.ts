import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import type { LocalServer } from "../../local/local-server.ts";
import { waitUntil } from "../../local/processes.ts";
import { startRedis } from "../../local/redis.ts";
import type { Scenario } from "./scenario.ts";
import type { Stage } from "./stage.ts";

/**
 * A planned failover as managed Redis does it: a replica that has everything becomes the master,
 * and the old master its replica. No socket breaks: whoever holds one goes on talking to a server
 * that answers a PING and refuses every write with READONLY. A moment later the address leads to
 * the new master, for those who connect again.
 */
export const redisFailover: Scenario = {
  name: "redis-failover",
  title: "a failover of Redis that breaks no connection: everybody leaves the demoted master, and nothing is lost",
  async strike({ stage, chance, crowd, lasting }) {
    const home = stage.redisPort;
    const standby = await startStandby(stage);
    const putBack = () => failBack(stage, standby, home);
    try {
      const standbyPort = portOf(standby);
      crowd.rush(15); // the first one is over by now
      await sleep(chance.between(50, 400));
      const struckAtMs = Date.now();
      await handOver(stage.redisClient as Redis, standbyPort);
      await sleep(chance.between(lasting(100, 500), lasting(1_000, 5_000))); // names change later than roles
      stage.redisPort = standbyPort;
      return { struckAtMs, backAtMs: Date.now(), afterwards: putBack };
    } catch (error) {
      await putBack();
      throw error;
    }
  },
};

/** A second Redis with the data of the first one, kept up to date by it. */
async function startStandby(stage: Stage): Promise<LocalServer> {
  const password = stage.redisPassword;
  const standby = await startRedis(join(stage.directory, "redis-standby"), () => {}, {
    fresh: true,
    password,
    settings: { masterauth: password },
  });
  try {
    await (stage.redisClient as Redis).config("SET", "masterauth", password); // it will be a replica itself
    await withClient(standby.url, async (client) => {
      await client.replicaof("127.0.0.1", stage.redisPort);
      await waitUntil(10_000, "the standby to have everything", async () =>
        (await client.info("replication")).includes("master_link_status:up"),
      );
    });
    return standby;
  } catch (error) {
    await standby.stop();
    throw error;
  }
}

/**
 * Makes a replica the master in the place of its own:
 * https://redis.io/docs/latest/commands/failover. Writes wait until the replica has everything, and
 * are then refused.
 */
async function handOver(master: Redis, toPort: number): Promise<void> {
  await master.call("FAILOVER", "TO", "127.0.0.1", toPort, "TIMEOUT", 5_000);
  await waitUntil(10_000, "the master to step down", async () => {
    const state = await master.info("replication");
    return state.includes("role:slave") && state.includes("master_link_status:up");
  });
}

/** Everything is again where the other scenarios expect it; by now connections may break. */
async function failBack(stage: Stage, standby: LocalServer, home: number): Promise<void> {
  try {
    await withClient(standby.url, async (client) => {
      if ((await client.info("replication")).includes("role:master")) await handOver(client, home);
    });
  } finally {
    stage.redisPort = home;
    const links = [stage.links["api-redis"], stage.links["worker-redis"]];
    await Promise.all(links.map((link) => link.cut()));
    await Promise.all(links.map((link) => link.mend()));
    await standby.stop();
  }
}

async function withClient(url: string, act: (client: Redis) => Promise<void>): Promise<void> {
  const client = new Redis(url);
  client.on("error", () => {});
  try {
    await act(client);
  } finally {
    client.disconnect();
  }
}

function portOf(server: LocalServer): number {
  return Number(new URL(server.url).port);
}
