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
  raiseAlarm("books_off", `Of ${names}.`, { books: off });
}

const pageSize = 100_000; // orders counted in one statement: some tens of milliseconds

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
      `totals_off:${id}`,
      `Of ${id}: counted are ${difference.counted.reserved} reserved and ${difference.counted.confirmed} confirmed.`,
      { item: id, ...difference },
    );
  }
}

interface Units {
  readonly reserved: number;
  readonly confirmed: number;
}

/** The totals and what was counted, where they differ; both are of the same moment. */
async function recountItem(db: Database, itemId: string): Promise<{ totals: Units; counted: Units } | null> {
  const oneMoment = db.transaction().setIsolationLevel("repeatable read").setAccessMode("read only");
  return oneMoment.execute(async (trx) => {
    const row = await trx.selectFrom("item_totals").selectAll().where("item_id", "=", itemId).executeTakeFirst();
    const totals = { reserved: row?.reserved ?? 0, confirmed: row?.confirmed ?? 0 };
    const counted = { reserved: 0, confirmed: 0 };
    for (let page: Page | null = { reserved: 0, confirmed: 0, last: "" }; page !== null; ) {
      page = await countPage(trx, itemId, page.last);
      counted.reserved += page?.reserved ?? 0;
      counted.confirmed += page?.confirmed ?? 0;
    }
    const same = totals.reserved === counted.reserved && totals.confirmed === counted.confirmed;
    return same ? null : { totals, counted };
  });
}

interface Page extends Units {
  /** The last shopper that was counted. */
  readonly last: string;
}

/** Counts the orders of the next shoppers along the index that has their units; null at the end. */
async function countPage(trx: Database, itemId: string, after: string): Promise<Page | null> {
  const { rows } = await sql<{ reserved: number | null; confirmed: number | null; last: string | null }>`
    with shoppers as (
      select max(shopper_id) as last from (
        select shopper_id from orders
        where item_id = ${itemId} and status in ('reserved', 'confirmed') and shopper_id > ${after}
        order by shopper_id limit ${pageSize}
      ) page
    )
    select
      sum(quantity) filter (where status = 'reserved') as reserved,
      sum(quantity) filter (where status = 'confirmed') as confirmed,
      max(last) as last
    from orders, shoppers
    where item_id = ${itemId} and status in ('reserved', 'confirmed') and shopper_id > ${after} and shopper_id <= last`.execute(
    trx,
  );
  const [row] = rows;
  if (!row || row.last === null) return null;
  return { reserved: row.reserved ?? 0, confirmed: row.confirmed ?? 0, last: row.last };
}
