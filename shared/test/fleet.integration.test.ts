import { createWorld, eventually, type World } from "@holdfast/testing/world.ts";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type FleetMember, joinFleet, LanesDiffer } from "../src/fleet.ts";
import { createLog } from "../src/log.ts";
import { openLanes } from "../src/queues.ts";

describe("the number of lanes", () => {
  let world: World;
  let members: FleetMember[];
  beforeEach(async () => {
    world = await createWorld({ schema: false });
    members = [];
  });
  afterEach(async () => {
    vi.restoreAllMocks();
    await Promise.all(members.map((member) => member.leave()));
    await world.close();
  });

  const join = async (laneCount: number) => {
    const member = await joinFleet({ ...world, laneCount, log: createLog("fleet", "silent") });
    members.push(member);
    return member;
  };
  const expelled = async (member: FleetMember) =>
    Promise.race([member.expelled.then(() => true), Promise.resolve(false)]);
  const putInLine = async (lane: number, laneCount: number) => {
    const lanes = openLanes(world, laneCount);
    await lanes[lane]?.add("purchase", {} as never);
    await Promise.all(lanes.map((queue) => queue.close()));
    return () => lanes[lane]?.obliterate({ force: true });
  };

  test("a process that differs from the fleet is refused at start, in one line that says what to do", async () => {
    await join(4);
    await join(4);
    await expect(join(8)).rejects.toThrow(/^PURCHASE_LANES is 8 here and 4 in the fleet: set it to 4, or stop/);
    await join(4);
  });

  test("a process that starts while Redis takes no writes waits for it, and joins", async () => {
    const readOnly = vi
      .spyOn(world.redis, "eval")
      .mockRejectedValue(new Error("READONLY You can't write against a read only replica."));
    const joining = join(4);
    await eventually("it has tried twice", async () => readOnly.mock.calls.length >= 2);
    readOnly.mockRestore();
    await joining;
    await expect(join(8)).rejects.toThrow(LanesDiffer);
  });

  test("of several that start at once with different numbers, one number remains", async () => {
    const results = await Promise.allSettled([4, 8, 4, 8, 8, 4, 2].map(join));
    const refused = results.filter((result) => result.status === "rejected");
    expect(refused.length).toBeGreaterThan(0);
    for (const { reason } of refused) expect(reason).toBeInstanceOf(LanesDiffer);
    const numbers = [4, 8, 4, 8, 8, 4, 2].filter((_, i) => results[i]?.status === "fulfilled");
    expect(new Set(numbers).size).toBe(1);
  });

  test("is changed on purpose when every process has stopped and nothing waits in line", async () => {
    const [first, second] = [await join(4), await join(4)];
    await first.leave();
    await expect(join(8)).rejects.toThrow(LanesDiffer);
    await second.leave();
    await join(8);
    await expect(join(4)).rejects.toThrow(/4 here and 8 in the fleet/);
  });

  test.each([
    [4, 2, 3],
    [2, 4, 1],
  ])("is not changed from %i to %i while orders wait in lane %i", async (from, to, lane) => {
    await (await join(from)).leave();
    const clear = await putInLine(lane, from);
    await expect(join(to)).rejects.toThrow(`orders wait in lane ${lane} of the former ones; start with ${from}`);
    await (await join(from)).leave(); // as it says
    await clear();
    await join(to);
  });

  test("a killed process counts for ten seconds, and then no more", async () => {
    await world.redis.hset(world.keys.fleet, "member:killed", `4 1 ${Date.now() - 8_000}`, "lanes", "4");
    await expect(join(8)).rejects.toThrow(LanesDiffer);
    await eventually("the killed one is forgotten", () =>
      join(8).then(
        () => true,
        () => false,
      ),
    );
  });

  test("an emptied Redis makes nobody the fleet but who was there: a newcomer with another number gives way", async () => {
    const old = await join(4);
    await world.redis.del(world.keys.fleet);
    const newcomer = await join(8);
    expect((await newcomer.expelled).message).toMatch(/8 here and 4 in the fleet: an older process/);
    expect(await expelled(old)).toBe(false);
    await expect(join(8)).rejects.toThrow(LanesDiffer);
  });

  test("who was frozen while the fleet changed comes back as the youngest, and gives way", async () => {
    const frozen = await join(4);
    await world.redis.del(world.keys.fleet);
    const changed = await join(8);
    const now = performance.now();
    vi.spyOn(performance, "now").mockImplementation(() => now + 120_000);
    await expect(frozen.expelled).resolves.toBeInstanceOf(LanesDiffer);
    vi.restoreAllMocks();
    expect(await expelled(changed)).toBe(false);
  });
});
