import { lineLength, takePlaces } from "@holdfast/shared/line.ts";
import { createLog } from "@holdfast/shared/log.ts";
import { readView } from "@holdfast/shared/order-view.ts";
import { type PurchaseRequest, packPurchaseJob } from "@holdfast/shared/purchase-job.ts";
import { type ChargeQueue, type LaneQueue, openChargeQueue, openLanes } from "@holdfast/shared/queues.ts";
import { addItem, booksOf } from "@holdfast/testing/items.ts";
import { purchaseJob, purchaseRequest } from "@holdfast/testing/purchases.ts";
import { createWorld, eventually, type World } from "@holdfast/testing/world.ts";
import { sql } from "kysely";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { QueueWorker } from "../src/open-worker.ts";
import { serveLane } from "../src/reserve/serve-lane.ts";

describe("an order that can never be decided", () => {
  let world: World;
  let lane: LaneQueue;
  let charges: ChargeQueue;
  let worker: QueueWorker;
  beforeEach(async () => {
    world = await createWorld();
    [lane] = openLanes(world, 1) as [LaneQueue];
    charges = openChargeQueue(world);
    const { db, redis, keys } = world;
    worker = await serveLane(lane, { db, redis, keys, charges, log: createLog("test", "silent") });
    await addItem(world.db, "item_1", 300);
  });
  afterEach(async () => {
    await worker.close();
    await Promise.all([lane.close(), charges.close()]);
    await world.close();
  });

  const enqueue = async (requests: readonly PurchaseRequest[]) => {
    const place = await takePlaces(world, lane.name, "item_1", requests.length, 1_000_000);
    return lane.add("purchase", packPurchaseJob(purchaseJob("item_1", requests, place ?? 0)));
  };
  const drained = () =>
    eventually("the lane is empty", async () => (await lane.getJobCountByTypes("waiting", "active", "delayed")) === 0);
  const rows = () => world.db.selectFrom("orders").select(["id", "status", "reason"]).execute();
  const orderOfDecision = async () => {
    const events = await world.db.selectFrom("order_events").select("order_id").orderBy("id").execute();
    return events.map((event) => event.order_id);
  };
  const viewOf = (request: PurchaseRequest) => readView(world, request.shopperId, request.orderId);

  test.each<[string, Partial<PurchaseRequest>, boolean]>([
    ["an amount below the database's least", { amountMinor: Number.MAX_SAFE_INTEGER, quantity: 2 ** 31 }, false],
    ["a currency that is none", { currency: "EURO" }, false],
    ["a shopper's id beyond the database's limit", { shopperId: "x".repeat(300) }, false],
    ["a byte in the card's name that no text may have", { card: "pm_\u0000" }, true],
  ])(
    "among 500, %s: the other 499 are decided in their order of arrival, and it is refused",
    async (_title, bad, recordable) => {
      const requests = Array.from({ length: 500 }, (_, i) => purchaseRequest(i === 137 ? bad : {}));
      const poison = requests[137] as PurchaseRequest;
      await enqueue(requests);
      const behind = purchaseRequest();
      await enqueue([behind]);
      await drained();

      const good = requests.filter((request) => request !== poison);
      expect((await orderOfDecision()).filter((id) => id !== poison.orderId)).toEqual(
        [...good, behind].map((r) => r.orderId),
      );
      expect(await booksOf(world.db, "item_1")).toMatchObject({ inventory: 0, reserved: 300, balanced: true });
      expect(await lineLength(world, lane.name)).toBe(0);
      expect(await viewOf(poison)).toMatchObject({ status: "rejected", reason: "limit_exceeded" });
      expect((await rows()).filter((row) => row.status === "rejected")).toHaveLength(recordable ? 1 : 0);

      const [dead, ...others] = await lane.getFailed();
      expect(others).toEqual([]);
      expect(dead?.failedReason).toMatch(`1 order was refused, the first of them ${poison.orderId}: `);
    },
  );

  test("replayed while the cause is still there stays dead, told the same; nothing is decided twice", async () => {
    const poison = purchaseRequest({ currency: "EURO" });
    const good = purchaseRequest();
    await enqueue([good, poison]);
    await drained();
    const [dead] = await lane.getFailed();
    await dead?.retry();
    await drained();
    await eventually("it is dead again", async () => (await lane.getFailedCount()) === 1);
    expect(await viewOf(poison)).toMatchObject({ status: "rejected", reason: "limit_exceeded" });
    expect(await rows()).toEqual([{ id: good.orderId, status: "reserved", reason: null }]);
    expect(await booksOf(world.db, "item_1")).toMatchObject({ inventory: 299, reserved: 1, balanced: true });
  });

  test("replayed after the cause is gone gets its row, as its shopper was told, and takes no unit", async () => {
    const poison = purchaseRequest({ currency: "EURO" });
    await enqueue([poison]);
    await drained();
    await sql`alter table orders drop constraint orders_currency_check`.execute(world.db);
    const [dead] = await lane.getFailed();
    await dead?.retry();
    await eventually("it is settled", async () => (await lane.getFailedCount()) === 0 && (await rows()).length === 1);
    expect(await rows()).toEqual([{ id: poison.orderId, status: "rejected", reason: "limit_exceeded" }]);
    expect(await viewOf(poison)).toMatchObject({ status: "rejected", reason: "limit_exceeded" });
    expect(await booksOf(world.db, "item_1")).toMatchObject({ inventory: 300, balanced: true });
  });

  test("is not refused where Postgres has decided it already: Postgres is told", async () => {
    const decided = purchaseRequest();
    await enqueue([decided]);
    await drained();
    // The same order again, spoiled on its way.
    await enqueue([{ ...decided, card: "pm_\u0000" }, purchaseRequest({ currency: "EURO" })]);
    await drained();
    expect(await viewOf(decided)).toMatchObject({ status: "reserved" });
    expect(await booksOf(world.db, "item_1")).toMatchObject({ inventory: 299, reserved: 1, balanced: true });
  });
});
