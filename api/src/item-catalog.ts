import { type Database, itemFromRow } from "@holdfast/shared/database.ts";
import { type Item, isItemId } from "@holdfast/shared/item.ts";
import { readAnnouncement } from "@holdfast/shared/item-changes.ts";
import type { Logger } from "@holdfast/shared/log.ts";
import type { RedisClient, RedisKeys } from "@holdfast/shared/redis.ts";

/** The items as this API server knows them: a purchase of a known item asks nobody. */
export interface ItemCatalog {
  /** The item, or null where there is none. Asks Postgres only for an id it has not seen. */
  find(itemId: string): Promise<Item | null>;
  /** All items, by id. */
  list(): Item[];
  /** Takes note of an item as it is now; an older version changes nothing. */
  note(item: Item): void;
  close(): void;
}

const refreshEveryMs = 2_000; // how long a lost message may leave a sold-out or reopened item unnoticed
const missRememberedMs = 1_000; // so that a flood of made-up ids asks Postgres once a second for each
const maxMisses = 10_000; // ids remembered as missing; past that all are forgotten

/**
 * Reads all items, then follows the announcements of workers and operations. Since a message can be lost, the record is read
 * again every two seconds; while Postgres is away the items stay as they were last seen.
 * @param subscriber a connection of its own, given over to the subscription
 */
export async function openItemCatalog(
  db: Database,
  subscriber: RedisClient,
  keys: RedisKeys,
  log: Logger,
): Promise<ItemCatalog> {
  const items = new Map<string, Item>();
  const misses = new Map<string, number>();

  const note = (item: Item) => {
    const known = items.get(item.id);
    if (!known || known.version < item.version) items.set(item.id, item);
    misses.delete(item.id);
  };
  const refresh = async () => {
    const rows = await db.selectFrom("items").selectAll().execute();
    for (const row of rows) note(itemFromRow(row));
  };
  const findInRecord = async (itemId: string): Promise<Item | null> => {
    if ((misses.get(itemId) ?? 0) > Date.now()) return null;
    const row = await db.selectFrom("items").selectAll().where("id", "=", itemId).executeTakeFirst();
    if (row) {
      note(itemFromRow(row));
      return items.get(itemId) ?? null;
    }
    if (misses.size >= maxMisses) misses.clear();
    misses.set(itemId, Date.now() + missRememberedMs);
    return null;
  };

  subscriber.on("message", (_channel, message) => {
    const item = readAnnouncement(message);
    if (item) note(item);
    else log.warn("something that is no item was announced; ignored");
  });
  await subscriber.subscribe(keys.itemChanges);
  await refresh();
  let refreshing = false;
  const timer = setInterval(() => {
    if (refreshing) return;
    refreshing = true;
    refresh()
      .catch((error: unknown) => log.warn({ err: error }, "items could not be read again; going by what is known"))
      .finally(() => {
        refreshing = false;
      });
  }, refreshEveryMs);

  return {
    find: async (itemId) => items.get(itemId) ?? (isItemId(itemId) ? findInRecord(itemId) : null),
    list: () => [...items.values()].sort((a, b) => (a.id < b.id ? -1 : 1)),
    note,
    close: () => clearInterval(timer),
  };
}
