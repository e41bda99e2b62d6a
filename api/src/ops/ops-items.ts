import { type Database, itemFromRow } from "@holdfast/shared/database.ts";
import type { Item } from "@holdfast/shared/item.ts";
import { sql } from "kysely";

/** What operations say of an item; absent values are the defaults. */
export interface ItemTerms {
  name: string;
  price: number;
  currency: string;
  units: number;
  opensAt?: string | null;
  closesAt?: string | null;
  holdSeconds?: number;
  paymentRetries?: number;
  maxPerShopper?: number | null;
}

/** Puts an item on sale, or changes one that is: everything but its units. */
export async function putItem(
  db: Database,
  itemId: string,
  order: ItemTerms,
): Promise<{ item: Item; created: boolean }> {
  const terms = {
    name: order.name,
    price_minor: order.price,
    currency: order.currency,
    opens_at: order.opensAt ? new Date(order.opensAt) : null,
    closes_at: order.closesAt ? new Date(order.closesAt) : null,
    hold_seconds: order.holdSeconds ?? 600,
    payment_retries: order.paymentRetries ?? 0,
    max_per_shopper: order.maxPerShopper ?? null,
  };
  const row = await db
    .insertInto("items")
    .values({ id: itemId, ...terms, stocked: order.units, inventory: order.units })
    .onConflict((conflict) => conflict.column("id").doUpdateSet(terms))
    .returningAll()
    .executeTakeFirstOrThrow();
  return { item: itemFromRow(row), created: row.version === 1 };
}

export type Restocked =
  | { readonly kind: "restocked"; readonly item: Item }
  | { readonly kind: "insufficient_inventory"; readonly inventory: number }
  | { readonly kind: "too_many" }
  | { readonly kind: "item_not_found" };

/** As the database has it: more than any sale, and far from where an integer ends. */
export const maxStocked = 100_000_000;

/** Adds units, or with a negative number withdraws unsold ones: all of them or none. */
export async function restockItem(db: Database, itemId: string, units: number): Promise<Restocked> {
  const row = await db
    .updateTable("items")
    .set({ stocked: sql<number>`stocked + ${units}`, inventory: sql<number>`inventory + ${units}` })
    .where("id", "=", itemId)
    .where(sql<boolean>`inventory + ${units} >= 0`)
    .where(sql<boolean>`stocked + ${units} <= ${maxStocked}`)
    .returningAll()
    .executeTakeFirst();
  if (row) return { kind: "restocked", item: itemFromRow(row) };
  const known = await db.selectFrom("items").select("inventory").where("id", "=", itemId).executeTakeFirst();
  if (!known) return { kind: "item_not_found" };
  return units > 0 ? { kind: "too_many" } : { kind: "insufficient_inventory", inventory: known.inventory };
}
