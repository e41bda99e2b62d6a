import { itemFromRow, type Tables } from "@holdfast/shared/database.ts";
import { invariant } from "@holdfast/shared/invariant.ts";
import type { Item } from "@holdfast/shared/item.ts";
import { sql, type Transaction } from "kysely";

/**
 * An item's units, moved in the transaction that moves an order. Each locks the item's row, and
 * whoever also changes orders of the item does so after it: the totals of held and sold units are
 * locked behind the item's row everywhere.
 */

/**
 * Takes units for orders that are being reserved.
 * @param item as its locked row says
 */
export async function takeUnits(trx: Transaction<Tables>, item: Item, units: number): Promise<Item> {
  if (units === 0) return item;
  // The condition repeats what allocate decided: were it ever wrong, nothing would be taken.
  const { rows } = await sql<{ inventory: number; version: number }>`
    update items set inventory = inventory - ${units} where id = ${item.id} and inventory >= ${units}
    returning inventory, version`.execute(trx);
  const taken = rows[0];
  invariant(taken, `allocate gave out ${units} units of ${item.id}, of which there were ${item.inventory}`);
  return { ...item, ...taken };
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
