import { returnPlaces, takePlaces } from "@holdfast/shared/line.ts";
import type { Order } from "@holdfast/shared/order.ts";
import { claimViews, viewTtlMs } from "@holdfast/shared/order-view.ts";
import { decodeView, placeMark, shortIdLength, viewEntry } from "@holdfast/shared/order-view-text.ts";
import type { Store } from "@holdfast/shared/redis.ts";
import { redisScript } from "@holdfast/shared/redis-script.ts";
import type { CountRequest } from "../http/counting-store.ts";

export interface ClaimParts extends Store {
  /** How many orders one lane may hold. */
  readonly maxLine: number;
  readonly limits: PurchaseLimits;
}

/** How many purchases may be put in line a minute, across all API servers; 0 for no limit. */
export interface PurchaseLimits {
  readonly perAddress: number;
  readonly perShopper: number;
  readonly windowMs: number;
  readonly count: CountRequest;
}

/** An order that wants to be put in line, and the client address it came from. */
export interface Candidate {
  readonly order: Order;
  readonly address: string;
}

export type Claimed =
  /** In line from here on, with its place. */
  | { readonly kind: "new"; readonly order: Order }
  /** There was an order under this id before: as it stands. */
  | { readonly kind: "known"; readonly order: Order }
  | { readonly kind: "limited"; readonly remainingMs: number }
  | { readonly kind: "line_full" };

// For each order: counts it for its address and its shopper, and goes on only within the limits;
// leaves a view that is there alone; otherwise gives it the item's next place, if the lane may hold
// one more, and writes its view. Returns the last place, and of each order that is not new its
// number, what it is, and more about that.
const claimScript = redisScript<(string | number)[]>(
  "claimOrders",
  `
redis.call("HSETNX", KEYS[2], "concurrency", 1)
local item, max_line, ttl, window = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]
local limits = { tonumber(ARGV[5]), tonumber(ARGV[6]) }
local line = redis.call("HMGET", KEYS[1], "accepted", "decided", "accepted:" .. item)
local free = max_line - (line[1] or 0) + (line[2] or 0)
local place, taken, answer, k = tonumber(line[3] or "0"), 0, { 0 }, 2
local function over(max)
  k = k + 1
  local count = redis.call("INCR", KEYS[k])
  if count == 1 then redis.call("PEXPIRE", KEYS[k], window) end
  return count > max and redis.call("PTTL", KEYS[k]) or nil
end
for i = 7, #ARGV do
  k = k + 1
  local views, id = KEYS[k], string.sub(ARGV[i], 1, ${shortIdLength})
  local by_address = limits[1] > 0 and over(limits[1]) or nil
  local by_shopper = limits[2] > 0 and over(limits[2]) or nil
  local remaining = by_address or by_shopper
  local known = not remaining and redis.call("HGET", views, id)
  local kind, more
  if remaining then
    kind, more = "limited", remaining
  elseif known then
    kind, more = "known", known
  elseif taken >= free then
    kind, more = "line_full", 0
  else
    place, taken = place + 1, taken + 1
    local at = string.find(ARGV[i], "${placeMark}", 1, true)
    local view = string.sub(ARGV[i], ${shortIdLength + 1}, at - 1) .. string.format("%x", place) .. string.sub(ARGV[i], at + 1)
    redis.call("HSET", views, id, view)
    redis.call("PEXPIRE", views, ttl)
  end
  if kind then
    answer[#answer + 1] = i - 6
    answer[#answer + 1] = kind
    answer[#answer + 1] = more
  end
end
if taken > 0 then
  redis.call("HINCRBY", KEYS[1], "accepted", taken)
  redis.call("HSET", KEYS[1], "accepted:" .. item, place)
end
answer[1] = place
return answer`,
);

/**
 * Gives orders of one item their places and writes their live views, which is all of accepting them
 * but the purchase job: nobody is promised anything yet. One script where Redis is one server; on a
 * Cluster, where every key has a server of its own, step by step.
 * @param candidates in their order of arrival; two of one id are one order
 */
export function claimOrders(
  parts: ClaimParts,
  queueName: string,
  itemId: string,
  candidates: readonly Candidate[],
): Promise<Claimed[]> {
  return parts.redis.isCluster
    ? claimInSteps(parts, queueName, itemId, candidates)
    : claimAtOnce(parts, queueName, itemId, candidates);
}

async function claimAtOnce(
  { redis, keys, maxLine, limits }: ClaimParts,
  queueName: string,
  itemId: string,
  candidates: readonly Candidate[],
): Promise<Claimed[]> {
  const { perAddress, perShopper, windowMs } = limits;
  const names: string[] = [keys.line(queueName), keys.queueMeta(queueName)];
  for (const { order, address } of candidates) {
    names.push(keys.shopperOrders(order.shopperId));
    if (perAddress > 0) names.push(keys.rate(`address:${address}`));
    if (perShopper > 0) names.push(keys.rate(`shopper:${order.shopperId}`));
  }
  const entries = candidates.map(({ order }) => viewEntry(order));
  const settings = [itemId, maxLine, viewTtlMs, windowMs, perAddress, perShopper];
  const [lastPlace, ...others] = await claimScript(redis, names, [...settings, ...entries]);
  const claimed: (Claimed | undefined)[] = candidates.map(() => undefined);
  for (let i = 0; i < others.length; i += 3) {
    const index = Number(others[i]) - 1;
    const candidate = candidates[index] as Candidate;
    claimed[index] = notNew(candidate.order, String(others[i + 1]), others[i + 2] ?? "");
  }
  let place = Number(lastPlace) - claimed.filter((one) => one === undefined).length;
  return claimed.map((one, i) => {
    if (one) return one;
    place += 1;
    return { kind: "new", order: { ...(candidates[i] as Candidate).order, place } };
  });
}

function notNew({ shopperId, id }: Order, kind: string, more: string | number): Claimed {
  if (kind === "limited") return { kind, remainingMs: Number(more) };
  if (kind === "known") {
    const known = decodeView(shopperId, id, String(more));
    // Of a later release: the next server may be one. Asked again is all that it takes.
    return known === null ? { kind: "line_full" } : { kind, order: known };
  }
  return { kind: "line_full" };
}

async function claimInSteps(
  { redis, keys, maxLine, limits }: ClaimParts,
  queueName: string,
  itemId: string,
  candidates: readonly Candidate[],
): Promise<Claimed[]> {
  const remaining = await Promise.all(candidates.map((candidate) => countPurchase({ keys, limits }, candidate)));
  const admitted = candidates.filter((_, i) => remaining[i] === null).map(({ order }) => order);
  const claimed = await claimAdmitted({ redis, keys }, queueName, itemId, maxLine, admitted);
  return remaining.map((ms) => (ms === null ? (claimed.shift() as Claimed) : { kind: "limited", remainingMs: ms }));
}

/** @returns null within the limits, otherwise how long the window lasts */
async function countPurchase(
  { keys, limits }: Pick<ClaimParts, "keys" | "limits">,
  { order, address }: Candidate,
): Promise<number | null> {
  const { perAddress, perShopper, windowMs, count } = limits;
  const over = async (max: number, key: string) => {
    if (max === 0) return null;
    const counted = await count(key, windowMs).catch(() => null); // a master that is down limits nobody
    return counted && counted.current > max ? counted.ttl : null;
  };
  const [byAddress, byShopper] = await Promise.all([
    over(perAddress, keys.rate(`address:${address}`)),
    over(perShopper, keys.rate(`shopper:${order.shopperId}`)),
  ]);
  return byAddress ?? byShopper;
}

async function claimAdmitted(
  { redis, keys }: Pick<ClaimParts, "redis" | "keys">,
  queueName: string,
  itemId: string,
  maxLine: number,
  orders: readonly Order[],
): Promise<Claimed[]> {
  if (orders.length === 0) return [];
  const lastPlace = await takePlaces({ redis, keys }, queueName, itemId, orders.length, maxLine);
  if (lastPlace === null) return orders.map(() => ({ kind: "line_full" }));
  const placed = orders.map((order, i) => ({ ...order, place: lastPlace - orders.length + 1 + i }));
  const known = await claimViews({ redis, keys }, placed);
  const unneeded = known.filter((one) => one !== null).length;
  if (unneeded > 0) await returnPlaces({ redis, keys }, queueName, itemId, unneeded);
  return placed.map((order, i) => {
    const before = known[i] ?? null;
    return before ? { kind: "known", order: before } : { kind: "new", order };
  });
}
