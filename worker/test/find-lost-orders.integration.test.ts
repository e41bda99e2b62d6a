import { publishOrders } from "@holdfast/shared/order-view.ts";
import { orderInLine } from "@holdfast/testing/purchases.ts";
import { createWorld } from "@holdfast/testing/world.ts";
import { expect, test } from "vitest";
import { batchSize, viewsInBatches } from "../src/recovery/find-lost-orders.ts";

test("all live views come in batches of a bounded size, however many a shopper has", async () => {
  const world = await createWorld();
  const { redis, keys } = world;
  const orders = Array.from({ length: 3 * batchSize }, (_, n) => orderInLine({ shopperId: `shopper-${n % 2}` }));
  await publishOrders({ redis, keys }, orders);
  const sizes: number[] = [];
  const seen = new Set<string>();
  for await (const views of viewsInBatches({ redis, keys }, new AbortController().signal)) {
    sizes.push(views.length);
    for (const { id } of views) seen.add(id);
  }
  expect(seen).toEqual(new Set(orders.map(({ id }) => id)));
  expect(Math.max(...sizes)).toBeLessThanOrEqual(batchSize);
  await world.close();
});
