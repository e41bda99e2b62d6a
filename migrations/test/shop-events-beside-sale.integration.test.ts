import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { addItem } from "@holdfast/testing/items.ts";
import { createWorld, eventually } from "@holdfast/testing/world.ts";
import { sql } from "kysely";
import { expect, test } from "vitest";
import { migrate } from "../src/migrate.ts";

const sqlFolder = fileURLToPath(new URL("../sql/", import.meta.url));

test("the shop's events come to a database where a sale is going on, and the sale waits for nothing", async () => {
  const world = await createWorld({ schema: false });
  const before = await mkdtemp(join(tmpdir(), "holdfast-migrations-"));
  await cp(sqlFolder, before, { recursive: true, filter: (path) => !/\/(?!00)\d{3}_[^/]*$/.test(path) });
  await migrate(world.databaseUrl, { directory: pathToFileURL(`${before}/`) });
  await rm(before, { recursive: true });
  await addItem(world.db, "item_1", 10);

  const { migrating, waitedMs } = await world.db.transaction().execute(async (sale) => {
    // As a reservation and a cancel do it: the item first, then orders.
    await sql`update items set inventory = inventory - 1`.execute(sale);
    const migrating = migrate(world.databaseUrl);
    await eventually("the migration waits for the sale", async () => {
      const { rows } = await sql`select from pg_locks where not granted`.execute(world.db);
      return rows.length > 0;
    });
    const beganAtMs = performance.now();
    await sql`
      insert into orders (id, shopper_id, item_id, quantity, amount_minor, currency, status, payment_method,
        payment_status, payment_due_at, placed_at, reserved_at)
      values (gen_random_uuid(), 'ann', 'item_1', 1, 1999, 'eur', 'reserved', 'pm_card_visa', 'pending', now(), now(), now())`.execute(
      sale,
    );
    return { migrating, waitedMs: performance.now() - beganAtMs };
  });
  expect(waitedMs).toBeLessThan(500); // a deadlock is noticed after a second
  expect(await migrating).toContain("010_shop_events");
  await world.close();
});
