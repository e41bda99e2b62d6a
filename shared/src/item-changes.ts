import type { Item } from "./item.ts";
import type { RedisClient, RedisKeys } from "./redis.ts";

/**
 * Tells every API server what an item looks like now. A message may be lost or late: receivers keep the higher version,
 * and read the record now and then.
 */
export async function announceItem(redis: RedisClient, keys: RedisKeys, item: Item): Promise<void> {
  await redis.publish(keys.itemChanges, JSON.stringify(item));
}
