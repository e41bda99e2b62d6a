import { newOrderId } from "@holdfast/api/orders/order-id.ts";
import { createTestApi, opsAuthorization, shopperAuthorization, type TestApi } from "@holdfast/testing/api.ts";
import { addItem, booksOf } from "@holdfast/testing/items.ts";
import { purchaseJob, purchaseRequest } from "@holdfast/testing/purchases.ts";
import { createWorld, type World } from "@holdfast/testing/world.ts";
import { sql } from "kysely";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { archiveOrders, closeForGood } from "../src/recovery/archive-orders.ts";
import { checkBooks, recountBooks } from "../src/recovery/check-books.ts";
import { reserveOrders } from "../src/reserve/reserve-orders.ts";

const dayMs = 86_400_000;
const signal = new AbortController().signal;

describe("an item whose orders are archived", () => {
  let world: World;
  let api: TestApi;
  const old = Date.now() - 60 * dayMs;
  const request = (shopperId: string) => purchaseRequest({ shopperId, orderId: newOrderId(old), placedAtMs: old });
  const winner = request("ann");
  const losers = Array.from({ length: 7 }, (_, i) => request(i < 2 ? "ben" : `shopper-${i}`));

  beforeEach(async () => {
    world = await createWorld();
    await addItem(world.db, "item_1", 1);
    await reserveOrders(world.db, purchaseJob("item_1", [winner, ...losers]), signal);
    await sql`update items set closes_at = now() - interval '50 days' where id = 'item_1'`.execute(world.db);
    api = await createTestApi(world);
  });
  afterEach(async () => {
    await api.close();
    await world.close();
  });

  const archive = async (size?: number) => {
    expect(await closeForGood(world.db, "item_1", 30)).toBeNull();
    const moved: number[] = [];
    for await (const some of archiveOrders(world.db, "item_1", size)) moved.push(some);
    return moved;
  };
  const ids = async (table: "orders" | "archived_orders") =>
    (await world.db.selectFrom(table).select("id").execute()).map(({ id }) => id).toSorted();

  test("keeps those that held a unit, and the books; the others and their events are moved, batch by batch", async () => {
    expect(await archive(3)).toEqual([3, 3, 1]);
    expect(await ids("orders")).toEqual([winner.orderId]);
    expect(await ids("archived_orders")).toEqual(losers.map(({ orderId }) => orderId).toSorted());
    const events = await world.db.selectFrom("order_events").select("order_id").execute();
    expect(new Set(events.map(({ order_id }) => order_id))).toEqual(new Set([winner.orderId]));
    expect(await booksOf(world.db, "item_1")).toMatchObject({ reserved: 1, inventory: 0, balanced: true });
    const alarms: string[] = [];
    await checkBooks(world.db, (name) => void alarms.push(name));
    await recountBooks(world.db, (name) => void alarms.push(name));
    expect(alarms).toEqual([]);
  });

  test("has its orders where their shoppers and operations look for them", async () => {
    const authorization = await shopperAuthorization("ben");
    const get = async (url: string, headers: Record<string, string>) => (await api.app.inject({ url, headers })).json();
    const [loser] = losers;
    const operator = { authorization: opsAuthorization };
    const lookedUp = async () => ({
      order: await get(`/orders/${loser?.orderId}`, { authorization }),
      list: await get("/orders", { authorization }),
      story: await get(`/ops/api/orders/${loser?.orderId}`, operator),
      shopper: await get("/ops/api/shoppers/ben", operator),
      file: (await api.app.inject({ url: "/ops/api/orders/export?item=item_1", headers: operator })).body
        .split("\n")
        .toSorted(),
    });
    const before = await lookedUp();
    await archive();
    const after = await lookedUp();
    expect(after).toEqual(before);
    expect(before.list).toMatchObject({ orders: [{ status: "out_of_stock" }, { status: "out_of_stock" }] });
  });

  test("is over for good: a used key buys nothing, and nobody opens it again", async () => {
    await archive();
    const authorization = await shopperAuthorization("ben");
    const again = await api.app.inject({
      method: "POST",
      url: "/purchase/item_1",
      headers: { authorization, "idempotency-key": "used" },
      payload: { paymentMethod: "pm_card_visa" },
    });
    expect([again.statusCode, again.json<{ code: string }>().code]).toEqual([409, "sale_ended"]);
    const opened = await api.app.inject({
      method: "PATCH",
      url: "/ops/api/items/item_1",
      headers: { authorization: opsAuthorization },
      payload: { closesAt: null },
    });
    expect([opened.statusCode, opened.body]).toEqual([400, expect.stringContaining("over for good")]);
    const update = sql`update items set closes_at = null where id = 'item_1'`.execute(world.db);
    await expect(update).rejects.toThrow("archived_is_over");
  });

  test("decides none of its orders again: not by a late job, and not by a used key for another item", async () => {
    await archive();
    const before = await ids("orders");
    const late = await reserveOrders(world.db, purchaseJob("item_1", losers), signal);
    expect([late.decided, late.orders.length]).toEqual([[], losers.length]);
    await addItem(world.db, "item_2", 5);
    const [used] = losers;
    const known = new Map();
    const fresh = request("cid");
    await reserveOrders(world.db, purchaseJob("item_2", [request("dan")]), signal, known); // the item is known then
    const { decided } = await reserveOrders(
      world.db,
      purchaseJob("item_2", [fresh, used as typeof fresh]),
      signal,
      known,
    );
    expect(decided.map(({ id }) => id)).toEqual([fresh.orderId]);
    expect(await booksOf(world.db, "item_2")).toMatchObject({ inventory: 3, reserved: 2, balanced: true });
    expect((await ids("orders")).length).toBe(before.length + 2);
  });

  test("answers who cancels one of its orders as before", async () => {
    const authorization = await shopperAuthorization("ben");
    const cancel = async () => {
      const url = `/orders/${losers[0]?.orderId}`;
      const answer = await api.app.inject({ method: "DELETE", url, headers: { authorization } });
      return [answer.statusCode, answer.json<{ code: string }>().code];
    };
    const before = await cancel();
    await archive();
    expect(await cancel()).toEqual(before);
    expect(before).toEqual([409, "order_settled"]);
  });

  test("forgets a shopper there, too, and changes nothing else", async () => {
    await archive();
    const answer = await api.app.inject({
      method: "DELETE",
      url: "/ops/api/shoppers/ben",
      headers: { authorization: opsAuthorization },
    });
    expect(answer.json()).toMatchObject({ forgotten: 2 });
    expect(await world.db.selectFrom("archived_orders").select("id").where("shopper_id", "=", "ben").execute()).toEqual(
      [],
    );
    for (const change of [sql`update archived_orders set item_id = 'x'`, sql`delete from archived_orders`])
      await expect(change.execute(world.db)).rejects.toThrow("the record is only added to");
    await expect(sql`delete from orders`.execute(world.db)).rejects.toThrow("the record is only added to");
  });

  test.each([
    ["there is none", "nothing", 30, "not_found"],
    ["its sale is not over", "item_2", 30, "not_over"],
    ["it is too young", "item_1", 70, "too_young"],
    ["it is a rehearsal's", "rehearsal-1", 30, "rehearsal"],
  ])("is refused where %s", async (_why, itemId, days, refusal) => {
    await addItem(world.db, "item_2", 1);
    expect(await closeForGood(world.db, itemId, days)).toBe(refusal);
    expect(await ids("archived_orders")).toEqual([]);
  });
});
