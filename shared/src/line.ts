import type { Store } from "./redis.ts";
import { redisScript } from "./redis-script.ts";

/**
 * The line of an item: two running numbers, how many places were given out and the last one
 * decided. A place is only for telling shoppers where they stand and for bounding the lines; who is
 * served when is the queue's order. A lane's line is the lines of its items together: how many
 * orders were accepted and decided in it. All are fields of one hash per lane.
 */

// Gives out n places and returns the last, or -1 where the lane would hold more than allowed. In a
// Redis that was emptied the lane has lost its rule of one active job, which keeps the order of
// arrival: nobody gets a place in a lane without it.
const takePlacesScript = redisScript<number>(
  "takePlaces",
  `
redis.call("HSETNX", KEYS[2], "concurrency", 1)
local line = redis.call("HMGET", KEYS[1], "accepted", "decided")
if (line[1] or 0) - (line[2] or 0) + ARGV[2] > tonumber(ARGV[3]) then return -1 end
redis.call("HINCRBY", KEYS[1], "accepted", ARGV[2])
return redis.call("HINCRBY", KEYS[1], "accepted:" .. ARGV[1], ARGV[2])`,
);

/**
 * How many places of an item are decided a second is measured where they are: over the time in
 * which somebody waited, so that an idle line says nothing. Halved every five seconds of it, since
 * the pace of a sale changes within seconds; of a pause, such as an outage, two seconds count.
 */
export const usualPerSecond = 1_000; // until it is known: a hot item is decided at a multiple of this, on a machine of its own

// Moves an item's line on, never back: a job that runs twice changes nothing. A place from before
// Redis was emptied may be one that it has not given out.
export const advanceLineLua = `
local function note_pace(line_key, item, place)
  local known = redis.call("HMGET", line_key, "decided:" .. item, "accepted:" .. item, "pace:" .. item)
  local decided, accepted = tonumber(known[1] or "0"), tonumber(known[2] or "0")
  if place <= decided then return end
  local time = redis.call("TIME")
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  local moved, seconds, at, waiting = string.match(known[3] or "", "(%S+) (%S+) (%S+) (%S+)")
  moved, seconds = tonumber(moved or "${usualPerSecond}"), tonumber(seconds or "1")
  if tonumber(waiting or "0") > 0 then
    local elapsed = math.max(0.001, math.min(2, (now - at) / 1000))
    local kept = 0.5 ^ (elapsed / 5)
    moved, seconds = moved * kept + place - decided, seconds * kept + elapsed
  end
  local left = math.max(0, accepted - place)
  redis.call("HSET", line_key, "pace:" .. item, string.format("%.1f %.3f %d %d", moved, seconds, now, left))
end
local function advance_line(line_key, item, place)
  note_pace(line_key, item, place)
  for _, number in ipairs({ "accepted", "decided" }) do
    local field = number .. ":" .. item
    local before = tonumber(redis.call("HGET", line_key, field) or "0")
    if place > before then
      redis.call("HSET", line_key, field, place)
      redis.call("HINCRBY", line_key, number, place - before)
    end
  end
end`;

const advanceScript = redisScript<number>(
  "advanceLine",
  `${advanceLineLua}
advance_line(KEYS[1], ARGV[1], tonumber(ARGV[2]))
return 0`,
);

// Closes the lines of all items of a lane, unless somebody was accepted since they were looked at.
const closeScript = redisScript<number>(
  "closeLines",
  `
if redis.call("HGET", KEYS[1], "accepted") ~= ARGV[1] then return 0 end
local fields = redis.call("HGETALL", KEYS[1])
for i = 1, #fields, 2 do
  local item = string.match(fields[i], "^accepted(.*)")
  if item then redis.call("HSET", KEYS[1], "decided" .. item, fields[i + 1]) end
end
return 1`,
);

/**
 * Takes the next `count` places of an item; returns the last of them, or null where its lane is
 * full.
 */
export async function takePlaces(
  { redis, keys }: Store,
  queueName: string,
  itemId: string,
  count: number,
  maxLine: number,
): Promise<number | null> {
  const names = [keys.line(queueName), keys.queueMeta(queueName)];
  const last = await takePlacesScript(redis, names, [itemId, count, maxLine]);
  return last < 0 ? null : last;
}

/** Returns places that were taken for orders that are not in line after all. */
export async function returnPlaces(
  { redis, keys }: Store,
  queueName: string,
  itemId: string,
  count: number,
): Promise<void> {
  const line = keys.line(queueName);
  await Promise.all([redis.hincrby(line, "accepted", -count), redis.hincrby(line, `accepted:${itemId}`, -count)]);
}

/**
 * Notes that nobody is in any line of a lane: all places given out so far are done with.
 * @param accepted of the lane, as it was when the lane was found empty; where it has gone on since,
 *   nothing is done
 */
export async function closeLines({ redis, keys }: Store, queueName: string, accepted: number): Promise<void> {
  await closeScript(redis, [keys.line(queueName)], [accepted]);
}

/** Notes that everything up to a place of the item is decided. */
export async function advanceLine(
  { redis, keys }: Store,
  queueName: string,
  itemId: string,
  place: number,
): Promise<void> {
  await advanceScript(redis, [keys.line(queueName)], [itemId, place]);
}

/** An item's line, for those in it. */
export interface ItemLine {
  /** The last place that is decided. */
  readonly decidedPlace: number;
  /** How many are decided a second. */
  readonly perSecond: number;
}

export async function readItemLine({ redis, keys }: Store, queueName: string, itemId: string): Promise<ItemLine> {
  const [decided, pace] = await redis.hmget(keys.line(queueName), `decided:${itemId}`, `pace:${itemId}`);
  const [moved = Number.NaN, seconds = Number.NaN] = (pace ?? "").split(" ").map(Number);
  const perSecond = moved / seconds;
  // One a second at least: a line that stands still is not a matter of hours.
  return { decidedPlace: Number(decided ?? 0), perSecond: perSecond > 0 ? Math.max(1, perSecond) : usualPerSecond };
}

/** The running numbers of a line. */
export interface LineNumbers {
  /** How many places were given out. */
  readonly accepted: number;
  /** How many of them are decided. */
  readonly decided: number;
}

/** A lane's, all of its items together. */
export async function readLineNumbers({ redis, keys }: Store, queueName: string): Promise<LineNumbers> {
  const [accepted, decided] = await redis.hmget(keys.line(queueName), "accepted", "decided");
  return { accepted: Number(accepted ?? 0), decided: Number(decided ?? 0) };
}

/** The last decided place of each item of a lane. */
export async function readDecidedPlaces(
  { redis, keys }: Store,
  queueName: string,
): Promise<ReadonlyMap<string, number>> {
  const fields = Object.entries(await redis.hgetall(keys.line(queueName)));
  const prefix = "decided:";
  return new Map(
    fields.filter(([field]) => field.startsWith(prefix)).map(([field, place]) => [field.slice(prefix.length), +place]),
  );
}

/** How many orders are in a lane's line. */
export async function lineLength({ redis, keys }: Store, queueName: string): Promise<number> {
  const { accepted, decided } = await readLineNumbers({ redis, keys }, queueName);
  return Math.max(0, accepted - decided);
}

/**
 * How long an order may be on its way into the line: more than three commands that run into their
 * timeout.
 */
export const enqueueMs = 10_000;

/**
 * Notes that an order still waits though its item's places behind it are decided. That may be a
 * matter of moments, or its job is gone: a worker looks. Noted again only when that look is a
 * minute old.
 */
export async function reportPassedOver({ redis, keys }: Store, queueName: string): Promise<void> {
  await redis.set(keys.passedOver(queueName), "reported", "PX", passedOverMs, "NX");
}

const passedOverMs = 60_000; // reading a million views takes seconds of Redis' time; not more often than once a minute

const takeReportScript = redisScript<number>(
  "takePassedOver",
  `
if redis.call("GET", KEYS[1]) ~= "reported" then return 0 end
redis.call("SET", KEYS[1], "looked", "PX", ARGV[1])
return 1`,
);

/** Whether somebody was passed over. Of several workers that ask, one is told so. */
export async function takePassedOver({ redis, keys }: Store, queueName: string): Promise<boolean> {
  return (await takeReportScript(redis, [keys.passedOver(queueName)], [passedOverMs])) === 1;
}
