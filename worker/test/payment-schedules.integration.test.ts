import { seedFrom } from "@holdfast/testing/seeds.ts";
import { createWorld, type World } from "@holdfast/testing/world.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PaymentSchedule } from "./payment-schedule.ts";

/**
 * Random schedules of everything that can happen to an order's money (payment-schedule.ts). After
 * each, the books are held against the provider's ledger.
 *
 * SCHEDULES and SEED in the environment run more of them, or a failed one again.
 */
const schedules = Number(process.env.SCHEDULES ?? 150);
const firstSeed = seedFrom(process.env.SEED);
const atATime = 4;

describe("an order's money, whatever happens", () => {
  // Each runs its schedules in a world of its own: the sweeper looks after everything it finds.
  let worlds: World[];
  beforeAll(async () => {
    worlds = await Promise.all(Array.from({ length: atATime }, () => createWorld()));
  });
  afterAll(() => Promise.all(worlds.map((world) => world.close())));

  test(`${schedules} random schedules from seed ${firstSeed}: one payment for a confirmed order, none for any other, no unit lost`, {
    timeout: 3_600_000,
  }, async () => {
    const seeds = Array.from({ length: schedules }, (_, i) => firstSeed + schedules - 1 - i);
    const runAll = async (world: World) => {
      for (let seed = seeds.pop(); seed !== undefined; seed = seeds.pop()) {
        await PaymentSchedule.run(world, seed).catch((error: unknown) => {
          seeds.length = 0; // one is enough to look into
          throw error;
        });
      }
    };
    await Promise.all(worlds.map(runAll));
    expect(seeds).toEqual([]);
  });
});
