import type { Database } from "@holdfast/shared/database.ts";
import { lineLength } from "@holdfast/shared/line.ts";
import type { Logger } from "@holdfast/shared/log.ts";
import { isOutage } from "@holdfast/shared/outage.ts";
import type { LaneQueue } from "@holdfast/shared/queues.ts";
import type { RedisClient, RedisKeys } from "@holdfast/shared/redis.ts";
import {
  beatEpoch,
  beginEpoch,
  type EpochState,
  judgeEpoch,
  type KnownEpoch,
  type LossCause,
  noteRecovered,
  readKnownEpoch,
  readSeenEpoch,
  stampEpoch,
} from "@holdfast/shared/redis-epoch.ts";
import { recoverFromRecord } from "./recover-from-record.ts";

export interface EpochParts {
  readonly db: Database;
  /** One that fails instead of waiting: what was asked before an outage must not be done after it. */
  readonly redis: RedisClient;
  readonly keys: RedisKeys;
  readonly lanes: readonly LaneQueue[];
  /** Makes the queues' rules and schedules anew. */
  readonly setUpQueues: () => Promise<void>;
  readonly log: Logger;
}

const lookEveryMs = 1_000; // how long nobody may know that orders are gone
const beatEveryMs = 900; // one beat a second in the whole fleet, whoever comes first

/**
 * Looks every second whether Redis is still what it was. It runs on a timer of its own in every worker: whatever is scheduled in
 * Redis is gone with it.
 */
export function watchEpoch(parts: EpochParts): { close(): Promise<void> } {
  let looking: Promise<unknown> | null = null;
  const timer = setInterval(() => {
    looking ??= watchEpochOnce(parts)
      .catch((error: unknown) => {
        const level = isOutage(error) ? "debug" : "error"; // an outage is reported by the connection it happens to
        parts.log[level]({ err: error }, "the epoch could not be looked at");
      })
      .finally(() => {
        looking = null;
      });
  }, lookEveryMs);
  return {
    async close() {
      clearInterval(timer);
      await looking;
    },
  };
}

/** One look, and what follows from it. It may stop anywhere: the next look, of any worker, goes on from there. */
export async function watchEpochOnce(parts: EpochParts): Promise<EpochState> {
  const { db, redis, keys } = parts;
  const known = await readKnownEpoch(db);
  const seen = await readSeenEpoch(redis, keys);
  const state = judgeEpoch(known, seen);
  switch (state) {
    case "begin":
      await beginEpoch(db, null, "first_start");
      break;
    case "emptied":
    case "restored":
      if (known && (await beginEpoch(db, known, state))) alarm(parts.log, known, state);
      break;
    case "recover":
      // The token first: were Redis emptied again while we put things right, the next look would tell.
      if (known && (await stampEpoch(redis, keys, known, seen))) await recover(parts, known);
      break;
    case "sound":
      if (known && Date.now() - (known.beatAtMs ?? 0) >= beatEveryMs) await beat(parts, known);
      break;
  }
  return state;
}

function alarm(log: Logger, known: KnownEpoch, cause: LossCause): void {
  const lastBeat = known.beatAtMs === null ? null : new Date(known.beatAtMs);
  log.error(
    { epoch: known.epoch + 1, cause, lastBeat, inLineAtLastBeat: known.inLine },
    `ALARM: Redis was ${cause === "emptied" ? "emptied" : "restored from an older state"}: orders in line are lost`,
  );
}

async function recover(parts: EpochParts, known: KnownEpoch): Promise<void> {
  await parts.setUpQueues();
  const found = known.cause === "first_start" ? {} : await recoverFromRecord(parts, known.beganAtMs);
  await noteRecovered(parts.db, known);
  parts.log.info({ epoch: known.epoch, ...found }, "a new epoch of Redis has begun");
}

async function beat({ db, redis, keys, lanes }: EpochParts, known: KnownEpoch): Promise<void> {
  const lengths = await Promise.all(lanes.map(({ name }) => lineLength(redis, keys, name)));
  const inLine = lengths.reduce((sum, length) => sum + length, 0);
  await beatEpoch(db, redis, keys, known, inLine);
}
