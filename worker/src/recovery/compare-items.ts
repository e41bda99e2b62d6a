import type { Database } from "@holdfast/shared/database.ts";
import { type Item, isRehearsal } from "@holdfast/shared/item.ts";
import { publishItems, readItems } from "@holdfast/shared/item-view.ts";
import type { Store } from "@holdfast/shared/redis.ts";
import { itemFromRow } from "@holdfast/shared/rows.ts";

/**
 * Items as Redis shows them against those in Postgres. Whatever takes, returns or adds units raises
 * an item's version, and is published after its commit: an item that is older in Postgres than its
 * view is one of which commits are gone.
 */
export interface ComparedItems {
  /** Views whose item is older in Postgres. */
  readonly older: readonly Item[];
  /** Views of items that Postgres does not have: they were made since. */
  readonly unknown: readonly Item[];
}

export async function compareItems(db: Database, store: Store): Promise<ComparedItems> {
  // Redis first: read second, a view could rightly be newer. A rehearsal's item may be deleted, and
  // made again under the same id.
  const views = (await readItems(store)).filter(({ id }) => !isRehearsal(id));
  if (views.length === 0) return { older: [], unknown: [] };
  const rows = await db.selectFrom("items").select(["id", "version"]).execute();
  const versions = new Map(rows.map(({ id, version }) => [id, version]));
  return {
    older: views.filter(({ id, version }) => (versions.get(id) ?? version) < version),
    unknown: views.filter(({ id }) => !versions.has(id)),
  };
}

/**
 * Raises the versions of such items above their views, and shows all as they are: otherwise what is
 * changed from now on, a pause too, would be taken for old news. It may be stopped anywhere and run
 * again.
 */
export async function raiseItems(db: Database, store: Store, older: readonly Item[]): Promise<void> {
  for (const { id, version } of older) {
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
