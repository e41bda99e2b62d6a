import type { Database } from "@holdfast/shared/database.ts";
import type { Item } from "@holdfast/shared/item.ts";
import type { Order } from "@holdfast/shared/order.ts";
import { itemFromRow } from "@holdfast/shared/rows.ts";
import type { Tables } from "@holdfast/shared/tables.ts";
import type { Transaction, Updateable } from "kysely";
import type { OlderItem } from "./compare-items.ts";

/**
 * What operations changed about items in a minute that Postgres has lost, as it is shown: a paused
 * item would go on sale again otherwise, withdrawn units too.
 */

const terms = [
  "name",
  "priceMinor",
  "opensAtMs",
  "closesAtMs",
  "holdSeconds",
  "paymentRetries",
  "maxPerShopper",
] as const;

/**
 * Units that were added (or withdrawn, below zero) since. A refund whose units did not come back
 * leaves the stock as well; its order does so again.
 * @param orders that Postgres lacks, or has in an earlier state
 */
export function unitsSince({ shown, inPostgres }: OlderItem, orders: readonly Order[]): number {
  const units = shown.stocked - inPostgres.stocked;
  const refunded = orders.filter(({ itemId, status }) => itemId === shown.id && status === "refunded");
  return units >= 0 ? units : Math.min(0, units + refunded.reduce((sum, { quantity }) => sum + quantity, 0));
}

/** The changes in words. */
export function changesOf(item: OlderItem, orders: readonly Order[]): string[] {
  const { shown, inPostgres } = item;
  const changed = terms.filter((name) => shown[name] !== inPostgres[name]);
  const told = changed.map((name) => `${name} ${inPostgres[name] ?? "none"} → ${shown[name] ?? "none"}`);
  if (shown.paused && !inPostgres.paused) told.push("paused");
  if (!shown.paused && inPostgres.paused) told.push("resumed: it stays paused until you resume it");
  const units = unitsSince(item, orders);
  if (units !== 0) told.push(units > 0 ? `${units} units added` : `${-units} units withdrawn`);
  return told;
}

/**
 * Before orders are written: the terms, units that were added, and as many of those that were
 * withdrawn as there are. Paused is what either has paused: somebody may have done so in the
 * meantime. So is an item of which units are left to be withdrawn: should this be stopped before
 * `finishItems`, those that come back are not sold. It may be stopped anywhere and run again.
 * @returns the ids of the items that were paused for that
 */
export async function restoreItems(
  db: Database,
  older: readonly OlderItem[],
  orders: readonly Order[],
): Promise<ReadonlySet<string>> {
  const paused = new Set<string>();
  for (const one of older) {
    const { shown } = one;
    await change(db, one, (item) => {
      const units = unitsSince({ shown, inPostgres: item }, orders);
      if (item.inventory + units < 0 && !shown.paused && !item.paused) paused.add(shown.id);
      return {
        name: shown.name,
        price_minor: shown.priceMinor,
        opens_at: date(shown.opensAtMs),
        closes_at: date(shown.closesAtMs),
        hold_seconds: shown.holdSeconds,
        payment_retries: shown.paymentRetries,
        max_per_shopper: shown.maxPerShopper,
        ...((shown.paused || paused.has(shown.id)) && !item.paused && { paused_at: new Date() }),
        ...withUnits(item, units),
      };
    });
  }
  return paused;
}

/**
 * Afterwards, when units may have come back: withdraws what is left to be withdrawn, as far as there
 * is any, and raises the items above their views, so that none of it is done a second time.
 * @param paused items that were paused until then
 * @returns the items of which fewer units were there than were withdrawn, and how many fewer
 */
export async function finishItems(
  db: Database,
  older: readonly OlderItem[],
  orders: readonly Order[],
  paused: ReadonlySet<string>,
): Promise<{ readonly itemId: string; readonly units: number }[]> {
  const tooFew: { itemId: string; units: number }[] = [];
  for (const one of older) {
    const { shown } = one;
    await change(db, one, (item) => {
      const units = Math.min(0, unitsSince({ shown, inPostgres: item }, orders));
      if (item.inventory + units < 0) tooFew.push({ itemId: item.id, units: -units - item.inventory });
      return {
        ...withUnits(item, units),
        ...(paused.has(item.id) && { paused_at: null }),
        version: Math.max(item.version, shown.version) + 1,
      };
    });
  }
  return tooFew;
}

/** As many as there are, of those that are withdrawn. */
function withUnits({ stocked, inventory }: Item, units: number): Updateable<Tables["items"]> {
  const moved = Math.max(units, -inventory);
  return { stocked: stocked + moved, inventory: inventory + moved };
}

async function change(
  db: Database,
  { shown }: OlderItem,
  changed: (item: Item) => Updateable<Tables["items"]>,
): Promise<void> {
  await db.transaction().execute(async (trx) => {
    const row = await trx
      .selectFrom("items")
      .selectAll()
      .where("id", "=", shown.id)
      .forNoKeyUpdate()
      .executeTakeFirst();
    if (!row || row.archived_at !== null) return; // over for good
    const before = itemFromRow(row);
    const update = trx.updateTable("items").set(changed(before)).where("id", "=", shown.id);
    const after = itemFromRow(await update.returningAll().executeTakeFirstOrThrow());
    await noteChange(trx, before, after);
  });
}

/** In the trail of operations, as every change of theirs; what nobody decides is none. */
async function noteChange(trx: Transaction<Tables>, before: Item, after: Item): Promise<void> {
  const decided = [...terms, "stocked", "paused"] as const;
  const differing = decided.filter((name) => before[name] !== after[name]);
  if (differing.length === 0) return;
  const part = (item: Item) => JSON.stringify(Object.fromEntries(differing.map((name) => [name, item[name]])));
  await trx
    .insertInto("operations_audit")
    .values({
      operator: "restore-check",
      address: "",
      action: "item.restore",
      subject: `item ${after.id}`,
      before: part(before),
      after: part(after),
    })
    .execute();
}

const date = (ms: number | null) => (ms === null ? null : new Date(ms));
