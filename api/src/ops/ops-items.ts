import type { Database } from "@holdfast/shared/database.ts";
import type { Item } from "@holdfast/shared/item.ts";
import { itemFromRow } from "@holdfast/shared/rows.ts";
import type { Tables } from "@holdfast/shared/tables.ts";
import { sql, type Transaction } from "kysely";
import { appendAudit } from "./audit.ts";
import { applyTerms, type ItemTerms, itemTag, type TermsChange, termsOf } from "./item-terms.ts";
import type { Operator } from "./ops-guard.ts";

/**
 * What operations do to items: each change and its entry in the audit trail are one transaction.
 * The item's row is locked first, so several operators at once, and a sale, come one after the
 * other.
 */

export type Created =
  | { readonly kind: "created" | "repeated"; readonly item: Item }
  /** Another item has this id. */
  | { readonly kind: "exists" };

/**
 * Puts an item on sale. The same again, as after a lost answer, changes nothing and is no error,
 * whatever has been sold meanwhile.
 */
export async function createItem(
  db: Database,
  operator: Operator,
  itemId: string,
  terms: ItemTerms,
  units: number,
): Promise<Created> {
  return db.transaction().execute(async (trx) => {
    const row = await trx
      .insertInto("items")
      .values({ id: itemId, ...columnsOf(terms), stocked: units, inventory: units })
      .onConflict((conflict) => conflict.column("id").doNothing())
      .returningAll()
      .executeTakeFirst();
    const subject = subjectOf(itemId);
    if (row) {
      await appendAudit(trx, operator, { action: "item.create", subject, before: null, after: { ...terms, units } });
      return { kind: "created", item: itemFromRow(row) };
    }
    const known = await trx.selectFrom("items").selectAll().where("id", "=", itemId).executeTakeFirstOrThrow();
    const item = itemFromRow(known);
    const created = await trx
      .selectFrom("operations_audit")
      .select("after")
      .where("subject", "=", subject)
      .where("action", "=", "item.create")
      .orderBy("id", "desc") // a rehearsal's item may be deleted, and put on sale again
      .limit(1)
      .executeTakeFirst();
    // One that was not created here is compared with what it is.
    const first = created?.after ?? { ...termsOf(item), units: item.stocked };
    return sameValues(first as Record<string, unknown>, { ...terms, units })
      ? { kind: "repeated", item }
      : { kind: "exists" };
  });
}

export type Changed =
  | { readonly kind: "changed"; readonly item: Item }
  | { readonly kind: "item_not_found" }
  /** It is not any more what the operator has seen. */
  | { readonly kind: "another_state" }
  | { readonly kind: "invalid"; readonly field: string; readonly message: string };

/**
 * Changes an item's terms; what is not named stays.
 * @param seen the tag of the terms that the operator has seen; null where any will do
 */
export async function changeItem(
  db: Database,
  operator: Operator,
  itemId: string,
  change: TermsChange,
  seen: ((tag: string) => boolean) | null,
): Promise<Changed> {
  return db.transaction().execute(async (trx) => {
    const item = await lockItem(trx, itemId);
    if (item === null) return { kind: "item_not_found" };
    if (seen !== null && !seen(itemTag(item))) return { kind: "another_state" };
    const before = termsOf(item);
    const applied = applyTerms(before, change);
    if (applied.kind === "invalid") return applied;
    const { terms } = applied;
    if (terms.currency !== before.currency && (await wasSold(trx, itemId))) {
      const message = "cannot change any more: units were held or sold in the one that it has";
      return { kind: "invalid", field: "currency", message };
    }
    if (sameValues({ ...before }, { ...terms })) return { kind: "changed", item };
    if (terms.closesAt !== before.closesAt && (await wasArchived(trx, itemId))) {
      const message = "cannot change any more: its orders were archived, and it is over for good";
      return { kind: "invalid", field: "closesAt", message };
    }
    const row = await trx
      .updateTable("items")
      .set(columnsOf(terms))
      .where("id", "=", itemId)
      .returningAll()
      .executeTakeFirstOrThrow();
    await appendAudit(trx, operator, { action: "item.change", subject: subjectOf(itemId), before, after: terms });
    return { kind: "changed", item: itemFromRow(row) };
  });
}

/** Stops or resumes the sale of an item. @returns null where there is none */
export async function pauseItem(
  db: Database,
  operator: Operator,
  itemId: string,
  paused: boolean,
): Promise<Item | null> {
  return db.transaction().execute(async (trx) => {
    const item = await lockItem(trx, itemId);
    if (item === null || item.paused === paused) return item;
    const row = await trx
      .updateTable("items")
      .set({ paused_at: paused ? sql<Date>`now()` : null })
      .where("id", "=", itemId)
      .returningAll()
      .executeTakeFirstOrThrow();
    const action = paused ? "item.pause" : "item.resume";
    const subject = subjectOf(itemId);
    await appendAudit(trx, operator, { action, subject, before: { paused: !paused }, after: { paused } });
    return itemFromRow(row);
  });
}

export type Restocked =
  | { readonly kind: "restocked"; readonly item: Item }
  | { readonly kind: "insufficient_inventory"; readonly inventory: number }
  | { readonly kind: "too_many" }
  | { readonly kind: "item_not_found" };

/** As the database has it: more than any sale, and far from where an integer ends. */
export const maxStocked = 100_000_000;

/** Adds units, or with a negative number withdraws unsold ones: all of them or none. */
export async function restockItem(db: Database, operator: Operator, itemId: string, units: number): Promise<Restocked> {
  return db.transaction().execute(async (trx) => {
    const before = await lockItem(trx, itemId);
    if (before === null) return { kind: "item_not_found" };
    if (before.inventory + units < 0) return { kind: "insufficient_inventory", inventory: before.inventory };
    if (before.stocked + units > maxStocked) return { kind: "too_many" };
    const row = await trx
      .updateTable("items")
      .set({ stocked: sql<number>`stocked + ${units}`, inventory: sql<number>`inventory + ${units}` })
      .where("id", "=", itemId)
      .returningAll()
      .executeTakeFirstOrThrow();
    const item = itemFromRow(row);
    await appendAudit(trx, operator, {
      action: units > 0 ? "item.restock" : "item.withdraw",
      subject: subjectOf(itemId),
      before: unitsOf(before),
      after: unitsOf(item),
    });
    return { kind: "restocked", item };
  });
}

function subjectOf(itemId: string): string {
  return `item ${itemId}`;
}

function unitsOf({ stocked, inventory }: Item) {
  return { stocked, inventory };
}

/** As reserving locks it: foreign key checks go on. */
async function lockItem(trx: Transaction<Tables>, itemId: string): Promise<Item | null> {
  const row = await trx.selectFrom("items").selectAll().where("id", "=", itemId).forNoKeyUpdate().executeTakeFirst();
  return row ? itemFromRow(row) : null;
}

/** Whether units of it were ever held or sold: its money is counted in its currency. */
async function wasSold(trx: Transaction<Tables>, itemId: string): Promise<boolean> {
  const row = await trx.selectFrom("item_totals").select("item_id").where("item_id", "=", itemId).executeTakeFirst();
  return row !== undefined;
}

async function wasArchived(trx: Transaction<Tables>, itemId: string): Promise<boolean> {
  const row = await trx.selectFrom("items").select("archived_at").where("id", "=", itemId).executeTakeFirst();
  return (row?.archived_at ?? null) !== null;
}

function columnsOf(terms: ItemTerms) {
  return {
    name: terms.name,
    price_minor: terms.price,
    currency: terms.currency,
    opens_at: terms.opensAt === null ? null : new Date(terms.opensAt),
    closes_at: terms.closesAt === null ? null : new Date(terms.closesAt),
    hold_seconds: terms.holdSeconds,
    payment_retries: terms.paymentRetries,
    max_per_shopper: terms.maxPerShopper,
  };
}

/** Postgres keeps an object's names in an order of its own. */
function sameValues(one: Readonly<Record<string, unknown>>, other: Readonly<Record<string, unknown>>): boolean {
  const names = new Set([...Object.keys(one), ...Object.keys(other)]);
  return [...names].every((name) => one[name] === other[name]);
}
