import type { Item } from "@holdfast/shared/item.ts";
import { itemFromRow } from "@holdfast/shared/rows.ts";
import type { Tables } from "@holdfast/shared/tables.ts";
import { type RawBuilder, sql, type Transaction } from "kysely";

/**
 * An item's units, moved in the transaction that moves an order. Each locks the item's row, and
 * whoever also changes orders of the item does so after it: the totals of held and sold units are
 * locked behind the item's row everywhere.
 */

/**
 * Takes units for orders that are being reserved, as the first part of the statement that writes
 * them: a common table expression whose one row is the item afterwards. It has no row, and nothing
 * is to be written, where the item has changed since it was looked at: the decision was made by
 * what it was. Locks the item's row, also where no unit is taken, so that whoever decides next sees
 * these orders.
 * @param item as it was looked at
 * @param unless a condition under which nothing is taken either
 */
export function takeUnits(
  item: Item,
  units: number,
  unless: RawBuilder<boolean>,
): RawBuilder<{ inventory: number; version: number }> {
  const asLookedAt = sql`id = ${item.id} and version = ${item.version} and inventory = ${item.inventory} and not ${unless}`;
  // `for no key update` as an update would lock it: foreign key checks go on.
  if (units === 0) return sql`select inventory, version from items where ${asLookedAt} for no key update`;
  // The condition repeats what allocate decided: were it ever wrong, nothing would be taken.
  return sql`
    update items set inventory = inventory - ${units} where ${asLookedAt} and inventory >= ${units}
    returning inventory, version`;
}

/** Puts the units of an order that is being cancelled on sale again. */
export async function returnUnits(trx: Transaction<Tables>, itemId: string, units: number): Promise<Item> {
  const row = await trx
    .updateTable("items")
    .set({ inventory: sql<number>`inventory + ${units}` })
    .where("id", "=", itemId)
    .returningAll()
    .executeTakeFirstOrThrow();
  return itemFromRow(row);
}

/**
 * Takes the units of an order that is being refunded out of the stock: they are with the shopper,
 * or lost, but not for sale.
 */
export async function withdrawUnits(trx: Transaction<Tables>, itemId: string, units: number): Promise<Item> {
  const row = await trx
    .updateTable("items")
    .set({ stocked: sql<number>`stocked - ${units}` })
    .where("id", "=", itemId)
    .returningAll()
    .executeTakeFirstOrThrow();
  return itemFromRow(row);
}
