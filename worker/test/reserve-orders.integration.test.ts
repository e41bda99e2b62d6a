import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { addItem, booksOf } from "../../infra/testing/items.ts";
import { purchaseJob, purchaseRequest } from "../../infra/testing/purchases.ts";
import { createWorld, type World } from "../../infra/testing/world.ts";
import { reserveOrders } from "../src/reserve-orders.ts";

const never = new AbortController().signal;

describe("reserving a purchase job", () => {
  let world: World;
  beforeAll(async () => {
    world = await createWorld();
  });
  afterAll(() => world.close());

  const storedStatuses = async (itemId: string) => {
    const rows = await world.db.selectFrom("orders").select("status").where("item_id", "=", itemId).execute();
    return rows.map((row) => row.status).sort();
  };

  test("takes the units and writes every order with its event, the refused ones too", async () => {
    await addItem(world.db, "mixed", 3, { max_per_shopper: 2 });
    const requests = [
      purchaseRequest({ shopperId: "ann", quantity: 2 }),
      purchaseRequest({ shopperId: "ann" }),
      purchaseRequest({ shopperId: "ben" }),
      purchaseRequest({ shopperId: "eve" }),
    ];
    const { orders, item } = await reserveOrders(world.db, purchaseJob("mixed", requests), never);
    expect(orders.map((o) => o.reason ?? o.status)).toEqual(["reserved", "limit_exceeded", "reserved", "out_of_stock"]);
    expect(item?.inventory).toBe(0);
    expect(await booksOf(world.db, "mixed")).toMatchObject({ inventory: 0, reserved: 3, balanced: true });
    const events = await world.db
      .selectFrom("order_events")
      .innerJoin("orders", "orders.id", "order_events.order_id")
      .select(["order_events.to_status", "order_events.from_status"])
      .where("item_id", "=", "mixed")
      .execute();
    expect(events.map((e) => `${e.from_status} → ${e.to_status}`)).toEqual([
      "queued → reserved",
      "queued → rejected",
      "queued → reserved",
      "queued → out_of_stock",
    ]);
  });

  test("returns each order exactly as the record has it", async () => {
    await addItem(world.db, "exact", 1, { hold_seconds: 30 });
    const job = purchaseJob("exact", [purchaseRequest(), purchaseRequest({ fingerprint: "abcdefgh" })]);
    const first = await reserveOrders(world.db, job, never);
    const again = await reserveOrders(world.db, job, never);
    const byId = (orders: typeof first.orders) => [...orders].sort((a, b) => (a.id < b.id ? -1 : 1));
    expect(byId(again.orders)).toEqual(byId(first.orders));
    const [winner] = first.orders;
    expect(winner?.holdExpiresAtMs).toBeNull(); // its clock starts with the provider's first answer
  });

  test("run again, the same job changes nothing", async () => {
    await addItem(world.db, "again", 5);
    const job = purchaseJob("again", [purchaseRequest(), purchaseRequest()]);
    for (let i = 0; i < 3; i++) await reserveOrders(world.db, job, never);
    expect(await booksOf(world.db, "again")).toMatchObject({ inventory: 3, reserved: 2, balanced: true });
    expect(await storedStatuses("again")).toEqual(["reserved", "reserved"]);
  });

  test("an order that is in line twice, or twice in one job, is decided once", async () => {
    await addItem(world.db, "twice", 5);
    const order = purchaseRequest();
    await reserveOrders(world.db, purchaseJob("twice", [order, order]), never);
    await reserveOrders(world.db, purchaseJob("twice", [purchaseRequest(), order]), never);
    expect(await booksOf(world.db, "twice")).toMatchObject({ inventory: 3, reserved: 2, balanced: true });
  });

  test("two workers with the same item at the same moment never sell a unit twice", async () => {
    await addItem(world.db, "contested", 25);
    const jobs = Array.from({ length: 8 }, () =>
      purchaseJob(
        "contested",
        Array.from({ length: 10 }, () => purchaseRequest()),
      ),
    );
    await Promise.all(jobs.map((job) => reserveOrders(world.db, job, never)));
    expect(await booksOf(world.db, "contested")).toMatchObject({ inventory: 0, reserved: 25, balanced: true });
    const statuses = await storedStatuses("contested");
    expect(statuses.filter((s) => s === "reserved")).toHaveLength(25);
    expect(statuses.filter((s) => s === "out_of_stock")).toHaveLength(55);
  });

  test("the limit per shopper counts orders of earlier jobs", async () => {
    await addItem(world.db, "limited", 10, { max_per_shopper: 2 });
    const buy = () => reserveOrders(world.db, purchaseJob("limited", [purchaseRequest({ shopperId: "ann" })]), never);
    const outcomes = [await buy(), await buy(), await buy()].map(
      ({ orders: [order] }) => order?.reason ?? order?.status,
    );
    expect(outcomes).toEqual(["reserved", "reserved", "limit_exceeded"]);
  });

  test("an item that does not exist rejects its orders, and they have their rows", async () => {
    const { orders, item } = await reserveOrders(world.db, purchaseJob("no-such", [purchaseRequest()]), never);
    expect(orders[0]).toMatchObject({ status: "rejected", reason: "item_not_found" });
    expect(item).toBeNull();
    expect(await storedStatuses("no-such")).toEqual(["rejected"]);
  });

  test("when the item's lock is lost, nothing is committed", async () => {
    await addItem(world.db, "lost", 5);
    const lost = new AbortController();
    lost.abort(new Error("lost"));
    await expect(reserveOrders(world.db, purchaseJob("lost", [purchaseRequest()]), lost.signal)).rejects.toThrow(
      "lost",
    );
    expect(await booksOf(world.db, "lost")).toMatchObject({ inventory: 5, reserved: 0 });
    expect(await storedStatuses("lost")).toEqual([]);
  });
});
