import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { LocalServer } from "@holdfast/infra/local/local-server.ts";
import { startRedis } from "@holdfast/infra/local/redis.ts";
import { createWorld, eventually, type World } from "@holdfast/testing/world.ts";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createAlarms } from "../src/alarm.ts";
import { createLog } from "../src/log.ts";
import { isOutage } from "../src/outage.ts";
import { connectRedis, type RedisClient, requireRedis } from "../src/redis.ts";
import { readLosses } from "../src/redis-generation.ts";
import { type GenerationParts, watchGenerationOnce } from "../src/watch-generation.ts";

describe("watching the generation of a Redis that can refuse writes", () => {
  let world: World;
  let directory: string;
  let server: LocalServer;
  let redis: RedisClient;
  let admin: RedisClient;
  let alarms: string[];
  let parts: GenerationParts;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "holdfast-generation-"));
    [world, server] = await Promise.all([createWorld(), startRedis(join(directory, "redis"), () => {})]);
    redis = connectRedis(server.url, "failing", () => {});
    admin = connectRedis(server.url, "waiting", () => {});
    await Promise.all([requireRedis(redis), requireRedis(admin)]);
    alarms = [];
    const log = createLog("test", "error", {
      write: (line) => void alarms.push((JSON.parse(line) as { alarm: string }).alarm),
    });
    const { db, keys } = world;
    const recover = async () => {};
    parts = { db, redis, keys, lanes: [], recover, lacksSome: null, log, raiseAlarm: createAlarms(log) };
    await untilSound();
  });
  afterEach(async () => {
    redis.disconnect();
    admin.disconnect();
    await Promise.all([world.close(), server.stop()]);
    await rm(directory, { recursive: true, force: true });
  });

  const look = () => watchGenerationOnce(parts);
  const untilSound = () =>
    eventually("it is sound", async () => (await look().catch(() => "unavailable")) === "sound", 6_000);
  const generationCount = async () =>
    (await world.db.selectFrom("redis_generations").select("generation").execute()).length;
  /**
   * Each look is told that Redis is unavailable, however often; a connection that is made anew is
   * waited for.
   */
  const expectOutages = async () => {
    for (let round = 0; round < 3; round++) {
      const error = await look().catch((thrown: unknown) => thrown);
      expect([error, isOutage(error)]).toEqual([expect.any(Error), true]);
      await eventually("it is connected", async () => redis.status === "ready");
    }
  };

  test("emptied while it takes no writes, a generation begins once it does: one generation, one alarm", async () => {
    await admin.flushall();
    await admin.config("SET", "min-replicas-to-write", "1");
    await expectOutages();
    expect([await generationCount(), alarms]).toEqual([1, []]);
    await admin.config("SET", "min-replicas-to-write", "0");
    await untilSound();
    expect([await generationCount(), alarms]).toEqual([2, ["redis_emptied"]]);
  });

  test("demoted and behind the new master, it is unavailable and not restored; its connection is made anew", async () => {
    await admin.hset(world.keys.generation, "heartbeats", 3);
    await world.db.updateTable("redis_generations").set({ heartbeats: 5 }).execute(); // as others count it at the new master
    await admin.call("REPLICAOF", "127.0.0.1", "1");
    let connections = 0;
    redis.on("connect", () => void connections++);
    await expectOutages();
    await eventually("its connection is made anew", async () => connections > 0 && redis.status === "ready");
    await admin.call("REPLICAOF", "NO", "ONE");
    await admin.hset(world.keys.generation, "heartbeats", 5); // the new master, by now where the address leads
    await untilSound();
    expect([await generationCount(), alarms]).toEqual([1, []]);
  });

  test("what only a demoted master lacked, asked before the connection left it, is no loss", async () => {
    const answers = [true, false];
    const lacksSome = async () => answers.shift() ?? false;
    expect(await watchGenerationOnce({ ...parts, lacksSome })).toBe("sound");
    expect([answers, await generationCount(), alarms]).toEqual([[], 1, []]);
  });

  test("two losses within a minute are two alarms, and ten are no more than that", async () => {
    for (let loss = 1; loss <= 10; loss++) {
      await admin.flushall();
      await untilSound();
      expect(await readLosses(world.db)).toEqual({ count: loss, last: { cause: "emptied", atMs: expect.any(Number) } });
    }
    expect(alarms).toEqual(["redis_emptied", "redis_emptied:again"]);
  });

  test("a Postgres that knows of no generation beside a Redis that does is behind, and nothing is begun", async () => {
    const empty = await createWorld();
    const beside = { ...parts, db: empty.db };
    expect(await watchGenerationOnce(beside)).toBe("postgres_behind");
    expect(await empty.db.selectFrom("redis_generations").selectAll().execute()).toEqual([]);
    expect(alarms).toEqual(["postgres_behind"]);
    expect(await look()).toBe("sound"); // Redis has the token it had
    await empty.close();
  });

  test("a Postgres that lacks what Redis was told after its commit is behind, and counts no heartbeat", async () => {
    let asked = 0;
    const lacksCommits = async () => ++asked === 1;
    await world.db
      .updateTable("redis_generations")
      .set({ heartbeat_at: new Date(0) })
      .execute();
    expect(await watchGenerationOnce({ ...parts, lacksCommits })).toBe("postgres_behind");
    const row = await world.db.selectFrom("redis_generations").select("heartbeat_at").executeTakeFirstOrThrow();
    expect([row.heartbeat_at, alarms]).toEqual([new Date(0), ["postgres_behind"]]);
    expect(await watchGenerationOnce({ ...parts, lacksCommits })).toBe("sound");
  });
});
