import type { RaiseAlarm } from "./alarm.ts";
import type { Database } from "./database.ts";
import { lineLength } from "./line.ts";
import type { Logger } from "./log.ts";
import { isOutage } from "./outage.ts";
import type { LaneQueue } from "./queues.ts";
import type { RedisClient, RedisKeys } from "./redis.ts";
import {
  addWitnesses,
  beginGeneration,
  countHeartbeat,
  differsBetweenMasters,
  type GenerationState,
  judgeGeneration,
  type KnownGeneration,
  knowsToken,
  type LossCause,
  noteRecovered,
  type ProbedGeneration,
  probeGeneration,
  readKnownGeneration,
  type SeenGeneration,
  stampGeneration,
} from "./redis-generation.ts";

export interface GenerationParts {
  readonly db: Database;
  /**
   * One that fails instead of waiting: what was asked before an outage must not be done after it.
   */
  readonly redis: RedisClient;
  readonly keys: RedisKeys;
  readonly lanes: readonly LaneQueue[];
  /**
   * Puts right what a loss leaves behind. Workers do; API servers only watch. It may take minutes,
   * and throws an AbortError where the process ends meanwhile.
   */
  readonly recover: ((known: KnownGeneration) => Promise<void>) | null;
  /**
   * Whether Redis lacks what it has acknowledged to this process in this generation; null where
   * nothing is kept of that.
   */
  readonly lacksSome: ((generation: number) => Promise<boolean>) | null;
  /**
   * Whether Postgres lacks something that Redis was told after its commit; null where nobody asks.
   * Heartbeats are one a second: a standby that was promoted may lack more than they show.
   */
  readonly lacksCommits?: (() => Promise<boolean>) | null;
  /** Told what each look found, with the time at which it began. */
  readonly onLook?: (state: GenerationState, beganAtMs: number) => void;
  readonly onFailedLook?: (error: unknown) => void;
  readonly log: Logger;
  readonly raiseAlarm: RaiseAlarm;
}

const lookEveryMs = 1_000; // how long nobody may know that orders are gone
const heartbeatEveryMs = 900; // one a second in the whole fleet, by whoever comes first
const againWithinMs = 60_000; // the time in which an alarm is not raised twice (alarm.ts)

/**
 * Looks every second whether Redis is still what it was. It runs on a timer of its own in every API
 * server and every worker: whatever is scheduled in Redis is gone with it, and a sale may go on for
 * a while with no worker at all. The looks go on while a loss is put right, since that may take
 * minutes, and Redis may be emptied again meanwhile.
 */
export function watchGeneration(parts: GenerationParts): { close(): Promise<void> } {
  let looking: Promise<void> | null = null;
  let recovering: Promise<void> | null = null;
  const failed = (error: unknown) => {
    const ending = error instanceof Error && error.name === "AbortError";
    const level = ending || isOutage(error) ? "debug" : "error"; // an outage is reported by the connection it happens to
    parts.log[level](
      { err: error },
      "the generation of Redis could not be looked at or recovered; the next look tries again",
    );
  };
  const look = async () => {
    const beganAtMs = performance.now();
    const { state, known } = await checkGeneration(parts).catch((error: unknown) => {
      parts.onFailedLook?.(error);
      throw error;
    });
    parts.onLook?.(state, beganAtMs);
    if (state !== "recover" || known === null) return;
    recovering ??= recoverGeneration(parts, known)
      .catch(failed)
      .finally(() => {
        recovering = null;
      });
  };
  const lookUnlessLooking = () => {
    looking ??= look()
      .catch(failed)
      .finally(() => {
        looking = null;
      });
  };
  lookUnlessLooking();
  const timer = setInterval(lookUnlessLooking, lookEveryMs);
  return {
    async close() {
      clearInterval(timer);
      await looking;
      await recovering;
    },
  };
}

/** One look, and all that follows from it. */
export async function watchGenerationOnce(parts: GenerationParts): Promise<GenerationState> {
  const { state, known } = await checkGeneration(parts);
  if (state === "recover" && known !== null) await recoverGeneration(parts, known);
  return state;
}

/** One look. It may stop anywhere: the next look, of any process, goes on from there. */
async function checkGeneration(
  parts: GenerationParts,
): Promise<{ state: GenerationState; known: KnownGeneration | null }> {
  const { known, seen, state } = await readGeneration(parts);
  switch (state) {
    case "begin":
      await begin(parts, null, "first_start", seen);
      break;
    case "emptied":
    case "restored":
      await begin(parts, known, state, seen);
      break;
    case "beginning":
      break;
    case "postgres_behind":
      raiseBehind(parts.raiseAlarm, known, seen);
      break;
    case "recover":
    case "sound":
      if (known && seen.alone) await addWitnesses(parts, known);
      else if (known && (known.heartbeatAgeMs ?? heartbeatEveryMs) >= heartbeatEveryMs) await heartbeat(parts, known);
      break;
  }
  return { state, known };
}

async function readGeneration({ db, redis, keys, lacksSome, lacksCommits }: GenerationParts) {
  const known = await readKnownGeneration(db);
  const lacks = async () => known !== null && lacksSome !== null && (await lacksSome(known.generation));
  // Before the token is read: were Redis emptied in between, its lack would say so better.
  const lacking = await lacks();
  const seen = await probeGeneration({ redis, keys });
  const state = await judgeBoth(db, known, seen);
  // Asked once more, now that Redis took a write: the first answer may be that of a demoted master.
  const restored = lacking && (state === "sound" || state === "recover") && (await lacks());
  if (restored) return { known, seen, state: "restored" as const };
  const behind = (state === "sound" || state === "recover") && (await lacksCommits?.());
  return { known, seen, state: behind ? ("postgres_behind" as const) : state };
}

/**
 * A Redis with a token that Postgres has never heard of was not restored: it is Postgres that was,
 * also where Postgres knows of none at all.
 */
async function judgeBoth(
  db: Database,
  known: KnownGeneration | null,
  seen: ProbedGeneration,
): Promise<GenerationState> {
  const state = judgeGeneration(known, seen);
  if (state === "begin" && seen.token !== null) {
    const begun = (await readKnownGeneration(db)) !== null; // by another process, since we looked
    return begun ? "beginning" : "postgres_behind";
  }
  if (state !== "restored" || seen.token === null || seen.token === differsBetweenMasters) return state;
  return (await knowsToken(db, seen.token)) ? state : "postgres_behind";
}

function raiseBehind(raiseAlarm: RaiseAlarm, known: KnownGeneration | null, seen: SeenGeneration): void {
  const heartbeats = { inPostgres: known?.heartbeats ?? 0, inRedis: seen.heartbeats };
  const seconds = Math.max(1, seen.heartbeats - (known?.heartbeats ?? 0));
  const behind = known?.token === seen.token ? `some ${seconds} s` : "more than a generation";
  raiseAlarm("postgres_behind", `It is behind by ${behind}.`, heartbeats);
}

/**
 * Begins a generation, if nobody else just did, and gives Redis its token. Were we to die in
 * between, the next look would find it lost.
 */
async function begin(
  { db, redis, keys, raiseAlarm }: GenerationParts,
  known: KnownGeneration | null,
  cause: KnownGeneration["cause"],
  seen: ProbedGeneration,
): Promise<void> {
  const token = await beginGeneration(db, known, cause);
  if (token === null) return;
  if (known !== null && cause !== "first_start") raiseLoss(raiseAlarm, known, cause);
  await stampGeneration({ redis, keys }, token, seen);
}

function raiseLoss(raiseAlarm: RaiseAlarm, known: KnownGeneration, cause: LossCause): void {
  const generation = known.generation + 1;
  const lastHeartbeat = known.heartbeatAtMs === null ? null : new Date(known.heartbeatAtMs);
  // Two losses within a minute are two lines, and any number of them no more than two a minute.
  const again = known.cause !== "first_start" && known.ageMs < againWithinMs;
  raiseAlarm(
    `redis_${cause}${again ? ":again" : ""}`,
    `At most ${known.inLine} orders that were in line before. Usual causes: appendonly off, maxmemory-policy, a failover, a restored copy, FLUSHALL.`,
    { generation, cause, lastHeartbeat, inLineAtLastHeartbeat: known.inLine },
  );
}

async function recoverGeneration(parts: GenerationParts, known: KnownGeneration): Promise<void> {
  if (parts.recover === null) return;
  await parts.recover(known);
  // Lost again meanwhile: what was just put right may be gone, and the next look begins anew.
  const now = await readGeneration(parts);
  if (now.state !== "recover" || now.known?.generation !== known.generation) return;
  await noteRecovered(parts.db, known);
  parts.log.info({ generation: known.generation }, "a new generation of Redis has begun");
}

async function heartbeat({ db, redis, keys, lanes }: GenerationParts, known: KnownGeneration): Promise<void> {
  const lengths = await Promise.all(lanes.map(({ name }) => lineLength({ redis, keys }, name)));
  const inLine = lengths.reduce((sum, length) => sum + length, 0);
  await countHeartbeat(db, { redis, keys }, known, inLine);
}
