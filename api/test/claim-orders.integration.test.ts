import { lineLength } from "@holdfast/shared/line.ts";
import type { Order } from "@holdfast/shared/order.ts";
import { readView } from "@holdfast/shared/order-view.ts";
import { orderInLine } from "@holdfast/testing/purchases.ts";
import { createWorld, type World } from "@holdfast/testing/world.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { requestCounter } from "../src/http/counting-store.ts";
import { type Claimed, claimOrders } from "../src/orders/claim-orders.ts";

/** What is the same on one Redis and on a Cluster, where every key may be on another server. */
describe.each(["at once, on one Redis", "step by step, as on a Cluster"])("claiming orders %s", (how) => {
  let world: World;
  let lane = 0;
  beforeAll(async () => {
    world = await createWorld();
  });
  afterAll(() => world.close());

  const claimer = ({ maxLine = 100, perAddress = 0, perShopper = 0 } = {}) => {
    const { keys } = world;
    // A single Redis that says it is a Cluster is asked step by step.
    const redis = how.startsWith("at once") ? world.redis : Object.create(world.redis, { isCluster: { value: true } });
    const limits = { perAddress, perShopper, windowMs: 60_000, count: requestCounter(redis) };
    lane += 1;
    const queueName = `{lane-${how.length}-${lane}}`;
    return {
      claim: (orders: readonly Order[], itemId = "item_1", address = `192.0.2.${lane}`) => {
        const candidates = orders.map((order) => ({ order: { ...order, place: null }, address }));
        return claimOrders({ redis, keys, maxLine, limits }, queueName, itemId, candidates);
      },
      length: () => lineLength({ redis: world.redis, keys: keys }, queueName),
    };
  };
  const placesOf = (claimed: readonly Claimed[]) =>
    claimed.map((one) => ("order" in one ? `${one.kind} ${one.order.place}` : one.kind));

  test("gives each item's orders their places in the order of arrival, and writes views that say so", async () => {
    const { claim, length } = claimer();
    const orders = Array.from({ length: 20 }, () => orderInLine({ fingerprint: "same" }));
    expect(placesOf(await claim(orders))).toEqual(orders.map((_, i) => `new ${i + 1}`));
    expect(placesOf(await claim([orderInLine()], "item_2"))).toEqual(["new 1"]);
    expect(placesOf(await claim([orderInLine()]))).toEqual(["new 21"]);
    for (const [i, order] of orders.entries()) {
      const view = await readView(world, order.shopperId, order.id);
      expect(view).toEqual({ ...order, place: i + 1 });
    }
    expect(await length()).toBe(22);
  });

  test("leaves an order that is known as it is: in line, decided, or twice in the same batch", async () => {
    const { claim, length } = claimer();
    const [first, second] = [orderInLine(), orderInLine()];
    await claim([first]);
    const again = { ...first, quantity: 7 };
    const claimed = await claim([again, second, second]);
    expect(claimed.map(({ kind }) => kind)).toEqual(["known", "new", "known"]);
    expect(claimed[2]).toMatchObject({
      order: { id: second.id, place: claimed[1]?.kind === "new" && claimed[1].order.place },
    });
    expect(await length()).toBe(2);
    expect(claimed[0]).toEqual({ kind: "known", order: { ...first, place: 1 } });
  });

  test("lets a lane hold so many orders and no more, of all its items together", async () => {
    const { claim, length } = claimer({ maxLine: 2 });
    expect(placesOf(await claim([orderInLine()]))).toEqual(["new 1"]);
    expect(placesOf(await claim([orderInLine()], "item_2"))).toEqual(["new 1"]);
    const refused = orderInLine();
    expect(placesOf(await claim([refused]))).toEqual(["line_full"]);
    expect(await readView(world, refused.shopperId, refused.id)).toBeNull();
    expect(await length()).toBe(2);
  });

  test("refuses who is over the limit of their address or their own, and puts nothing of theirs in line", async () => {
    const { claim, length } = claimer({ perShopper: 2, perAddress: 4 });
    const shopperId = `hasty-${how.length}-${lane}`;
    const hasty = Array.from({ length: 3 }, () => orderInLine({ shopperId }));
    const claimed = await claim(hasty);
    expect(placesOf(claimed)).toEqual(["new 1", "new 2", "limited"]);
    const remaining = claimed[2]?.kind === "limited" ? claimed[2].remainingMs : 0;
    expect(remaining).toBeGreaterThan(50_000);
    expect(remaining).toBeLessThanOrEqual(60_000);
    expect(placesOf(await claim([orderInLine(), orderInLine()]))).toEqual(["new 3", "limited"]);
    expect(placesOf(await claim([orderInLine()], "item_1", "198.51.100.77"))).toEqual(["new 4"]);
    expect(await length()).toBe(4);
  });
});
