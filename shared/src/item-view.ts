import { Type } from "typebox";
import { Compile } from "typebox/compile";
import type { Item } from "./item.ts";
import type { Store } from "./redis.ts";
import { redisScript } from "./redis-script.ts";

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
    paused: Type.Boolean(),
    version: Type.Integer(),
  }),
);

/**
 * The view of the items in Redis: what is left of each, so that "Out of stock" costs neither a job
 * nor a question to Postgres. It carries the item's version: an older message never overwrites a
 * newer one, whatever order they come in. What is new is told to every API server in the same step,
 * so no server can miss what the view has without noticing it (messages.ts).
 */

/** A Lua function that publishes one item, for scripts that do more than that. */
export const publishItemLua = `
local function publish_item(view_key, counter_key, channel, id, version, text)
  local known = redis.call("HGET", view_key, id)
  if not known or tonumber(string.match(known, "^%d+")) < tonumber(version) then
    redis.call("HSET", view_key, id, version .. " " .. text)
    redis.call("PUBLISH", channel, redis.call("INCR", counter_key) .. " " .. version .. " " .. text)
  end
end`;

const publish = redisScript<number>(
  "publishItems",
  `${publishItemLua}
for i = 2, #ARGV, 3 do publish_item(KEYS[1], KEYS[2], ARGV[1], ARGV[i], ARGV[i + 1], ARGV[i + 2]) end
return 0`,
);

/** An item as the arguments of `publish_item`: its id, version and text. */
export function itemArguments(item: Item): (string | number)[] {
  return [item.id, item.version, JSON.stringify(item)];
}

/** Publishes items as they are now; one of which a newer version is known changes nothing. */
export async function publishItems({ redis, keys }: Store, items: readonly Item[]): Promise<void> {
  if (items.length === 0) return;
  const { counter, channel } = keys.itemMessages;
  await publish(redis, [keys.items, counter], [channel, ...items.flatMap(itemArguments)]);
}

/** All items of the view. */
export async function readItems({ redis, keys }: Store): Promise<Item[]> {
  const views = await redis.hgetall(keys.items);
  return Object.values(views)
    .map(readItem)
    .filter((item) => item !== null);
}

/**
 * Reads a view, or a message with one; null where it is neither: Redis is open to whoever reaches
 * it.
 */
export function readItem(text: string): Item | null {
  try {
    const item: unknown = JSON.parse(text.slice(text.indexOf(" ") + 1));
    return checkItem.Check(item) ? item : null;
  } catch {
    return null;
  }
}
