import { publishOrders } from "@holdfast/shared/order-view.ts";
import { findOrders } from "@holdfast/shared/rows.ts";
import { createTestApi, opsAuthorization, shopperAuthorization, type TestApi } from "@holdfast/testing/api.ts";
import { addItem } from "@holdfast/testing/items.ts";
import { createWorld, eventually, type World } from "@holdfast/testing/world.ts";
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

describe("what a rehearsal leaves", () => {
  let world: World;
  let api: TestApi;
  beforeAll(async () => {
    world = await createWorld();
    api = await createTestApi(world);
  });
  afterAll(async () => {
    await api.close();
    await world.close();
  });

  const remove = (id: string) =>
    api.app.inject({ method: "DELETE", url: `/ops/api/items/${id}`, headers: { authorization: opsAuthorization } });
  const putOnSale = (id: string, price = 1_999) =>
    api.app.inject({
      method: "PUT",
      url: `/ops/api/items/${id}`,
      headers: { authorization: opsAuthorization },
      payload: { name: "Rush", price, currency: "eur", units: 5 },
    });
  const buy = async (shopper: string, id: string) =>
    api.app.inject({
      method: "POST",
      url: `/purchase/${id}`,
      headers: { authorization: await shopperAuthorization(shopper) },
      payload: { paymentMethod: "pm_card_visa" },
    });
  /** Orders as a worker decides them, with their views. */
  const decide = async (itemId: string, count: number, shopper = "rush") => {
    const { rows } = await sql<{ id: string }>`
      insert into orders (id, shopper_id, item_id, quantity, amount_minor, currency, status, payment_method, placed_at, settled_at)
      select gen_random_uuid(), ${shopper} || '-' || i, ${itemId}, 1, 1999, 'eur', 'out_of_stock', 'pm_card_visa', now(), now()
      from generate_series(1, ${count}::integer) i returning id`.execute(world.db);
    const ids = rows.map(({ id }) => id);
    await sql`insert into order_events (order_id, event, from_status, to_status)
      select id, 'decided', 'queued', 'out_of_stock' from unnest(${ids}::uuid[]) id`.execute(world.db);
    await publishOrders(world, [...(await findOrders(world.db, ids)).values()]);
  };
  const rowsLeft = async () => {
    const counted = await sql<{ left: number }>`
      select (select count(*) from items) + (select count(*) from orders) + (select count(*) from order_events)
        + (select count(*) from item_totals) + (select count(*) from shop_events) as left`.execute(world.db);
    return counted.rows[0]?.left;
  };
  /** Every key but the running numbers of messages and the counts of operations' requests. */
  const keysLeft = async () => {
    const keys = await world.redis.keys(`${world.redisPrefix}*`);
    return keys.filter((key) => !/:number$|holdfast:(rate|ops)/.test(key)).toSorted();
  };

  test("is deleted whole, thousands of orders too, and no server knows the item any more", async () => {
    const [rows, keys] = [await rowsLeft(), await keysLeft()];
    await putOnSale("rehearsal-large");
    await decide("rehearsal-large", 6_000);
    expect((await remove("rehearsal-large")).json()).toEqual({ deleted: "rehearsal-large" });
    expect(await rowsLeft()).toBe(rows);
    expect(await keysLeft()).toEqual(keys);
    expect(await world.redis.hkeys(world.keys.items)).toEqual([]);
    await eventually(
      "the item is unknown",
      async () => {
        return (await api.app.inject("/items/rehearsal-large")).statusCode === 404;
      },
      20_000,
    );
    expect((await remove("rehearsal-large")).statusCode).toBe(404);
  }, 60_000);

  test("is deleted, and what its shoppers have of other items stays", async () => {
    await putOnSale("rehearsal-beside");
    await putOnSale("kettle");
    const accepted = await buy("rush-1", "kettle"); // in line, and nowhere but in Redis
    await decide("rehearsal-beside", 3);
    expect((await remove("rehearsal-beside")).statusCode).toBe(200);
    const headers = { authorization: await shopperAuthorization("rush-1") };
    const order = await api.app.inject({ url: `/orders/${accepted.json<{ id: string }>().id}`, headers });
    expect([order.statusCode, order.json()]).toMatchObject([200, { itemId: "kettle", status: "queued" }]);
  });

  test("leaves its name free for a later rehearsal: other terms are no repeat of those that were deleted", async () => {
    for (const price of [1_999, 2_999]) {
      const statuses = [];
      for (const again of [price, price, price + 1])
        statuses.push((await putOnSale("rehearsal-again", again)).statusCode);
      expect(statuses).toEqual([201, 200, 409]);
      expect((await remove("rehearsal-again")).statusCode).toBe(200);
    }
  });

  test("is kept while an order is in line", async () => {
    await putOnSale("rehearsal-in-line");
    expect((await buy("rush-2", "rehearsal-in-line")).statusCode).toBe(202);
    const kept = await remove("rehearsal-in-line");
    expect([kept.statusCode, kept.json()]).toMatchObject([409, { code: "item_kept" }]);
  });

  test("is kept while an order is held", async () => {
    await addItem(world.db, "rehearsal-held", 5);
    await sql`update items set inventory = inventory - 1 where id = 'rehearsal-held'`.execute(world.db);
    await sql`insert into orders (id, shopper_id, item_id, quantity, amount_minor, currency, status, payment_status, payment_method, placed_at, reserved_at)
      values (gen_random_uuid(), 'rush-3', 'rehearsal-held', 1, 1999, 'eur', 'reserved', 'pending', 'pm_card_visa', now(), now())`.execute(
      world.db,
    );
    expect((await remove("rehearsal-held")).statusCode).toBe(409);
    const still = await sql`select from orders where item_id = 'rehearsal-held'`.execute(world.db);
    expect(still.rows).toHaveLength(1);
  });

  test("is in the trail when it is gone, and only then", async () => {
    const { rows } = await sql<{ subject: string; before: object }>`
      select subject, before from operations_audit
      where action = 'item.delete_rehearsal' and subject <> 'item rehearsal-again' order by id`.execute(world.db);
    expect(rows).toEqual([
      { subject: "item rehearsal-large", before: { orders: 6_000 } },
      { subject: "item rehearsal-beside", before: { orders: 3 } },
    ]);
  });
});
