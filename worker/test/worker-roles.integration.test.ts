import { laneOf } from "@holdfast/shared/lanes.ts";
import type { LaneQueue } from "@holdfast/shared/queues.ts";
import { openLanes } from "@holdfast/shared/queues.ts";
import type { Serving } from "@holdfast/shared/run-process.ts";
import { acceptor } from "@holdfast/testing/accept.ts";
import { addItem } from "@holdfast/testing/items.ts";
import { purchaseRequest } from "@holdfast/testing/purchases.ts";
import { startTestSimulator, type TestSimulator } from "@holdfast/testing/simulator.ts";
import { startTestWorker } from "@holdfast/testing/worker.ts";
import { createWorld, eventually, type World } from "@holdfast/testing/world.ts";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

describe("workers with roles", () => {
  let world: World;
  let simulator: TestSimulator;
  let lanes: LaneQueue[];
  let workers: Serving[];
  beforeEach(async () => {
    world = await createWorld();
    simulator = await startTestSimulator();
    lanes = openLanes(world, 4);
    workers = [];
    await addItem(world.db, "item_1", 5);
  });
  afterEach(async () => {
    await Promise.all(workers.map((worker) => worker.close()));
    await Promise.all(lanes.map((lane) => lane.close()));
    await simulator.close();
    await world.close();
  });
  const start = async (WORKER_ROLES: string, env: Record<string, string> = {}) => {
    workers.push(await startTestWorker(world, simulator, { WORKER_ROLES, ...env }));
  };
  const statuses = async () =>
    (await world.db.selectFrom("orders").select("status").execute()).map(({ status }) => status);
  const buy = () => acceptor(world, lanes)("item_1", purchaseRequest());

  test("one that reserves needs no key of the provider, and charges nothing", async () => {
    await start("reserve", { STRIPE_SECRET_KEY: "", STRIPE_API_BASE: "http://127.0.0.1:9" });
    await buy();
    await eventually("it is reserved", async () => (await statuses()).includes("reserved"));
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(await statuses()).toEqual(["reserved"]);
  });

  test("one that charges leaves the lanes alone", async () => {
    await start("charge");
    await buy();
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(await statuses()).toEqual([]);
    expect(await lanes[laneOf("item_1", 4)]?.getWaitingCount()).toBe(1);
  });

  test("fleets of each role do together what one worker of all roles does", async () => {
    await start("reserve", { STRIPE_SECRET_KEY: "" });
    await start("charge");
    await start("sweep,webhook");
    await buy();
    await eventually("it is paid", async () => (await statuses()).includes("confirmed"));
  });
});
