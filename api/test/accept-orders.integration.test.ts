import { readView } from "@holdfast/shared/order-view.ts";
import { type LaneQueue, openLanes } from "@holdfast/shared/queues.ts";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { purchaseRequest } from "../../infra/testing/purchases.ts";
import { createWorld, type World } from "../../infra/testing/world.ts";
import { orderAcceptor } from "../src/accept-orders.ts";
import { acceptanceMarks } from "../src/acceptance-marks.ts";

describe("an order that could not be put in line", () => {
  let world: World;
  let lane: LaneQueue;
  beforeAll(async () => {
    world = await createWorld();
    [lane] = openLanes(world.redis, world.keys, 1) as [LaneQueue];
  });
  afterAll(async () => {
    await lane.close();
    await world.close();
  });
  const accept = async (failure: Error) => {
    const request = purchaseRequest();
    const { redis, keys } = world;
    vi.spyOn(lane, "add").mockRejectedValueOnce(failure);
    const acceptOrder = orderAcceptor({
      redis,
      keys,
      lanes: [lane],
      marks: acceptanceMarks(redis, keys),
      maxLine: 1_000,
    });
    await expect(acceptOrder("item", request)).rejects.toThrow(failure.message);
    return readView(redis, keys, request.shopperId, request.orderId);
  };

  test("because Redis refused it is not shown as one in line", async () => {
    const refusal = await world.redis
      .eval("return redis.error_reply('OOM command not allowed')", 0)
      .catch((error: Error) => error);
    expect(await accept(refusal as Error)).toBeNull();
  });

  test("as far as is known may be in line all the same, and is never said not to exist", async () => {
    expect(await accept(new Error("Command timed out"))).toMatchObject({ status: "queued" });
  });
});
