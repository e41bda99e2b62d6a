import { readView } from "@holdfast/shared/order-view.ts";
import { isOutage } from "@holdfast/shared/outage.ts";
import { unpackPurchaseJob } from "@holdfast/shared/purchase-job.ts";
import { type LaneQueue, openLanes } from "@holdfast/shared/queues.ts";
import { acceptor } from "@holdfast/testing/accept.ts";
import { purchaseRequest } from "@holdfast/testing/purchases.ts";
import { createWorld, type World } from "@holdfast/testing/world.ts";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { Problem } from "../src/http/problems.ts";

describe("an order that could not be put in line", () => {
  let world: World;
  let lane: LaneQueue;
  beforeAll(async () => {
    world = await createWorld();
    [lane] = openLanes(world, 1) as [LaneQueue];
  });
  afterAll(async () => {
    await lane.close();
    await world.close();
  });
  afterEach(() => void vi.restoreAllMocks());
  const accept = async (failure: Error) => {
    const request = purchaseRequest();
    const { redis, keys } = world;
    vi.spyOn(lane, "add").mockRejectedValueOnce(failure);
    const acceptOrder = acceptor({ redis, keys }, [lane]);
    const refused = await acceptOrder("item", request).catch((error: Error) => error);
    return {
      refused,
      location: `/orders/${request.orderId}`,
      view: await readView({ redis, keys }, request.shopperId, request.orderId),
    };
  };

  const oom = () =>
    world.redis
      .eval("return redis.error_reply('OOM command not allowed')", 0)
      .catch((error: Error) => error) as Promise<Error>;

  test("because Redis refused it has no Location: nothing is in line", async () => {
    const { refused } = await accept(await oom());
    expect(refused).not.toBeInstanceOf(Problem);
    expect(isOutage(refused)).toBe(true); // which is answered 503 unavailable
  });

  test("because Redis refused it never takes the view away from a repeat that was promised a place meanwhile", async () => {
    const { redis, keys } = world;
    const request = purchaseRequest({ shopperId: "repeating", fingerprint: "same" });
    const elsewhere = acceptor({ redis, keys }, [lane]);
    const refusal = await oom();
    const addJob = lane.add.bind(lane);
    const add = vi.spyOn(lane, "add").mockImplementationOnce(async () => {
      add.mockImplementation(addJob);
      expect((await elsewhere("item", request)).status).toBe("queued"); // the other server's 202
      throw refusal;
    });
    const here = acceptor({ redis, keys }, [lane]);
    await expect(here("item", request)).rejects.toThrow("OOM");
    expect(await readView({ redis, keys }, request.shopperId, request.orderId)).toMatchObject({ status: "queued" });
  });

  test("as far as is known may be in line all the same: the 503 says so and has its Location, where it is found", async () => {
    const { refused, location, view } = await accept(new Error("Command timed out"));
    expect(refused).toMatchObject({ code: "unavailable", statusCode: 503, location, retryAfterSeconds: 2 });
    expect((refused as Problem).message).toContain("may be in line all the same");
    expect(view).toMatchObject({ status: "queued" });
  });

  test("because those before it were not answered is not in line, and its 503 has no Location", async () => {
    const { redis, keys } = world;
    const held = Promise.withResolvers<never>();
    const add = vi
      .spyOn(lane, "add")
      .mockImplementationOnce(() => held.promise)
      .mockImplementationOnce(() => held.promise);
    const acceptOrder = acceptor({ redis, keys }, [lane]);
    const refusedOf = (order: Promise<unknown>) => order.catch((error: Error) => error);
    const underWay = refusedOf(acceptOrder("item", purchaseRequest()));
    await vi.waitFor(() => expect(add).toHaveBeenCalledTimes(1));
    const alsoUnderWay = refusedOf(acceptOrder("item", purchaseRequest()));
    await vi.waitFor(() => expect(add).toHaveBeenCalledTimes(2));
    const behind = refusedOf(acceptOrder("item", purchaseRequest()));
    held.reject(new Error("Command timed out"));
    expect(await underWay).toMatchObject({ location: expect.any(String) });
    expect(await alsoUnderWay).toMatchObject({ location: expect.any(String) });
    expect(await behind).not.toHaveProperty("location");
    expect(isOutage(await behind)).toBe(true);
  });
});

describe("a purchase job", () => {
  test("has an id that no other ever has, also after a Redis that lost its count of jobs", async () => {
    const world = await createWorld();
    const [lane] = openLanes(world, 1) as [LaneQueue];
    const accept = acceptor(world, [lane]);
    await accept("item", purchaseRequest());
    const [before] = await lane.getWaiting();
    await world.redis.del(lane.toKey("id"), lane.toKey("wait"), lane.toKey(before?.id ?? ""));
    await accept("item", purchaseRequest());
    const [after] = await lane.getWaiting();
    expect(after?.id).not.toBe(before?.id);
    expect(after?.id).toMatch(/^job-[\w-]{22}$/);
    await lane.close();
    await world.close();
  });
});

describe("a repeat after its item was changed", () => {
  test("is the order as it was placed: amount, currency, quantity and time, all from one place", async () => {
    const world = await createWorld();
    const [lane] = openLanes(world, 1) as [LaneQueue];
    const { redis, keys } = world;
    const accept = acceptor({ redis, keys }, [lane]);
    const placed = purchaseRequest({ fingerprint: "same", amountMinor: 500, currency: "eur", placedAtMs: 1_000_000 });
    await accept("item", placed);
    await lane.drain(); // its server died before it was in line, as far as the repeat can see
    const repeated = { ...placed, amountMinor: 90_000, currency: "jpy", placedAtMs: 2_000_000 };
    expect(await accept("item", repeated)).toMatchObject({ amountMinor: 500, currency: "eur", placedAtMs: 1_000_000 });
    const [job] = await lane.getWaiting();
    expect(unpackPurchaseJob(job?.data).requests).toEqual([placed]);
    await lane.close();
    await world.close();
  });
});
