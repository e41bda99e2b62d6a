import { randomUUID } from "node:crypto";
import { sql } from "kysely";
import type { Database } from "./database.ts";
import type { Store } from "./redis.ts";
import { redisScript } from "./redis-script.ts";

/**
 * Which generation of Redis this is: the same data, since it was last emptied or restored. Postgres
 * and Redis both know its token, and the number of its heartbeats, which is counted up in Redis
 * first and then in Postgres. So Postgres is never ahead of a sound Redis: one that lacks the
 * token, or has fewer heartbeats, was emptied or restored from an older state, and orders that were
 * only there are gone.
 *
 * A Cluster has several masters, each of which may lose what it has: token and heartbeats are on
 * all of them, in keys spread over the slots (`redisKeys().generationWitnesses`).
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
  /** Of the first key: whether all others were given the token once. */
  readonly complete?: boolean;
}

/** The same of all masters: of a Cluster the state of the one that lacks most. */
export interface ProbedGeneration extends SeenGeneration {
  /** Of each key, in the order of `generationKeys`. */
  readonly witnesses: readonly SeenGeneration[];
  /**
   * Whether the other keys are still to be given the token of the first: they are new, of a version
   * that had no other, or of a Redis that has become a Cluster.
   */
  readonly alone: boolean;
}

/**
 * - `begin`: nobody has ever begun a generation.
 * - `beginning`: one has begun a moment ago, and Redis has not its token yet.
 * - `recover`: Redis has it, and what follows from the loss is not put right yet.
 * - `emptied`, `restored`: Redis is not what it was, be it while a loss is put right.
 * - `postgres_behind`: Redis knows what Postgres never heard of, or does not any more.
 */
export type GenerationState = "begin" | "beginning" | "recover" | "sound" | "postgres_behind" | LossCause;

/**
 * Redis is counted first, to the number after that of Postgres: so it is one ahead where somebody
 * died in between, and never more. Processes of release 0.2.0 add one each.
 */
const mostAhead = 3;

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
  if (seen.token === known.token && seen.heartbeats > known.heartbeats + mostAhead) return "postgres_behind";
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

function generationKeys({ redis, keys }: Store): readonly string[] {
  return redis.isCluster ? [keys.generation, ...keys.generationWitnesses] : [keys.generation];
}

/** Whether Postgres knows of a generation with this token, be it an earlier one. */
export async function knowsToken(db: Database, token: string): Promise<boolean> {
  const row = await db.selectFrom("redis_generations").select("token").where("token", "=", token).executeTakeFirst();
  return row !== undefined;
}

// Reads and writes in one step. What refuses writes says nothing about a loss: a demoted master
// that lags behind has fewer heartbeats, and a generation that is begun there could not be given
// its token.
const look = redisScript<(string | null)[]>(
  "lookAtGeneration",
  `
redis.call("HSET", KEYS[1], "probe", 1)
return redis.call("HMGET", KEYS[1], "token", "heartbeats", "complete")`,
);

/** @throws an outage (`isOutage`) where Redis takes no writes; its connection is then made anew */
export async function probeGeneration(store: Store): Promise<ProbedGeneration> {
  const probe = async (key: string) => {
    const [token, heartbeats, complete] = await look(store.redis, [key], []);
    return { token: token ?? null, heartbeats: Number(heartbeats ?? 0), complete: complete !== null };
  };
  return together(await Promise.all(generationKeys(store).map(probe)));
}

/** No token, but what is said of several. */
export const differsBetweenMasters = "differs between masters";

function together(witnesses: readonly SeenGeneration[]): ProbedGeneration {
  const [first, ...others] = witnesses as [SeenGeneration, ...SeenGeneration[]];
  const given = (token: string | null) => token === null || token === first.token;
  const alone =
    others.length > 0 && first.token !== null && !first.complete && others.every(({ token }) => given(token));
  if (alone) return { ...first, witnesses, alone };
  const tokens = new Set(witnesses.map(({ token }) => token));
  const differing = tokens.size === 1 ? first.token : differsBetweenMasters;
  return {
    token: tokens.has(null) ? null : differing,
    heartbeats: Math.min(...witnesses.map(({ heartbeats }) => heartbeats)),
    witnesses,
    alone,
  };
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
const stamp = redisScript<number>(
  "stampGeneration",
  `
local token = redis.call("HGET", KEYS[1], "token") or ""
if token == ARGV[2] then return 1 end
if token ~= ARGV[1] then return 0 end
redis.call("DEL", KEYS[1])
redis.call("HSET", KEYS[1], "token", ARGV[2], "heartbeats", ARGV[3])
return 1`,
);

/**
 * Gives Redis the token of a new generation, on all masters, unless it is not as it was seen any
 * more.
 */
export async function stampGeneration(store: Store, token: string, { witnesses }: ProbedGeneration): Promise<void> {
  const stamped = generationKeys(store).map((key, i) =>
    stamp(store.redis, [key], [witnesses[i]?.token ?? "", token, 0]),
  );
  await Promise.all(stamped);
}

/**
 * Gives the other keys of a Cluster what the first one has, and then notes there that they have it:
 * one that lacks it later was emptied.
 */
export async function addWitnesses(store: Store, known: KnownGeneration): Promise<void> {
  const [first, ...others] = generationKeys(store) as [string, ...string[]];
  const given = others.map((key) => stamp(store.redis, [key], ["", known.token, known.heartbeats]));
  if ((await Promise.all(given)).some((done) => Number(done) !== 1)) return;
  await noteComplete(store.redis, [first], [known.token]);
}

const noteComplete = redisScript<number>(
  "noteCompleteGeneration",
  `
if redis.call("HGET", KEYS[1], "token") == ARGV[1] then redis.call("HSET", KEYS[1], "complete", 1) end
return 0`,
);

// Compared again in the same step: between a look and a heartbeat Redis may have been replaced. A
// number rather than one more, so that all masters have the same however often this is done.
const setHeartbeats = redisScript<number>(
  "countHeartbeat",
  `
local seen = redis.call("HMGET", KEYS[1], "token", "heartbeats")
local heartbeats = tonumber(seen[2])
if seen[1] ~= ARGV[1] or heartbeats < tonumber(ARGV[2]) then return -1 end
if heartbeats > tonumber(ARGV[2]) + tonumber(ARGV[3]) then return -1 end
if heartbeats > tonumber(ARGV[2]) then return heartbeats end
redis.call("HSET", KEYS[1], "heartbeats", ARGV[2] + 1)
return ARGV[2] + 1`,
);

/**
 * One heartbeat, in Redis first, on all masters. Had we died between the two, Redis would be ahead,
 * which is as good.
 */
export async function countHeartbeat(
  db: Database,
  store: Store,
  known: KnownGeneration,
  inLine: number,
): Promise<void> {
  const counted = generationKeys(store).map((key) =>
    setHeartbeats(store.redis, [key], [known.token, known.heartbeats, mostAhead]),
  );
  const heartbeats = Math.min(...(await Promise.all(counted)).map(Number));
  if (heartbeats < 0) return; // the next look tells why
  await db
    .updateTable("redis_generations")
    .set({ heartbeats, heartbeat_at: sql<Date>`now()`, in_line: inLine })
    .where("generation", "=", known.generation)
    .where("heartbeats", "<", heartbeats)
    .execute();
}

const countAhead = redisScript<number>(
  "countAhead",
  `
local seen = redis.call("HMGET", KEYS[1], "token", "heartbeats")
if seen[1] ~= ARGV[1] or tonumber(seen[2]) >= tonumber(ARGV[2]) then return 0 end
redis.call("HSET", KEYS[1], "heartbeats", ARGV[2])
return 1`,
);

// Far more than heartbeats that are under way meanwhile make up for.
const countedAhead = 60;

/**
 * Has everybody find that Postgres is behind Redis, until it is given Redis' count: what else shows
 * it may be gone while only some of what Postgres lacks was written again.
 * @throws where it does not show: then nothing must be written
 */
export async function keepBehind(db: Database, store: Store): Promise<void> {
  for (let tries = 1; tries <= 5; tries += 1) {
    const known = await readKnownGeneration(db);
    if (known === null) return; // Redis has a token that Postgres never heard of: that stays so
    const ahead = known.heartbeats + countedAhead;
    await Promise.all(generationKeys(store).map((key) => countAhead(store.redis, [key], [known.token, ahead])));
    const seen = await probeGeneration(store);
    if (seen.token !== known.token) return; // as above
    if (judgeGeneration(await readKnownGeneration(db), seen) === "postgres_behind") return;
  }
  throw new Error("Postgres could not be kept from going on: somebody counts heartbeats. Run this again");
}

export async function noteRecovered(db: Database, known: KnownGeneration): Promise<void> {
  await db
    .updateTable("redis_generations")
    .set({ recovered_at: sql<Date>`now()` })
    .where("generation", "=", known.generation)
    .where("recovered_at", "is", null)
    .execute();
}
