import { randomUUID } from "node:crypto";
import { readView, viewTtlMs } from "@holdfast/shared/order-view.ts";
import { addItem } from "@holdfast/testing/items.ts";
import { createWorld, type World } from "@holdfast/testing/world.ts";
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eventsBefore, publishRecentOrders } from "../src/recovery/publish-recent-orders.ts";

describe("publishing what was decided lately", () => {
  let world: World;
  const recent = randomUUID();
  const oldEvents = 50_000;
  beforeAll(async () => {
    world = await createWorld();
    await addItem(world.db, "item_1", 10);
    const long = new Date(Date.now() - 2 * viewTtlMs);
    const order = (id: string, at: Date) => sql`
      insert into orders (id, shopper_id, item_id, quantity, amount_minor, currency, status, placed_at, settled_at)
      values (${id}, ${id}, 'item_1', 1, 1999, 'eur', 'out_of_stock', ${at}, ${at})`;
    const old = randomUUID();
    await order(old, long).execute(world.db);
    await order(recent, new Date()).execute(world.db);
    await sql`
      insert into order_events (order_id, event, from_status, to_status, at)
      select ${old}, 'out_of_stock', 'queued', 'out_of_stock', ${long} from generate_series(1, ${oldEvents})`.execute(
      world.db,
    );
    await sql`
      insert into order_events (order_id, event, from_status, to_status)
      values (${recent}, 'out_of_stock', 'queued', 'out_of_stock')`.execute(world.db);
    await sql`analyze order_events`.execute(world.db);
  });
  afterAll(() => world.close());

  test("finds what is younger than a live view, and stops where the older begins", async () => {
    expect(await publishRecentOrders({ ...world, signal: new AbortController().signal })).toBe(2); // the page on which the old ones begin is the last
    expect(await readView(world, recent, recent)).toMatchObject({ status: "out_of_stock" });
  });

  test("reads a page from the primary key, however many events there are and however old they are", async () => {
    for (const before of [Number.MAX_SAFE_INTEGER, oldEvents]) {
      const query = eventsBefore(world.db, before).compile();
      const [row] = await eventsBefore(world.db, before).explain("json", sql`analyze`);
      const plan = JSON.stringify(row);
      expect(query.sql).not.toContain('"at" >');
      expect(plan).toContain("order_events_pkey");
      expect(plan).not.toContain("Seq Scan");
      expect(plan).not.toContain("Rows Removed by Filter");
    }
  });
});
