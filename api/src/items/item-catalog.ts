import type { Database } from "@holdfast/shared/database.ts";
import { type Item, isItemId, isRehearsal } from "@holdfast/shared/item.ts";
import { publishItems, readItem, readItems } from "@holdfast/shared/item-view.ts";
import type { Logger } from "@holdfast/shared/log.ts";
import type { RedisClient, RedisKeys } from "@holdfast/shared/redis.ts";
import { itemFromRow } from "@holdfast/shared/rows.ts";
import { sql } from "kysely";
import { coalesce } from "../coalesce.ts";
import { followMessages } from "../follow-messages.ts";

/**
 * The items as this API server knows them: a purchase of a known item asks nobody, and neither does
 * its refusal when all is sold.
 */
export interface ItemCatalog {
  /** The item, where this server has seen it. */
  known(itemId: string): Item | undefined;
  /**
   * The item, or null where there is none. Asks Postgres only for ids it has not seen, for all of
   * the moment with one query.
   */
  find(itemId: string): Promise<Item | null>;
  /** All items, by id. */
  list(): Item[];
  /** Counted up whenever an item is another. */
  revision(): number;
  /** Takes note of an item as it is now; an older version changes nothing. */
  note(item: Item): void;
  close(): void;
}

export interface CatalogParts {
  readonly db: Database;
  readonly redis: RedisClient;
  /** A connection of its own, given over to subscriptions. */
  readonly subscriber: RedisClient;
  readonly keys: RedisKeys;
  readonly log: Logger;
}

const refreshEveryMs = 5_000; // how long a change may go unnoticed that was committed and never told, its process having died
const missRememberedMs = 1_000; // so that a flood of made-up ids asks Postgres once a second for each
const maxMisses = 10_000; // ids remembered as missing; past that all are forgotten
// One query at a time: a flood of made-up ids takes one of our connections to Postgres and no more.
const batched = { maxBatch: 1_000, maxWaiting: 20_000, maxUnderWay: 1 };

/**
 * Reads all items, then follows their messages; after a gap it reads the view in Redis again.
 * Behind that, Postgres is read every few seconds, and what the view does not have yet is
 * published: so view and servers heal by themselves. While Postgres or Redis is unavailable, the
 * items stay as they were.
 */
export async function openItemCatalog({ db, redis, subscriber, keys, log }: CatalogParts): Promise<ItemCatalog> {
  const items = new Map<string, Item>();
  const misses = new Map<string, number>();
  let revision = 0;

  const isNewer = (item: Item) => (items.get(item.id)?.version ?? 0) < item.version;
  const note = (item: Item) => {
    if (isNewer(item)) {
      items.set(item.id, item);
      revision += 1;
    }
    misses.delete(item.id);
  };
  const refresh = async () => {
    const rows = await db.selectFrom("items").selectAll().execute();
    const unpublished = rows.map(itemFromRow).filter(isNewer);
    for (const item of unpublished) note(item);
    // Only a rehearsal's item is ever deleted; one that came while the rows were read is found
    // again.
    const there = new Set(rows.map(({ id }) => id));
    for (const id of items.keys()) if (isRehearsal(id) && !there.has(id)) items.delete(id);
    await publishItems({ redis, keys }, unpublished);
  };
  const findInPostgres = coalesce<string, Item | null>(batched, async (_key, asked) => {
    const ids = [...new Set(asked)];
    const rows = await db.selectFrom("items").selectAll().where("id", "=", sql<string>`any(${ids}::text[])`).execute();
    for (const row of rows) note(itemFromRow(row));
    if (misses.size + ids.length > maxMisses) misses.clear();
    for (const id of ids) if (!items.has(id)) misses.set(id, Date.now() + missRememberedMs);
    return asked.map((id) => items.get(id) ?? null);
  });
  const findUnseen = async (itemId: string): Promise<Item | null> => {
    if (!isItemId(itemId) || (misses.get(itemId) ?? 0) > Date.now()) return null;
    return findInPostgres("", itemId);
  };
  const quietly = (work: Promise<void>) =>
    work.catch((error: unknown) => log.warn({ err: error }, "items could not be read again; going by what is known"));

  const stopFollowing = await followMessages({ subscriber, redis, log }, keys.itemMessages, {
    onMessage: (text) => {
      const item = readItem(text);
      if (item) note(item);
      else log.warn("a message about items that is no item was ignored");
    },
    onGap: async () => (await readItems({ redis, keys })).forEach(note),
  });
  await refresh();
  let refreshing = false;
  const timer = setInterval(() => {
    if (refreshing) return;
    refreshing = true;
    void quietly(refresh()).finally(() => {
      refreshing = false;
    });
  }, refreshEveryMs);

  return {
    known: (itemId) => items.get(itemId),
    find: async (itemId) => items.get(itemId) ?? findUnseen(itemId),
    list: () => [...items.values()].sort((a, b) => (a.id < b.id ? -1 : 1)),
    revision: () => revision,
    note,
    close: () => {
      clearInterval(timer);
      stopFollowing();
    },
  };
}
