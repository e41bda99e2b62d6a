import type { Database } from "@holdfast/shared/database.ts";
import { itemFromRow } from "@holdfast/shared/rows.ts";
import { explainDatabase } from "@holdfast/testing/explain-database.ts";
import { addItem, booksOf } from "@holdfast/testing/items.ts";
import { purchaseJob, purchaseRequest } from "@holdfast/testing/purchases.ts";
import { createWorld, type World } from "@holdfast/testing/world.ts";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { type KnownItems, reserveOrders } from "../src/reserve/reserve-orders.ts";

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
      .orderBy("order_events.id")
      .execute();
    expect(events.map((e) => `${e.from_status} → ${e.to_status}`)).toEqual([
      "queued → reserved",
      "queued → rejected",
      "queued → reserved",
      "queued → out_of_stock",
    ]);
  });

  test("returns each order exactly as Postgres has it", async () => {
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

  describe("by what is known of the item", () => {
    const knownItem = async (id: string): Promise<KnownItems> => {
      const row = await world.db.selectFrom("items").selectAll().where("id", "=", id).executeTakeFirstOrThrow();
      return new Map([[id, itemFromRow(row)]]);
    };
    /** Statements that a call took. */
    const counted = async (work: (db: Database) => Promise<unknown>) => {
      const seen: string[] = [];
      const db = explainDatabase(world.databaseUrl, ({ query }) => void seen.push(query.sql));
      await work(db);
      await db.destroy();
      return seen;
    };

    test("a job is decided in one statement, batch after batch, down to the last unit", async () => {
      await addItem(world.db, "known", 3);
      const known = await knownItem("known");
      const seen = await counted(async (db) => {
        for (const status of ["reserved", "reserved", "reserved", "out_of_stock", "out_of_stock"]) {
          const { orders, item } = await reserveOrders(db, purchaseJob("known", [purchaseRequest()]), never, known);
          expect(orders).toMatchObject([{ status }]);
          expect(known.get("known")).toEqual(item);
        }
      });
      expect(seen).toHaveLength(5);
      expect(await booksOf(world.db, "known")).toMatchObject({ inventory: 0, reserved: 3, balanced: true });
    });

    test.each<
      [string, Partial<{ inventory: number; stocked: number; closes_at: Date; max_per_shopper: number }>, string]
    >([
      ["its units are gone", { inventory: 0, stocked: 0 }, "out_of_stock"],
      ["its sale has ended", { closes_at: new Date(0) }, "rejected"],
      ["a limit per shopper was set", { max_per_shopper: 1 }, "rejected"],
    ])("a change of the item since then counts: %s", async (_what, change, status) => {
      const id = `changed-${status}-${Object.keys(change).length}-${Object.keys(change)[0]}`;
      await addItem(world.db, id, 5);
      const known = await knownItem(id);
      await world.db.updateTable("items").set(change).where("id", "=", id).execute();
      const request = purchaseRequest({ quantity: 2 });
      const { orders } = await reserveOrders(world.db, purchaseJob(id, [request]), never, known);
      expect(orders).toMatchObject([{ status }]);
      expect(await booksOf(world.db, id)).toMatchObject({ reserved: 0, balanced: true });
    });

    test("two workers that know the same sell no unit twice, whatever the other one did", async () => {
      await addItem(world.db, "contended", 10);
      const known = await Promise.all([knownItem("contended"), knownItem("contended"), knownItem("contended")]);
      const buy = (items: KnownItems) => async () => {
        for (let i = 0; i < 8; i++) {
          await reserveOrders(world.db, purchaseJob("contended", [purchaseRequest()]), never, items);
        }
      };
      await Promise.all(known.map((items) => buy(items)()));
      expect(await booksOf(world.db, "contended")).toMatchObject({ inventory: 0, reserved: 10, balanced: true });
      const { n } = await world.db
        .selectFrom("orders")
        .select((eb) => eb.fn.countAll<number>().as("n"))
        .where("item_id", "=", "contended")
        .executeTakeFirstOrThrow();
      expect(n).toBe(24);
    });

    test("an order that is there already is left as it is, and the others of the job are decided", async () => {
      await addItem(world.db, "repeated", 5);
      const known = await knownItem("repeated");
      const [first, second] = [purchaseRequest(), purchaseRequest()];
      await reserveOrders(world.db, purchaseJob("repeated", [first]), never, known);
      const transactions = vi.spyOn(world.db, "transaction");
      const { orders } = await reserveOrders(world.db, purchaseJob("repeated", [first, second]), never, known);
      expect(transactions).toHaveBeenCalledTimes(1); // the one that looks, and none that would meet the same
      transactions.mockRestore();
      expect(orders.map(({ id }) => id)).toEqual([first.orderId, second.orderId]);
      expect(await booksOf(world.db, "repeated")).toMatchObject({ inventory: 3, reserved: 2, balanced: true });
    });

    test("a lock that was lost before leaves everything as it was", async () => {
      await addItem(world.db, "lost-known", 5);
      const lost = AbortSignal.abort(new Error("the lock was lost"));
      const known = await knownItem("lost-known");
      const job = purchaseJob("lost-known", [purchaseRequest()]);
      await expect(reserveOrders(world.db, job, lost, known)).rejects.toThrow("the lock was lost");
      expect(await booksOf(world.db, "lost-known")).toMatchObject({ inventory: 5, reserved: 0, balanced: true });
    });
  });
});
