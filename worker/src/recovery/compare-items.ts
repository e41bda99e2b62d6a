import type { Database } from "@holdfast/shared/database.ts";
import { type Item, isRehearsal } from "@holdfast/shared/item.ts";
import { publishItems, readItems } from "@holdfast/shared/item-view.ts";
import type { Store } from "@holdfast/shared/redis.ts";
import { itemFromRow } from "@holdfast/shared/rows.ts";

/**
 * Items as Redis shows them against those in Postgres. Whatever takes, returns or adds units raises
 * an item's version, and is published after its commit: an item that is older in Postgres than its
 * view is one of which commits are gone. So is one of the same version with other units: others were
 * committed since.
 */
export interface ComparedItems {
  readonly older: readonly OlderItem[];
  /** Views of items that Postgres does not have: they were made since. */
  readonly unknown: readonly Item[];
}

export interface OlderItem {
  readonly shown: Item;
  readonly inPostgres: Item;
}

export async function compareItems(db: Database, store: Store): Promise<ComparedItems> {
  // Redis first: read second, a view could rightly be newer. A rehearsal's item may be deleted, and
  // made again under the same id.
  const views = (await readItems(store)).filter(({ id }) => !isRehearsal(id));
  if (views.length === 0) return { older: [], unknown: [] };
  const rows = await db.selectFrom("items").selectAll().execute();
  const known = new Map(rows.map((row) => [row.id, itemFromRow(row)]));
  const older: OlderItem[] = [];
  const unknown: Item[] = [];
  for (const shown of views) {
    const inPostgres = known.get(shown.id);
    if (inPostgres === undefined) unknown.push(shown);
    else if (isOlder(inPostgres, shown)) older.push({ shown, inPostgres });
  }
  return { older, unknown };
}

function isOlder(item: Item, shown: Item): boolean {
  if (item.version !== shown.version) return item.version < shown.version;
  return item.inventory !== shown.inventory || item.stocked !== shown.stocked;
}

/**
 * Raises the versions of all items above their views, and shows them as they are: otherwise what is
 * changed from now on, a pause too, would be taken for old news. It may be stopped anywhere and run
 * again.
 */
export async function raiseItems(db: Database, store: Store): Promise<void> {
  for (const { id, version } of await readItems(store)) {
    await db
      .updateTable("items")
      .set({ version: version + 1 })
      .where("id", "=", id)
      .where("version", "<=", version)
      .execute();
  }
  const rows = await db.selectFrom("items").selectAll().execute();
  await publishItems(store, rows.map(itemFromRow));
}
