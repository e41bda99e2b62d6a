import { createWorld, type World } from "@holdfast/testing/world.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { advanceLine, readItemLine, takePlaces, usualPerSecond } from "../src/line.ts";

const lane = "{lane-0}";
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe("the pace of an item's line", () => {
  let world: World;
  beforeAll(async () => {
    world = await createWorld();
  });
  afterAll(() => world.close());
  const pace = async (item: string) => (await readItemLine(world, lane, item)).perSecond;

  test("is the usual one until its line was seen moving", async () => {
    expect(await pace("new")).toBe(usualPerSecond);
    await takePlaces(world, lane, "new", 100, 1_000_000);
    expect(await pace("new")).toBe(usualPerSecond);
    await advanceLine(world, lane, "new", 10);
    expect(await pace("new")).toBe(usualPerSecond);
  });

  test("is what is decided over the time in which somebody waited", async () => {
    await takePlaces(world, lane, "slow", 1_000, 1_000_000);
    for (let place = 1; place <= 60; place++) {
      await advanceLine(world, lane, "slow", place);
      await pause(100);
    }
    const seen = await pace("slow"); // ten a second, and what is left of the usual one after six seconds
    expect(seen).toBeGreaterThan(8);
    expect(seen).toBeLessThan(usualPerSecond / 4);
  });

  test("says nothing of the time in which nobody waited, and of a pause two seconds at most", async () => {
    await takePlaces(world, lane, "idle", 10, 1_000_000);
    await advanceLine(world, lane, "idle", 10);
    await pause(1_500);
    await takePlaces(world, lane, "idle", 10, 1_000_000);
    await advanceLine(world, lane, "idle", 20);
    expect(await pace("idle")).toBe(usualPerSecond);
    await takePlaces(world, lane, "idle", 10, 1_000_000);
    await world.redis.hset(world.keys.line(lane), "pace:idle", `1000.0 1.000 ${Date.now() - 3_600_000} 10`);
    await advanceLine(world, lane, "idle", 30);
    expect(await pace("idle")).toBeGreaterThan(200);
  });

  test("is the same after a job that runs twice, and goes on from one worker to the next", async () => {
    await takePlaces(world, lane, "twice", 100, 1_000_000);
    await advanceLine(world, lane, "twice", 50);
    const before = await world.redis.hget(world.keys.line(lane), "pace:twice");
    await advanceLine(world, lane, "twice", 50);
    await advanceLine(world, lane, "twice", 20);
    expect(await world.redis.hget(world.keys.line(lane), "pace:twice")).toBe(before);
  });
});
