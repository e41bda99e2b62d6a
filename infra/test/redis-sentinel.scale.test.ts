import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { connectRedis, type RedisClient, requireRedis } from "@holdfast/shared/redis.ts";
import { readKnownGeneration, readLosses } from "@holdfast/shared/redis-generation.ts";
import { cuttableProxy } from "@holdfast/testing/cuttable-proxy.ts";
import { type RedisSentinel, startRedisSentinel } from "@holdfast/testing/redis-sentinel.ts";
import { describeSale, saleUnderChange } from "@holdfast/testing/sale-under-change.ts";
import { createWorld, eventually, type World } from "@holdfast/testing/world.ts";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type PrivateSystem, startPrivateSystem } from "../local/private-system.ts";

const lagMs = 100; // of the replica: what the master's death costs without waiting for it

describe("on a master and a replica that three sentinels watch", () => {
  let world: World;
  let directory: string;
  let sentinel: RedisSentinel;
  let system: PrivateSystem | undefined;
  let redis: RedisClient;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "holdfast-sentinel-test-"));
    world = await createWorld();
  });
  afterEach(async () => {
    await system?.stop();
    system = undefined;
    redis?.disconnect();
    await sentinel?.close();
    await world.close();
    await rm(directory, { recursive: true, force: true });
  });

  const sell = async (
    name: string,
    replicas: number,
    replicaLagMs: number,
    change: () => Promise<{ redisLostAtMs: number } | undefined>,
  ) => {
    sentinel = await startRedisSentinel(directory, { minReplicas: replicas });
    redis = connectRedis(sentinel.url, "waiting", () => {});
    await requireRedis(redis);
    sentinel.link.delay(replicaLagMs);
    const env = {
      ...world.env,
      REDIS_URL: sentinel.url,
      CHARGE_RATE_PER_SECOND: "500",
      ACCEPT_REPLICAS: String(replicas),
    };
    system = await startPrivateSystem({ apis: 2, workers: 2, env, logDirectory: join(directory, "log") });
    await eventually("a generation has begun", async () => (await readKnownGeneration(world.db))?.recovered === true);
    const sale = await saleUnderChange({ system, db: world.db, redis, redisPrefix: world.redisPrefix }, change);
    process.stdout.write(describeSale(name, sale));
    return sale;
  };
  const clean = { gone: 0, lost: 0, doubled: 0, oversold: 0 };
  const failed = ({ findings }: { findings: readonly { ok: boolean }[] }) => findings.filter(({ ok }) => !ok);

  test("2,000 shoppers while the master is killed, its replica 100 ms behind: with ACCEPT_REPLICAS=1 no order is lost", async () => {
    const sale = await sell("killed, ACCEPT_REPLICAS=1", 1, lagMs, async () => {
      await sentinel.killMaster();
      return undefined;
    });
    expect(failed(sale)).toEqual([]);
    expect(sale).toMatchObject(clean);
  });

  test("2,000 shoppers while the master is killed, its replica some hundred ms behind: without waiting, the loss is noticed", async () => {
    const sale = await sell("killed, ACCEPT_REPLICAS=0", 0, lagMs, async () => {
      sentinel.link.freeze();
      await sleep(300); // some were accepted meanwhile, whatever this machine did
      return { redisLostAtMs: await sentinel.killMaster() };
    });
    expect(failed(sale)).toEqual([]);
    expect(sale).toMatchObject({ doubled: 0, oversold: 0 });
    expect((await readLosses(world.db)).last?.cause).toBe("restored");
  });

  test("2,000 shoppers while operations have the sentinels fail over", async () => {
    const sale = await sell("a failover by hand", 1, 0, async () => {
      await sentinel.failOver();
      return undefined;
    });
    expect(failed(sale)).toEqual([]);
    expect(sale).toMatchObject(clean);
  });

  test("a connection that asks a slow sentinel while another master is announced is made all the same", async () => {
    sentinel = await startRedisSentinel(directory);
    const { hostname, port } = new URL(sentinel.url.replace("redis+sentinel", "http").replace(/,[^/]*/, ""));
    const slow = await cuttableProxy(hostname, Number(port));
    const url = sentinel.url.replace(/(?<=@)[^/]+/, slow.address); // the others are heard of there
    slow.delay(200);
    const clients = Array.from({ length: 10 }, () => connectRedis(url, "waiting", () => {}));
    redis = clients[0] as RedisClient; // closed afterwards, as the others
    await Promise.all(clients.map(requireRedis));
    await sleep(1_500); // it listens for failovers
    await sentinel.killMaster();
    await eventually("all are connected", async () => clients.every(({ status }) => status === "ready"));
    for (const client of clients) client.disconnect();
    await slow.close();
  });
});
