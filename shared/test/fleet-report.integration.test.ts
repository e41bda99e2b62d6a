import { createWorld, eventually, type World } from "@holdfast/testing/world.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type MemberFigures, readReports, reportMember } from "../src/fleet-report.ts";
import { createLog } from "../src/log.ts";

describe("what a process says of itself", () => {
  let world: World;
  beforeAll(async () => {
    world = await createWorld();
  });
  afterAll(() => world.close());
  const figures: MemberFigures = {
    orders: {},
    decisionSeconds: [],
    charges: {},
    providerErrors: {},
    requests: 0,
    shed: 0,
    waiting: 0,
  };
  const report = () =>
    reportMember(
      { redis: world.redis, keys: world.keys, log: createLog("test", "silent") },
      {
        kind: "worker",
        roles: ["sweep"],
        version: "1.0.0",
        provider: null,
        figures: () => figures,
        providerState: () => ({ providerError: null, providerSilentMs: 0 }),
      },
    );

  test("whoever leaves says so in every report from then on, and is no member after the last one", async () => {
    const member = report();
    await member.leaving(); // while its first report is on its way
    const [first] = await readReports(world);
    expect(first?.leaving).toBe(true);
    let next = first;
    await eventually("it reports again", async () => {
      [next] = await readReports(world);
      return (next?.sentAtMs ?? 0) > (first?.sentAtMs ?? 0);
    });
    expect(next?.leaving).toBe(true);
    void member.leaving();
    await member.leave();
    expect(await readReports(world)).toEqual([]);
  });

  test("what is none of a process of ours is no member, and is taken out", async () => {
    await world.redis.hset(world.keys.fleetReports, "stranger", `${Date.now()} {"kind":"toaster"}`);
    expect(await readReports(world)).toEqual([]);
    expect(await world.redis.hlen(world.keys.fleetReports)).toBe(0);
  });
});
