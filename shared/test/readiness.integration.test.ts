import { setTimeout as sleep } from "node:timers/promises";
import { createWorld, type World } from "@holdfast/testing/world.ts";
import { sql } from "kysely";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Database, openDatabase, poolOf } from "../src/database.ts";
import { type LaneQueue, openLanes } from "../src/queues.ts";
import { readinessCheck } from "../src/readiness.ts";

describe("whether a process is ready", () => {
  let world: World;
  let lanes: LaneQueue[];
  let db: Database;
  beforeEach(async () => {
    world = await createWorld();
    lanes = openLanes(world, 4);
    db = openDatabase(world.databaseUrl, 10, () => {});
  });
  afterEach(async () => {
    await Promise.all(lanes.map((lane) => lane.close()));
    await db.destroy();
    await world.close();
  });

  test("a Postgres that hangs is soon down to everyone, stays so, and takes two connections, however many ask", async () => {
    const check = readinessCheck({ ...world, db, lanes });
    expect(await check()).toMatchObject({ redis: "up", postgres: "up" });
    await world.db.transaction().execute(async (trx) => {
      await sql`lock table redis_generations in access exclusive mode`.execute(trx);
      await sleep(300); // what was found before is not said any more
      expect((await check()).postgres).toBe("down");
      const deadline = Date.now() + 3_000;
      while (Date.now() < deadline) {
        const asked = await Promise.all(Array.from({ length: 50 }, () => check()));
        expect(asked.filter(({ redis, postgres }) => redis !== "up" || postgres !== "down")).toEqual([]);
      }
      expect(poolOf(db).totalCount).toBeLessThanOrEqual(2);
      expect(poolOf(db).waitingCount).toBe(0);
    });
    await expect.poll(async () => (await check()).postgres, { timeout: 10_000 }).toBe("up");
  }, 30_000);

  test("a Redis that answers and refuses writes is down, and up when it takes them again", async () => {
    let refusing = false;
    const redis = new Proxy(world.redis, {
      get(target, name) {
        const value = Reflect.get(target, name, target);
        if (name === "set" && refusing)
          return async () => {
            throw Object.assign(new Error("NOREPLICAS Not enough good replicas to write."), { name: "ReplyError" });
          };
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
    const check = readinessCheck({ ...world, db, redis, lanes });
    expect((await check()).redis).toBe("up");
    refusing = true;
    await expect.poll(async () => (await check()).redis, { timeout: 1_000 }).toBe("down");
    expect((await check()).postgres).toBe("up");
    refusing = false;
    await expect.poll(async () => (await check()).redis, { timeout: 1_000 }).toBe("up");
  });
});
