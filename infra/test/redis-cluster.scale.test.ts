import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { laneQueueName } from "@holdfast/shared/lanes.ts";
import { createLog } from "@holdfast/shared/log.ts";
import { connectRedis, type RedisClient, redisKeys, requireRedis } from "@holdfast/shared/redis.ts";
import { readKnownGeneration } from "@holdfast/shared/redis-generation.ts";
import { watchGenerationOnce } from "@holdfast/shared/watch-generation.ts";
import { type RedisCluster, startRedisCluster } from "@holdfast/testing/redis-cluster.ts";
import { describeSale, saleUnderChange } from "@holdfast/testing/sale-under-change.ts";
import { createWorld, eventually, type World } from "@holdfast/testing/world.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type PrivateSystem, startPrivateSystem } from "../local/private-system.ts";
import { processUsage } from "../local/process-usage.ts";

const laneCount = 4;

describe("on a Redis Cluster of three masters, each with a replica", () => {
  let world: World;
  let directory: string;
  let cluster: RedisCluster;
  let system: PrivateSystem;
  let redis: RedisClient;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "holdfast-cluster-test-"));
    world = await createWorld();
    cluster = await startRedisCluster(directory);
    const env = { ...world.env, REDIS_URL: cluster.url, CHARGE_RATE_PER_SECOND: "500", ACCEPT_REPLICAS: "1" };
    system = await startPrivateSystem({ apis: 2, workers: 2, env, logDirectory: join(directory, "log") });
    redis = connectRedis(cluster.url, "waiting", () => {});
    await requireRedis(redis);
    await eventually("a generation has begun", async () => (await readKnownGeneration(world.db))?.recovered === true);
  });
  afterAll(async () => {
    await system?.stop();
    redis?.disconnect();
    await cluster?.close();
    await world?.close();
    await rm(directory, { recursive: true, force: true });
  });

  const slotOf = async (key: string) => Number(await redis.cluster("KEYSLOT", key));
  const laneSlots = () => Promise.all(Array.from({ length: laneCount }, (_, lane) => slotOf(laneQueueName(lane))));
  const sell = async (name: string, change: () => Promise<undefined>, shoppers = 2_000) => {
    const parts = { system, db: world.db, redis, redisPrefix: world.redisPrefix, shoppers };
    const sale = await saleUnderChange(parts, change);
    process.stdout.write(describeSale(name, sale));
    return sale;
  };
  const clean = { gone: 0, lost: 0, doubled: 0, oversold: 0 };
  const failed = ({ findings }: { findings: readonly { ok: boolean }[] }) => findings.filter(({ ok }) => !ok);

  test("each range of 512 slots has a key of the generation", async () => {
    const slots = await Promise.all(redisKeys("").generationWitnesses.map(slotOf));
    expect(slots.map((slot) => Math.floor(slot / 512))).toEqual(Array.from({ length: 32 }, (_, i) => i));
  });

  test("keys of the generation that are new are given its token, and are no loss; one that had it and lacks it is", async () => {
    const own = await createWorld();
    const keys = redisKeys("partly:");
    const log = createLog("test", "silent");
    const alarms: string[] = [];
    const raiseAlarm = (name: string) => void alarms.push(name);
    const parts = { db: own.db, redis, keys, lanes: [], recover: async () => {}, lacksSome: null, log, raiseAlarm };
    const look = () => watchGenerationOnce(parts);
    const isComplete = async () => (await redis.hget(keys.generation, "complete")) === "1";
    const untilComplete = () =>
      eventually("all have it", async () => (await look()) === "sound" && (await isComplete()));
    await untilComplete();
    // As of a version that had no others, one of whose successors died while it added them.
    await redis.hdel(keys.generation, "complete");
    for (const key of keys.generationWitnesses.slice(3)) await redis.del(key);
    expect(await look()).toBe("sound");
    await untilComplete();
    expect([(await readKnownGeneration(own.db))?.generation, alarms]).toEqual([1, []]);
    await redis.del(keys.generationWitnesses[7] ?? "");
    expect(await look()).toBe("emptied");
    expect(alarms).toEqual(["redis_emptied"]);
    await own.close();
  });

  test("2,000 shoppers while a master with lanes is killed, its replica takes over, and it comes back as a replica", async () => {
    const [slot = 0] = await laneSlots();
    const sale = await sell("a master killed", async () => {
      const master = await cluster.masterOf(slot);
      await cluster.kill(master);
      await eventually("its replica has taken over", async () => {
        const now = await cluster.findMaster(slot);
        return now !== null && now.id !== master.id;
      });
      await sleep(500);
      await cluster.restart(master);
      return undefined;
    });
    expect(failed(sale)).toEqual([]);
    expect(sale).toMatchObject(clean);
  });

  test("2,000 shoppers while a master with lanes hands over to its replica", async () => {
    const [slot = 0] = await laneSlots();
    const sale = await sell("a failover by hand", async () => {
      await cluster.failOver(await cluster.masterOf(slot));
      return undefined;
    });
    expect(failed(sale)).toEqual([]);
    expect(sale).toMatchObject(clean);
  });

  test("2,000 shoppers while the slots of all lanes, and a hundred others, move to another master", async () => {
    const lanes = await laneSlots();
    const sale = await sell("a reshard", async () => {
      const [first = 0] = lanes;
      const target = await cluster.masterOf((first + 8_192) % 16_384);
      await cluster.moveSlots([...lanes, ...Array.from({ length: 100 }, (_, i) => first + i + 1)], target);
      return undefined;
    });
    expect(failed(sale)).toEqual([]);
    expect(sale).toMatchObject(clean);
  });

  test("whichever master is emptied, it is noticed and put right", async () => {
    for (const slot of [0, 8_192, 16_383]) {
      const before = await readKnownGeneration(world.db);
      await (await cluster.masterOf(slot)).client.flushall();
      await eventually("a new generation has begun", async () => {
        const now = await readKnownGeneration(world.db);
        return now !== null && now.generation > (before?.generation ?? 0) && now.recovered;
      });
      expect((await readKnownGeneration(world.db))?.cause).toBe("emptied");
    }
  });

  test("while no node answers nobody takes a core, and the sale goes on when they are back", async () => {
    for (const node of cluster.nodes) await cluster.kill(node);
    const processes = [...system.apis, ...system.workers].map(({ process: { pid = 0 } }) => pid);
    await sleep(2_000);
    const usedMs = () => Promise.all(processes.map(async (pid) => (await processUsage(pid))?.cpuMs ?? Number.NaN));
    const before = await usedMs();
    await sleep(5_000);
    const after = await usedMs();
    const shares = after.map((ms, i) => (ms - (before[i] ?? 0)) / 5_000);
    process.stdout.write(`no Cluster: ${shares.map((share) => `${Math.round(100 * share)} %`).join(", ")} of a core\n`);
    expect(Math.max(...shares)).toBeLessThan(0.3); // NaN where one of them has ended
    await cluster.restartAll();
    const sale = await sell("after an outage", async () => undefined, 200);
    expect(failed(sale)).toEqual([]);
    expect(sale).toMatchObject(clean);
  });
});
