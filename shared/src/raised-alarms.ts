import type { RaisedName, RecordAlarm } from "./alarm.ts";
import type { Store } from "./redis.ts";
import { redisScript } from "./redis-script.ts";

/**
 * The alarms that processes have raised, where operations look: one hash in Redis, a field per
 * name, so that an alarm outlives the process that raised it. The log has each of them too.
 */

/** An alarm as it was raised. */
export interface RaisedAlarm {
  readonly name: RaisedName;
  /** When it was first raised of those times without a longer pause, in Redis' time. */
  readonly sinceMs: number;
  readonly lastMs: number;
  readonly detail: string;
}

const pauseMs = 10 * 60_000; // raised again after a longer silence, it is a new one
const maxDetail = 500; // characters
const maxRaised = 1_000; // of those about one order or lane; past it, nobody reads them and the log has them all

const raiseScript = redisScript<number>(
  "raiseAlarm",
  `
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local known = redis.call("HGET", KEYS[1], ARGV[1])
local about_one = string.find(ARGV[1], ":", 1, true)
if not known and about_one and redis.call("HLEN", KEYS[1]) >= ${maxRaised} then return 0 end
local since, last = string.match(known or "", "^(%d+) (%d+)")
if not last or now - last > ${pauseMs} then since = now end
redis.call("HSET", KEYS[1], ARGV[1], string.format("%d %d ", since, now) .. ARGV[2])
return 1`,
);

/**
 * Puts alarms where operations look. Without Redis they are only in the log: that Redis is
 * unavailable is an alarm of its own.
 */
export function alarmRecorder({ redis, keys }: Store): RecordAlarm {
  return (name, detail) => {
    if (redis.status !== "ready") return;
    void raiseScript(redis, [keys.alarms], [name, detail.slice(0, maxDetail)]).catch(() => {});
  };
}

/** All that were raised, also those that do not stand any more. */
export async function readRaisedAlarms({ redis, keys }: Store): Promise<RaisedAlarm[]> {
  const fields = Object.entries(await redis.hgetall(keys.alarms));
  return fields.flatMap(([name, text]) => {
    const [, sinceMs, lastMs, detail] = /^(\d+) (\d+) (.*)$/s.exec(text) ?? [];
    if (detail === undefined) return [];
    return [{ name: name as RaisedName, sinceMs: Number(sinceMs), lastMs: Number(lastMs), detail }];
  });
}

/** Forgets alarms that do not stand any more. */
export async function forgetRaisedAlarms({ redis, keys }: Store, names: readonly RaisedName[]): Promise<void> {
  if (names.length > 0) await redis.hdel(keys.alarms, ...names);
}
