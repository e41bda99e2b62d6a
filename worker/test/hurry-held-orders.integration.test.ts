import { randomUUID } from "node:crypto";
import { addItem } from "@holdfast/testing/items.ts";
import { createWorld } from "@holdfast/testing/world.ts";
import { sql } from "kysely";
import { expect, test } from "vitest";
import { hurryHeldOrders } from "../src/recovery/hurry-held-orders.ts";

test("after a loss every held order is due to be looked at, page by page, but for those somebody works on", async () => {
  const world = await createWorld();
  const { db } = world;
  await addItem(db, "item_1", 5_000);
  const hold = (id: string | null, count: number) => sql`
    insert into orders (id, shopper_id, item_id, quantity, amount_minor, currency, status, payment_method, payment_status,
      placed_at, reserved_at, payment_due_at)
    select coalesce(${id}::uuid, gen_random_uuid()), 'ann', 'item_1', 1, 1999, 'eur', 'reserved', 'pm_card_visa', 'pending',
      now(), now(), now() + interval '1 hour' + (n / 500) * interval '1 second' from generate_series(1, ${count}) n`;
  const busy = randomUUID();
  await hold(null, 2_600).execute(db);
  await hold(busy, 1).execute(db);
  await db.transaction().execute(async (trx) => {
    await sql`select 1 from orders where id = ${busy} for update`.execute(trx);
    await hurryHeldOrders(db, new AbortController().signal);
  });
  const left = await sql<{ id: string }>`select id from orders where payment_due_at > now()`.execute(db);
  expect(left.rows).toEqual([{ id: busy }]);
  await world.close();
});
