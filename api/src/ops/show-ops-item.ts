import type { Database } from "@holdfast/shared/database.ts";
import type { Item } from "@holdfast/shared/item.ts";
import { itemFromRow } from "@holdfast/shared/rows.ts";
import { showItem } from "@holdfast/shared/show-item.ts";
import { sql } from "kysely";

/** An item as operations see it. */
export function showOpsItem(item: Item) {
  const { stocked, holdSeconds, paymentRetries, maxPerShopper, paused } = item;
  return { ...showItem(item, Date.now()), stocked, holdSeconds, paymentRetries, maxPerShopper, paused };
}

const maxListed = 1_000; // a sale has a few; more are found by their ids

/** The items with their books and money, by id. */
export async function listItems(db: Database, prefix: string) {
  const rows = await itemsWithTotals(db)
    .where(sql<boolean>`starts_with(items.id, ${prefix})`)
    .orderBy("items.id")
    .limit(maxListed)
    .execute();
  return rows.map((row) => showWithBooks(row));
}

/** One of them; null where there is none. */
export async function itemForOperations(db: Database, itemId: string) {
  const row = await itemsWithTotals(db).where("items.id", "=", itemId).executeTakeFirst();
  return row ? { item: itemFromRow(row), body: showWithBooks(row) } : null;
}

function itemsWithTotals(db: Database) {
  return db
    .selectFrom("items")
    .leftJoin("item_totals as t", "t.item_id", "items.id")
    .selectAll("items")
    .select([
      sql<number>`coalesce(t.reserved, 0)`.as("reserved"),
      sql<number>`coalesce(t.confirmed, 0)`.as("confirmed"),
      sql<number>`coalesce(t.refunded, 0)`.as("refunded"),
      sql<number>`coalesce(t.taken_minor, 0)`.as("taken"),
      sql<number>`coalesce(t.refunded_minor, 0)`.as("refundedAmount"),
    ]);
}

type Row = Awaited<ReturnType<ReturnType<typeof itemsWithTotals>["executeTakeFirstOrThrow"]>>;

function showWithBooks(row: Row) {
  const item = itemFromRow(row);
  const { stocked, inventory } = item;
  const { reserved, confirmed, refunded, taken, refundedAmount } = row;
  const balanced = stocked === inventory + reserved + confirmed;
  const books = { stocked, inventory, reserved, confirmed, balanced };
  return { ...showOpsItem(item), books, refunded, taken, refundedAmount };
}
