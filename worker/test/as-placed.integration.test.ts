import { createLog } from "@holdfast/shared/log.ts";
import { publishOrders, readView } from "@holdfast/shared/order-view.ts";
import { queuedOrder } from "@holdfast/shared/purchase-job.ts";
import { type ChargeQueue, openChargeQueue } from "@holdfast/shared/queues.ts";
import { addItem } from "@holdfast/testing/items.ts";
import { purchaseJob, purchaseRequest } from "@holdfast/testing/purchases.ts";
import { createWorld, type World } from "@holdfast/testing/world.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cancelLostOrders } from "../src/recovery/cancel-lost-orders.ts";
import { decidePurchase } from "../src/reserve/decide-purchase.ts";
import { reserveOrders } from "../src/reserve/reserve-orders.ts";

describe("a shopper who was forgotten, and repeats a purchase under a key from before", () => {
  let world: World;
  let charges: ChargeQueue;
  const { signal } = new AbortController();
  const log = createLog("test", "silent");
  beforeAll(async () => {
    world = await createWorld();
    charges = openChargeQueue(world);
    await addItem(world.db, "sofa", 0);
  });
  afterAll(async () => {
    await charges.close();
    await world.close();
  });

  /** The order has been decided, its shopper forgotten, and the same order is in line again. */
  const comeAgain = async (shopperId: string) => {
    const request = purchaseRequest({ shopperId });
    await reserveOrders(world.db, purchaseJob("sofa", [request]), signal);
    const forgotten = { shopper_id: `forgotten-${shopperId}` };
    await world.db.updateTable("orders").set(forgotten).where("id", "=", request.orderId).execute();
    await publishOrders(world, [{ ...queuedOrder("sofa", request), place: 1 }]);
    return request;
  };
  const viewOf = async (shopperId: string, orderId: string) => {
    const view = await readView(world, shopperId, orderId);
    return { status: view?.status, shopperId: view?.shopperId };
  };

  test("is told what the order came to, by the worker that comes to it", async () => {
    const request = await comeAgain("gina");
    const parts = { ...world, charges, log, known: new Map() };
    await decidePurchase(parts, "{lane-0}", purchaseJob("sofa", [request]));
    expect(await viewOf("gina", request.orderId)).toEqual({ status: "out_of_stock", shopperId: "gina" });
    expect(await viewOf("forgotten-gina", request.orderId)).toEqual({ status: undefined, shopperId: undefined });
  });

  test("is told so where the job got lost, too: the view does not wait for ever", async () => {
    const request = await comeAgain("hans");
    const lost = [{ ...queuedOrder("sofa", request), place: 1 }];
    expect(await cancelLostOrders({ ...world, signal }, lost)).toBe(0); // it had its end before
    expect(await viewOf("hans", request.orderId)).toEqual({ status: "out_of_stock", shopperId: "hans" });
  });
});
