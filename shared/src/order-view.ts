import { Cluster } from "ioredis";
import { invariant } from "./invariant.ts";
import { LaterFormat } from "./later-format.ts";
import { publishMessage } from "./messages.ts";
import type { Order } from "./order.ts";
import { decodeView, encodeView, entryOf, shortIdLength } from "./order-view-text.ts";
import type { RedisClient, Store } from "./redis.ts";
import { redisScript } from "./redis-script.ts";
import { restoreId, shortenId } from "./short-id.ts";

/**
 * The live view of orders in Redis: one hash per shopper, one field per order. It answers the
 * shoppers' polls; the source of truth is Postgres. A view is replaced only by a newer version of
 * the same order.
 *
 * One line of text per view, not JSON: a queued order's fits the 64 bytes up to which Redis keeps a
 * small hash in one compact block, which halves what a million queued orders cost.
 */

/**
 * How long the views of a shopper outlive their last change: as long as an Idempotency-Key is
 * remembered.
 */
export const viewTtlMs = 24 * 3600 * 1000;

/**
 * Views of decided orders kept per shopper; whoever has more finds the oldest of them in Postgres.
 * Views of orders that are not decided yet, or that have a client secret, are nowhere else, so they
 * are never dropped: the line and the item's units bound how many there are.
 */
export const maxViewsPerShopper = 100;

// For each order: leaves a view that is there alone, otherwise writes this one. Returns those that
// were there, each with its number.
const claimScript = redisScript<(string | number)[]>(
  "claimViews",
  `
local known = {}
for i, key in ipairs(KEYS) do
  local id = string.sub(ARGV[i + 1], 1, ${shortIdLength})
  if redis.call("HSETNX", key, id, string.sub(ARGV[i + 1], ${shortIdLength + 1})) == 1 then
    redis.call("PEXPIRE", key, ARGV[1])
  else
    known[#known + 1] = i
    known[#known + 1] = redis.call("HGET", key, id)
  end
end
return known`,
);

// For each order: writes the view unless the one that is there is newer, or of the same version and
// fuller: only the live view has a client secret, and a message without it must not wipe it out.
// Then drops the oldest decided views of shoppers who have too many, once for each of them, however
// many of their orders were written. In a view, the second field is the status, the seventh when
// the order was placed (base 36, of one length until the year 2059), the sixteenth the client
// secret.
export const replaceViewsLua = `
local function replace_view(key, id, view, ttl)
  local known = redis.call("HGET", key, id)
  local known_version = known and tonumber(string.match(known, "^%d+")) or -1
  local version = tonumber(string.match(view, "^%d+"))
  if known_version > version or (known_version == version and #known >= #view) then return false end
  redis.call("HSET", key, id, view)
  redis.call("PEXPIRE", key, ttl)
  return true
end
local function drop_old_views(key, max)
  local live = { queued = true, reserved = true }
  local views, old = redis.call("HGETALL", key), {}
  for i = 1, #views, 2 do
    local fields = {}
    for field in string.gmatch(views[i + 1] .. "|", "([^|]*)|") do fields[#fields + 1] = field end
    if not live[fields[2]] and (fields[16] or "") == "" then old[#old + 1] = { fields[7], views[i] } end
  end
  table.sort(old, function(a, b) return a[1] .. a[2] < b[1] .. b[2] end)
  for i = 1, math.min(#old, #views / 2 - max) do redis.call("HDEL", key, old[i][2]) end
end
local function replace_views(first_key, ttl, max, first_entry)
  local full = {}
  for i = first_entry, #ARGV do
    local key, entry = KEYS[first_key + i - first_entry], ARGV[i]
    local id, view = string.sub(entry, 1, ${shortIdLength}), string.sub(entry, ${shortIdLength + 1})
    if replace_view(key, id, view, ttl) and redis.call("HLEN", key) > max then full[key] = true end
  end
  for key in pairs(full) do drop_old_views(key, max) end
end`;

const replaceScript = redisScript<number>(
  "replaceViews",
  `${replaceViewsLua}
replace_views(1, ARGV[1], tonumber(ARGV[2]), 3)
return 0`,
);

/**
 * A script may touch one slot of a Cluster, and every shopper has their own; a single Redis takes
 * all at once.
 */
function perCall(redis: RedisClient, orders: readonly Order[]): readonly (readonly Order[])[] {
  return redis instanceof Cluster ? orders.map((order) => [order]) : [orders];
}

/**
 * Writes the views of newly accepted orders, never over one that is there.
 * @returns for each order null where it is new, or what was known under its id before
 */
export async function claimViews({ redis, keys }: Store, orders: readonly Order[]): Promise<(Order | null)[]> {
  const claimed = await Promise.all(
    perCall(redis, orders).map(async (part) => {
      const names = part.map((order) => keys.shopperOrders(order.shopperId));
      const known = await claimScript(redis, names, [viewTtlMs, ...part.map(entryOf)]);
      const views: (Order | null)[] = part.map(() => null);
      for (let i = 0; i < known.length; i += 2) {
        const order = part[Number(known[i]) - 1];
        invariant(order, "only orders of this part are answered");
        const view = decodeView(order.shopperId, order.id, String(known[i + 1]));
        if (view === null) throw new LaterFormat();
        views[Number(known[i]) - 1] = view;
      }
      return views;
    }),
  );
  return claimed.flat();
}

/**
 * Publishes what has become of orders: their views, and then one message for all of them, for those
 * who wait. What is older than the view that is there changes nothing, so it may run any number of
 * times.
 */
export async function publishOrders({ redis, keys }: Store, orders: readonly Order[]): Promise<void> {
  if (orders.length === 0) return;
  const replaced = replaceViews({ redis, keys }, orders);
  // The message behind the views: whoever misses it reads those. One Redis does both in that order,
  // without being waited for.
  if (redis.isCluster) await replaced;
  await Promise.all([replaced, publishMessage(redis, keys.orderMessages, encodeOrderMessage(orders))]);
}

/** Orders as one message. */
export function encodeOrderMessage(orders: readonly Order[]): string {
  return orders.map((order) => `${order.id} ${encodeView(order)}`).join("\n");
}

/** Reads a message of orders, and calls back with each one's id and view. */
export function readOrderMessage(text: string, onOrder: (orderId: string, view: string) => void): void {
  for (const line of text.split("\n")) onOrder(line.slice(0, uuidLength), line.slice(uuidLength + 1));
}

const uuidLength = 36;

async function replaceViews({ redis, keys }: Store, orders: readonly Order[]): Promise<void> {
  await Promise.all(
    perCall(redis, orders).map((part) => {
      const names = part.map((order) => keys.shopperOrders(order.shopperId));
      return replaceScript(redis, names, [viewTtlMs, maxViewsPerShopper, ...part.map(entryOf)]);
    }),
  );
}

const readScript = redisScript<(string | null)[]>(
  "readViews",
  `
local views = {}
for i, key in ipairs(KEYS) do views[i] = redis.call("HGET", key, ARGV[i]) end
return views`,
);

/**
 * The live views of several orders as Redis has them, whosever they are, in their order; null where
 * there is none. For one Redis: on a Cluster each may be on another server.
 */
export async function readViewTexts(
  { redis, keys }: Store,
  orders: readonly { readonly shopperId: string; readonly orderId: string }[],
): Promise<(string | null)[]> {
  const names = orders.map(({ shopperId }) => keys.shopperOrders(shopperId));
  return readScript(
    redis,
    names,
    orders.map(({ orderId }) => shortenId(orderId)),
  );
}

/** The live view of one of a shopper's orders, or null where Redis has none. */
export async function readView({ redis, keys }: Store, shopperId: string, orderId: string): Promise<Order | null> {
  const text = await redis.hget(keys.shopperOrders(shopperId), shortenId(orderId));
  return text === null ? null : decodeView(shopperId, orderId, text);
}

/** The live views of a shopper's orders: all in line, and those that were decided last. */
export async function readShopperViews({ redis, keys }: Store, shopperId: string): Promise<Order[]> {
  const views = await redis.hgetall(keys.shopperOrders(shopperId));
  return Object.entries(views).flatMap(([id, text]) => decodeView(shopperId, restoreId(id), text) ?? []);
}

/** Those that are still in line. */
export async function readQueuedViews(store: Store, shopperId: string): Promise<Order[]> {
  return (await readShopperViews(store, shopperId)).filter((order) => order.status === "queued");
}
