import { type Database, itemFromRow } from "@holdfast/shared/database.ts";
import { publishItems } from "@holdfast/shared/item-view.ts";
import type { OrderRecord } from "@holdfast/shared/order.ts";
import { encodeView, publishOrders } from "@holdfast/shared/order-view.ts";
import type { LaneQueue } from "@holdfast/shared/queues.ts";
import type { RedisClient, RedisKeys } from "@holdfast/shared/redis.ts";
import { shortenId } from "@holdfast/shared/short-id.ts";
import { findLost, findOrders, viewsInBatches } from "./find-lost-orders.ts";
import { hurryHeldOrders } from "./hurry-held-orders.ts";
import { publishRecentOrders } from "./publish-recent-orders.ts";

/**
 * What follows where Redis was emptied or restored from an older state: what it says of orders is brought in line with Postgres, and
 * what it says of orders that are nowhere else is taken back. All of it may be done twice.
 */

export interface RecoverParts {
  readonly db: Database;
  readonly redis: RedisClient;
  readonly keys: RedisKeys;
  readonly lanes: readonly LaneQueue[];
}

/** @param noticedAtMs when the loss was noticed: what was placed later is in the Redis that is there now */
export async function recoverFromRecord(parts: RecoverParts, noticedAtMs: number) {
  await hurryHeldOrders(parts.db);
  const items = await parts.db.selectFrom("items").selectAll().execute();
  await publishItems(parts.redis, parts.keys, items.map(itemFromRow));
  const published = await publishRecentOrders(parts);
  const { corrected, lost } = await mendViews(parts, noticedAtMs);
  return { published, corrected, lostViews: lost };
}

/**
 * Goes through all live views. One that is older than Postgres is replaced. One that waits in line without being there, and was never
 * decided, is of an order that is lost: it is taken away, so that nobody waits for it.
 */
async function mendViews(parts: RecoverParts, noticedAtMs: number): Promise<{ corrected: number; lost: number }> {
  const { db, redis, keys, lanes } = parts;
  const inDoubt = new Map<string, OrderRecord>();
  let corrected = 0;
  for await (const views of viewsInBatches(redis, keys)) {
    const records = await findOrders(
      db,
      views.map((view) => view.id),
    );
    const newer = views.flatMap((view) => {
      const record = records.get(view.id);
      return record && record.version > view.version ? [record] : [];
    });
    await publishOrders(redis, keys, newer);
    corrected += newer.length;
    for (const view of views) {
      const undecided = view.status === "queued" && !records.has(view.id);
      if (undecided && view.placedAtMs < noticedAtMs) inDoubt.set(view.id, view);
    }
  }
  let taken = 0;
  for (const view of await findLost(db, lanes, inDoubt)) {
    taken += Number(
      await redis.eval(takeBackScript, 1, keys.shopperOrders(view.shopperId), shortenId(view.id), encodeView(view)),
    );
  }
  return { corrected, lost: taken };
}

// Only as it was seen: its shopper may have bought again under the same key meanwhile.
const takeBackScript = `
if redis.call("HGET", KEYS[1], ARGV[1]) == ARGV[2] then return redis.call("HDEL", KEYS[1], ARGV[1]) end
return 0`;
