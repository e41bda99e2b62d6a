import { randomUUID } from "node:crypto";
import type { Logger } from "./log.ts";
import { isOutage } from "./outage.ts";
import { openLanes } from "./queues.ts";
import type { RedisClient, RedisKeys } from "./redis.ts";

/**
 * The processes that share one Redis must agree on the number of lanes: which lane an item belongs
 * to follows from it, and an order in a lane that nobody serves would wait for ever. Each process
 * is a member of the fleet, with a heartbeat; Redis also keeps the number that was used last. Who
 * comes with another number is refused while a member lives, or while orders wait in the former
 * lanes.
 */

const heartbeatEveryMs = 2_000;
const memberTtlMs = 10_000; // a killed member counts for so long; four heartbeats may get lost
const settleMs = 2 * heartbeatEveryMs; // by then every living member has shown itself to a Redis that was unavailable
const startPatienceMs = 30_000; // a failover of Redis is over in seconds; past this the start fails, and whoever watches over us repeats it
const startRetryMs = 250;
const seniorityMs = 60_000; // a member unheard of for longer (frozen, cut off) comes back as the youngest

/**
 * This process has another number of lanes than the fleet. The message is for operations, one line.
 */
export class LanesDiffer extends Error {
  constructor(own: number, fleet: number, what: string) {
    super(`PURCHASE_LANES is ${own} here and ${fleet} in the fleet: ${what}`);
    this.name = "LanesDiffer";
  }
}

export interface FleetMember {
  /**
   * Resolves where an older member turns out to have another number of lanes: this process must not
   * go on.
   */
  readonly expelled: Promise<LanesDiffer>;
  leave(): Promise<void>;
}

/**
 * One key, so that a Redis Cluster runs this in one place. A member is `lanes since seen`, in
 * Redis' own time.
 */
const joinScript = `
local id, lanes, ttl = ARGV[1], ARGV[2], tonumber(ARGV[4])
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local starting = ARGV[3] == "start"
local since = tonumber(ARGV[3]) or now
local fields = redis.call("HGETALL", KEYS[1])
for i = 1, #fields, 2 do
  local theirs, theirSince, seen = string.match(fields[i + 1], "^(%d+) (%d+) (%d+)$")
  if fields[i] ~= id and seen then
    if tonumber(seen) + ttl < now then
      redis.call("HDEL", KEYS[1], fields[i])
    elseif theirs ~= lanes then
      local older = tonumber(theirSince) < since or (tonumber(theirSince) == since and fields[i] < id)
      if starting or older then
        redis.call("HDEL", KEYS[1], id)
        return {"differs", tonumber(theirs)}
      end
    end
  end
end
local former = redis.call("HGET", KEYS[1], "lanes")
if starting and former and former ~= lanes and former ~= ARGV[5] then return {"changed", tonumber(former)} end
redis.call("HSET", KEYS[1], id, lanes .. " " .. since .. " " .. now, "lanes", lanes)
return {"joined", since}`;

interface FleetParts {
  /** One that fails instead of waiting. */
  readonly redis: RedisClient;
  readonly keys: RedisKeys;
  readonly laneCount: number;
  readonly log: Logger;
}

/**
 * Makes this process a member of the fleet, until it leaves.
 * @throws LanesDiffer where the fleet has another number of lanes, or orders wait in the lanes of a
 *   former one
 */
export async function joinFleet(parts: FleetParts): Promise<FleetMember> {
  const { redis, keys, log } = parts;
  const id = `member:${randomUUID()}`;
  let sinceMs = await joinAtStart(parts, id);
  let heardAtMs = performance.now();
  const { promise: expelled, resolve: expel } = Promise.withResolvers<LanesDiffer>();

  const sendHeartbeat = async () => {
    const since = performance.now() - heardAtMs > seniorityMs ? "rejoin" : String(sinceMs);
    const [answer, value] = await join(parts, id, since);
    if (answer === "differs") {
      clearInterval(timer);
      expel(new LanesDiffer(parts.laneCount, value, "an older process has that number, so this one stops"));
      return;
    }
    sinceMs = value;
    heardAtMs = performance.now();
  };
  let sending: Promise<void> | null = null;
  const timer = setInterval(() => {
    sending ??= sendHeartbeat()
      .catch((error: unknown) => {
        log[isOutage(error) ? "debug" : "error"]({ err: error }, "no heartbeat in the fleet");
      })
      .finally(() => {
        sending = null;
      });
  }, heartbeatEveryMs);
  return {
    expelled,
    async leave() {
      clearInterval(timer);
      await sending;
      await redis.hdel(keys.fleet, id).catch(() => {}); // without Redis it is forgotten after its TTL
    },
  };
}

type JoinAnswer = ["differs" | "changed" | "joined", number];

function join({ redis, keys, laneCount }: FleetParts, id: string, since: string, former = 0): Promise<JoinAnswer> {
  return redis.eval(joinScript, 1, keys.fleet, id, laneCount, since, memberTtlMs, former) as Promise<JoinAnswer>;
}

/** @returns since when this process is a member, in Redis' time */
async function joinAtStart(parts: FleetParts, id: string): Promise<number> {
  let former = 0;
  for (;;) {
    const [answer, value] = await joinPatiently(parts, id, former);
    if (answer === "joined") return value;
    if (answer === "differs") {
      throw new LanesDiffer(
        parts.laneCount,
        value,
        `set it to ${value}, or stop every process first (a killed one counts for ${memberTtlMs / 1_000} s)`,
      );
    }
    // Nobody lives, and the last fleet had another number: a change on purpose, unless its members
    // are only cut off from Redis.
    await new Promise((resolve) => setTimeout(resolve, settleMs));
    const lane = await waitingLane(parts, value);
    if (lane !== null) {
      const what = `orders wait in lane ${lane} of the former ones; start with ${value} until they are decided`;
      throw new LanesDiffer(parts.laneCount, value, what);
    }
    former = value;
  }
}

/** A Redis that answers but takes no write, as in the middle of a failover, is waited for. */
async function joinPatiently(parts: FleetParts, id: string, former: number): Promise<JoinAnswer> {
  const deadlineMs = performance.now() + startPatienceMs;
  for (;;) {
    try {
      return await join(parts, id, "start", former);
    } catch (error) {
      if (!isOutage(error) || performance.now() > deadlineMs) throw error;
      parts.log.warn({ err: error }, "waiting for a Redis that takes writes");
    }
    await new Promise((resolve) => setTimeout(resolve, startRetryMs));
  }
}

/** The first of so many lanes that has purchase jobs, or null. */
async function waitingLane({ redis, keys }: FleetParts, laneCount: number): Promise<number | null> {
  const lanes = openLanes({ redis, keys }, laneCount);
  try {
    const counts = await Promise.all(
      lanes.map((lane) => lane.getJobCountByTypes("waiting", "active", "delayed", "prioritized")),
    );
    const waiting = counts.findIndex((count) => count > 0);
    return waiting === -1 ? null : waiting;
  } finally {
    await Promise.all(lanes.map((lane) => lane.close()));
  }
}
