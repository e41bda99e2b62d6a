import type { Database } from "@holdfast/shared/database.ts";

/** Puts an item on sale, straight into Postgres. */
export async function addItem(
  db: Database,
  id: string,
  units: number,
  terms: Partial<{
    name: string;
    price_minor: number;
    opens_at: Date;
    closes_at: Date;
    hold_seconds: number;
    payment_retries: number;
    max_per_shopper: number;
  }> = {},
): Promise<void> {
  const defaults = { price_minor: 1_999, hold_seconds: 600, payment_retries: 0, max_per_shopper: null };
  await db
    .insertInto("items")
    .values({
      id,
      name: id,
      currency: "eur",
      stocked: units,
      inventory: units,
      ...defaults,
      opens_at: null,
      closes_at: null,
      ...terms,
    })
    .execute();
}

/** The books of an item, as everybody reads them. */
export async function booksOf(db: Database, itemId: string) {
  return db.selectFrom("item_books").selectAll().where("item_id", "=", itemId).executeTakeFirstOrThrow();
}
