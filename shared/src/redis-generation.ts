import { randomUUID } from "node:crypto";
import { sql } from "kysely";
import type { Database } from "./database.ts";
import type { Store } from "./redis.ts";

/**
 * Which generation of Redis this is: the same data, since it was last emptied or restored. Postgres
 * and Redis both know its token, and the number of its heartbeats, which is counted up in Redis
 * first and then in Postgres. So Postgres is never ahead of a sound Redis: one that lacks the
 * token, or has fewer heartbeats, was emptied or restored from an older state, and orders that were
 * only there are gone.
 */

export type LossCause = "emptied" | "restored";

/** The newest generation, as Postgres knows it. */
export interface KnownGeneration {
  readonly generation: number;
  readonly token: string;
  readonly cause: "first_start" | LossCause;
  readonly beganAtMs: number;
  /**
   * How long ago it began, by the clock of Postgres: those of the processes may differ by seconds.
   */
  readonly ageMs: number;
  /** Whether everything was put right after what began it. */
  readonly recovered: boolean;
  readonly heartbeats: number;
  readonly heartbeatAtMs: number | null;
  /** How long ago that was, by the clock of Postgres. */
  readonly heartbeatAgeMs: number | null;
  /** Orders in line at the last heartbeat. */
  readonly inLine: number;
}

/** What Redis knows of its generation; null for what is not there. */
export interface SeenGeneration {
  readonly token: string | null;
  readonly heartbeats: number;
}

/**
 * - `begin`: nobody has ever begun a generation.
 * - `beginning`: one has begun a moment ago, and Redis has not its token yet.
 * - `recover`: Redis has it, and what follows from the loss is not put right yet.
 * - `emptied`, `restored`: Redis is not what it was, be it while a loss is put right.
 */
export type GenerationState = "begin" | "beginning" | "recover" | "sound" | LossCause;

/**
 * How long the one that began a generation may take to give Redis its token: one command, and its
 * timeout. Nobody else ever does that: whoever comes late would cover up that Redis was emptied
 * once more.
 */
export const stampGraceMs = 3_000;

/**
 * Compares what both sides know. Postgres must have been read first: read second, it could rightly
 * be ahead.
 */
export function judgeGeneration(known: KnownGeneration | null, seen: SeenGeneration): GenerationState {
  if (known === null) return "begin";
  if (seen.token === known.token && seen.heartbeats >= known.heartbeats) return known.recovered ? "sound" : "recover";
  if (!known.recovered && known.ageMs < stampGraceMs) return "beginning";
  return seen.token === null ? "emptied" : "restored";
}

export async function readKnownGeneration(db: Database): Promise<KnownGeneration | null> {
  const row = await db
    .selectFrom("redis_generations")
    .selectAll()
    .select([
      sql<number>`(extract(epoch from now() - began_at) * 1000)::float8`.as("age_ms"),
      sql<number | null>`(extract(epoch from now() - heartbeat_at) * 1000)::float8`.as("heartbeat_age_ms"),
    ])
    .orderBy("generation", "desc")
    .limit(1)
    .executeTakeFirst();
  if (!row) return null;
  return {
    generation: row.generation,
    token: row.token,
    cause: row.cause,
    beganAtMs: row.began_at.getTime(),
    ageMs: row.age_ms,
    recovered: row.recovered_at !== null,
    heartbeats: row.heartbeats,
    heartbeatAtMs: row.heartbeat_at?.getTime() ?? null,
    heartbeatAgeMs: row.heartbeat_age_ms,
    inLine: row.in_line,
  };
}

// Reads and writes in one step. What refuses writes says nothing about a loss: a demoted master
// that lags behind has fewer heartbeats, and a generation that is begun there could not be given
// its token.
const lookScript = `
redis.call("HSET", KEYS[1], "probe", 1)
return redis.call("HMGET", KEYS[1], "token", "heartbeats")`;

/** @throws an outage (`isOutage`) where Redis takes no writes; its connection is then made anew */
export async function probeGeneration({ redis, keys }: Store): Promise<SeenGeneration> {
  const [token, heartbeats] = (await redis.eval(lookScript, 1, keys.generation)) as (string | null)[];
  return { token: token ?? null, heartbeats: Number(heartbeats ?? 0) };
}

/** How often Redis lost orders, and when that was last noticed; null for never. */
export interface RedisLosses {
  readonly count: number;
  readonly last: { readonly cause: LossCause; readonly atMs: number } | null;
}

export async function readLosses(db: Database): Promise<RedisLosses> {
  const last = await db
    .selectFrom("redis_generations")
    .select(["generation", "cause", "began_at"])
    .orderBy("generation", "desc")
    .limit(1)
    .executeTakeFirst();
  if (!last || last.cause === "first_start") return { count: 0, last: null };
  // Every generation but the first began with a loss, and none is ever left out or deleted.
  return { count: last.generation - 1, last: { cause: last.cause, atMs: last.began_at.getTime() } };
}

/**
 * Begins the generation after `known`. Of several that come to it at the same moment one succeeds.
 * @returns its token where it was this one, which then has to give it to Redis; otherwise null
 */
export async function beginGeneration(
  db: Database,
  known: KnownGeneration | null,
  cause: KnownGeneration["cause"],
): Promise<string | null> {
  const begun = await db
    .insertInto("redis_generations")
    .values({
      generation: (known?.generation ?? 0) + 1,
      token: randomUUID(),
      cause,
      recovered_at: null,
      heartbeat_at: null,
    })
    .onConflict((conflict) => conflict.column("generation").doNothing())
    .returning("token")
    .executeTakeFirst();
  return begun?.token ?? null;
}

// Writes the token, unless somebody else wrote one since we looked: it may be of a later
// generation.
const stampScript = `
local token = redis.call("HGET", KEYS[1], "token") or ""
if token == ARGV[2] then return 1 end
if token ~= ARGV[1] then return 0 end
redis.call("DEL", KEYS[1])
redis.call("HSET", KEYS[1], "token", ARGV[2], "heartbeats", 0)
return 1`;

/** Gives Redis the token of a new generation, unless Redis is not as it was seen any more. */
export async function stampGeneration({ redis, keys }: Store, token: string, seen: SeenGeneration): Promise<void> {
  await redis.eval(stampScript, 1, keys.generation, seen.token ?? "", token);
}

// Compared again in the same step: between a look and a heartbeat Redis may have been replaced.
const heartbeatScript = `
local seen = redis.call("HMGET", KEYS[1], "token", "heartbeats")
if seen[1] ~= ARGV[1] or tonumber(seen[2]) < tonumber(ARGV[2]) then return -1 end
return redis.call("HINCRBY", KEYS[1], "heartbeats", 1)`;

/**
 * One heartbeat, in Redis first. Had we died between the two, Redis would be ahead, which is as
 * good.
 */
export async function countHeartbeat(
  db: Database,
  { redis, keys }: Store,
  known: KnownGeneration,
  inLine: number,
): Promise<void> {
  const heartbeats = Number(await redis.eval(heartbeatScript, 1, keys.generation, known.token, known.heartbeats));
  if (heartbeats < 0) return; // the next look tells why
  await db
    .updateTable("redis_generations")
    .set({ heartbeats, heartbeat_at: sql<Date>`now()`, in_line: inLine })
    .where("generation", "=", known.generation)
    .where("heartbeats", "<", heartbeats)
    .execute();
}

export async function noteRecovered(db: Database, known: KnownGeneration): Promise<void> {
  await db
    .updateTable("redis_generations")
    .set({ recovered_at: sql<Date>`now()` })
    .where("generation", "=", known.generation)
    .where("recovered_at", "is", null)
    .execute();
}
