import type { LineSight } from "./order.ts";
import type { RedisClient, RedisKeys } from "./redis.ts";

/**
 * The line of a lane, in two running numbers: how many places were given out, and the last place decided. A place is
 * only for telling shoppers where they stand and for bounding the line; who is served when is the queue's order.
 */

// Gives out n places and returns the last, or -1 where the line would grow longer than allowed. In a Redis that was emptied the lane
// has lost its rule of one active job, which keeps the order of arrival: nobody gets a place in a lane without it.
const takePlacesScript = `
redis.call("HSETNX", KEYS[2], "concurrency", 1)
local accepted = tonumber(redis.call("HGET", KEYS[1], "accepted") or "0")
local decided = tonumber(redis.call("HGET", KEYS[1], "decided") or "0")
if accepted - decided + tonumber(ARGV[1]) > tonumber(ARGV[2]) then return -1 end
return redis.call("HINCRBY", KEYS[1], "accepted", ARGV[1])`;

// Moves the line on, never back: a job that runs twice changes nothing. A place from before Redis was emptied may be one that it has
// not given out.
const advanceScript = `
local decided = tonumber(redis.call("HGET", KEYS[1], "decided") or "0")
local accepted = tonumber(redis.call("HGET", KEYS[1], "accepted") or "0")
if tonumber(ARGV[1]) > decided then redis.call("HSET", KEYS[1], "decided", ARGV[1]) end
if tonumber(ARGV[1]) > accepted then redis.call("HSET", KEYS[1], "accepted", ARGV[1]) end
return 0`;

interface LineCommands {
  takePlaces(key: string, metaKey: string, count: number, maxLine: number): Promise<number>;
  advanceLine(key: string, place: number): Promise<number>;
}

function withCommands(redis: RedisClient): RedisClient & LineCommands {
  if (!("takePlaces" in redis)) {
    redis.defineCommand("takePlaces", { lua: takePlacesScript, numberOfKeys: 2 });
    redis.defineCommand("advanceLine", { lua: advanceScript, numberOfKeys: 1 });
  }
  return redis as RedisClient & LineCommands;
}

/** Takes the next `count` places of a lane; returns the last of them, or null where the line is full. */
export async function takePlaces(
  redis: RedisClient,
  keys: RedisKeys,
  queueName: string,
  count: number,
  maxLine: number,
): Promise<number | null> {
  const last = await withCommands(redis).takePlaces(keys.line(queueName), keys.queueMeta(queueName), count, maxLine);
  return last < 0 ? null : last;
}

/** Gives back places that were taken for orders that are not in line after all. */
export async function returnPlaces(
  redis: RedisClient,
  keys: RedisKeys,
  queueName: string,
  count: number,
): Promise<void> {
  await redis.hincrby(keys.line(queueName), "accepted", -count);
}

/** Notes that nobody is in a lane's line: all places given out so far are done with. */
export async function clearLine(redis: RedisClient, keys: RedisKeys, queueName: string): Promise<void> {
  const accepted = await redis.hget(keys.line(queueName), "accepted");
  if (accepted !== null) await advanceLine(redis, keys, queueName, Number(accepted));
}

/** Notes that everything up to a place of the lane is decided. */
export async function advanceLine(
  redis: RedisClient,
  keys: RedisKeys,
  queueName: string,
  place: number,
): Promise<void> {
  await withCommands(redis).advanceLine(keys.line(queueName), place);
}

/** The running numbers of a lane. */
export interface LineNumbers {
  /** The last place that was given out. */
  readonly accepted: number;
  /** The last place that was decided. */
  readonly decided: number;
}

export async function readLineNumbers(redis: RedisClient, keys: RedisKeys, queueName: string): Promise<LineNumbers> {
  const [accepted, decided] = await redis.hmget(keys.line(queueName), "accepted", "decided");
  return { accepted: Number(accepted ?? 0), decided: Number(decided ?? 0) };
}

/** How many orders are in a lane's line. */
export async function lineLength(redis: RedisClient, keys: RedisKeys, queueName: string): Promise<number> {
  const { accepted, decided } = await readLineNumbers(redis, keys, queueName);
  return Math.max(0, accepted - decided);
}

/** How long an order may be on its way into the line: more than three commands that run into their timeout. */
export const enqueueMs = 10_000;

/**
 * Notes that an order still waits though its lane has decided the places behind it. That may be a
 * matter of moments, or its job is gone: a worker looks. Noted again only when that look is a minute old.
 */
export async function reportPassedOver(redis: RedisClient, keys: RedisKeys, queueName: string): Promise<void> {
  await redis.set(keys.passedOver(queueName), "reported", "PX", passedOverMs, "NX");
}

const passedOverMs = 60_000; // reading a million views takes seconds of Redis' time; not more often than once a minute

const takeReportScript = `
if redis.call("GET", KEYS[1]) ~= "reported" then return 0 end
redis.call("SET", KEYS[1], "looked", "PX", ARGV[1])
return 1`;

/** Whether somebody was passed over. Of several workers that ask, one is told so. */
export async function takePassedOver(redis: RedisClient, keys: RedisKeys, queueName: string): Promise<boolean> {
  return (await redis.eval(takeReportScript, 1, keys.passedOver(queueName), passedOverMs)) === 1;
}

/** What an order of an item sees of the line it is in. */
export async function seeLine(
  redis: RedisClient,
  keys: RedisKeys,
  queueName: string,
  itemId: string,
): Promise<LineSight> {
  const [decided, locked] = await Promise.all([
    redis.hget(keys.line(queueName), "decided"),
    redis.exists(keys.itemLock(itemId)),
  ]);
  return { decidedPlace: Number(decided ?? 0), itemLocked: locked === 1 };
}
