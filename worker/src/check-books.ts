import type { RaiseAlarm } from "@holdfast/shared/alarm.ts";
import type { Database } from "@holdfast/shared/database.ts";
import { sql } from "kysely";

/**
 * Raises an alarm for items whose books are off: for people to look into, never a silent repair. It
 * reads a row per item, however many orders there are.
 */
export async function checkBooks(db: Database, raiseAlarm: RaiseAlarm): Promise<void> {
  const off = await db.selectFrom("item_books").selectAll().where("balanced", "=", false).limit(10).execute();
  if (off.length === 0) return;
  const names = off.map((books) => books.item_id).join(", ");
  raiseAlarm(
    "books_off",
    `The books of ${names} are off: stocked is not inventory + reserved + confirmed. Pause the item and compare its orders`,
    { books: off },
  );
}

const recountTimeoutSeconds = 120; // an item with a million orders is counted within a second

/**
 * Counts the held and sold units of every item anew, an item at a time, and raises an alarm where
 * the running totals say otherwise.
 */
export async function recountBooks(db: Database, raiseAlarm: RaiseAlarm): Promise<void> {
  const items = await db.selectFrom("items").select("id").orderBy("id").execute();
  for (const { id } of items) {
    const difference = await recountItem(db, id);
    if (difference === null) continue;
    raiseAlarm(
      "totals_off",
      `The totals of ${id} differ from its orders. Pause the item and set item_totals to what is counted`,
      { item: id, ...difference },
    );
  }
}

/** The totals and what was counted, where they differ; both are of the same moment. */
async function recountItem(db: Database, itemId: string) {
  return db.transaction().execute(async (trx) => {
    await sql`select set_config('statement_timeout', ${`${recountTimeoutSeconds}s`}, true)`.execute(trx);
    const { rows } = await sql<{
      reserved: number;
      confirmed: number;
      counted_reserved: number;
      counted_confirmed: number;
    }>`
      select
        coalesce(t.reserved, 0) as reserved, coalesce(t.confirmed, 0) as confirmed,
        coalesce(c.reserved, 0) as counted_reserved, coalesce(c.confirmed, 0) as counted_confirmed
      from (
        select
          sum(quantity) filter (where status = 'reserved') as reserved,
          sum(quantity) filter (where status = 'confirmed') as confirmed
        from orders where item_id = ${itemId} and status in ('reserved', 'confirmed')
      ) c
      left join item_totals t on t.item_id = ${itemId}`.execute(trx);
    const [row] = rows;
    const same = !row || (row.reserved === row.counted_reserved && row.confirmed === row.counted_confirmed);
    return same ? null : row;
  });
}
