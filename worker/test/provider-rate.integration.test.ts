import { createWorld, type World } from "@holdfast/testing/world.ts";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { providerRate } from "../src/payment/provider-rate.ts";

describe("the rate of requests to the payment provider", () => {
  let world: World;
  beforeAll(async () => {
    world = await createWorld();
  });
  afterAll(() => world.close());
  beforeEach(async () => void (await world.redis.del(world.keys.providerRate)));
  const rate = (perSecond: number, closing = new AbortController().signal) =>
    providerRate(world.redis, world.keys.providerRate, perSecond, closing);
  const timeOf = async (work: Promise<unknown>) => {
    const beganAtMs = performance.now();
    await work;
    return performance.now() - beganAtMs;
  };

  test("is kept by all processes together, whoever asks", async () => {
    const [one, other] = [rate(50), rate(50)];
    const all = Array.from({ length: 30 }, (_, i) => (i % 2 ? one() : other()));
    const tookMs = await timeOf(Promise.all(all));
    expect(tookMs).toBeGreaterThan((1_000 * 26) / 50); // three of them may go at once
    expect(tookMs).toBeLessThan(5_000);
  });

  test("makes nobody wait who comes alone", async () => {
    expect(await timeOf(rate(1)())).toBeLessThan(500);
  });

  test("is not held up by a clock that was set back an hour", async () => {
    const inAnHourUs = (Date.now() + 3_600_000) * 1_000;
    await world.redis.set(world.keys.providerRate, inAnHourUs);
    expect(await timeOf(rate(10)())).toBeLessThan(1_000);
  });

  test("lets nobody wait on in a process that closes", async () => {
    const closing = new AbortController();
    const turn = rate(1, closing.signal);
    const waiting = Promise.allSettled(Array.from({ length: 10 }, turn));
    setTimeout(() => closing.abort(), 100);
    expect(await timeOf(waiting)).toBeLessThan(1_000);
    expect((await waiting).filter(({ status }) => status === "rejected").length).toBeGreaterThanOrEqual(6);
    await expect(turn()).rejects.toThrow(/abort/i);
  });
});
