import { Type } from "typebox";
import { Compile } from "typebox/compile";
import type { Item } from "./item.ts";
import type { RedisClient, RedisKeys } from "./redis.ts";

const time = Type.Union([Type.Integer(), Type.Null()]);
const checkItem = Compile(
  Type.Object({
    id: Type.String(),
    name: Type.String(),
    priceMinor: Type.Integer(),
    currency: Type.String(),
    stocked: Type.Integer(),
    inventory: Type.Integer(),
    opensAtMs: time,
    closesAtMs: time,
    holdSeconds: Type.Integer(),
    paymentRetries: Type.Integer(),
    maxPerShopper: Type.Union([Type.Integer(), Type.Null()]),
    version: Type.Integer(),
  }),
);

/**
 * Tells every API server what an item looks like now. A message may be lost or late: receivers keep the higher version,
 * and read the record now and then.
 */
export async function announceItem(redis: RedisClient, keys: RedisKeys, item: Item): Promise<void> {
  await redis.publish(keys.itemChanges, JSON.stringify(item));
}

/** Reads an announcement; null where it is none: a channel is open to whoever reaches Redis. */
export function readAnnouncement(message: string): Item | null {
  try {
    const item: unknown = JSON.parse(message);
    return checkItem.Check(item) ? item : null;
  } catch {
    return null;
  }
}
