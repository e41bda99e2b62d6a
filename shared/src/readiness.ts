import { sql } from "kysely";
import type { Database } from "./database.ts";
import type { LaneQueue } from "./queues.ts";
import type { Store } from "./redis.ts";
import { type RedisLosses, readLosses } from "./redis-generation.ts";

export interface Readiness {
  /** Whether Redis takes writes: a purchase of a known item needs nothing else. */
  readonly redis: "up" | "down";
  readonly postgres: "up" | "down" | "read_only";
  /** What Postgres says of orders that Redis has lost; null while Postgres is unavailable. */
  readonly losses: RedisLosses | null;
}

export type CheckReadiness = () => Promise<Readiness>;

export interface ReadinessParts extends Store {
  readonly db: Database;
  readonly lanes: readonly LaneQueue[];
}

// Together a second: so old is the worst that is said of a fault.
const keptMs = 250; // whoever asks in between costs nothing
const probeTimeoutMs = 750; // some hundred times what a healthy server takes
const probeTtlMs = 10_000; // nobody reads it: it leaves nothing behind

/**
 * Answers everyone who asks at about the same time with one look at Redis and Postgres, which is
 * never older than a second.
 */
export function readinessCheck(parts: ReadinessParts): CheckReadiness {
  const look = looker(parts);
  let latest: { readonly askedAtMs: number; readonly readiness: Promise<Readiness> } | null = null;
  return () => {
    const nowMs = performance.now();
    if (latest === null || nowMs - latest.askedAtMs >= keptMs) {
      latest = { askedAtMs: nowMs, readiness: look() };
    }
    return latest.readiness;
  };
}

function looker({ db, redis, keys, lanes }: ReadinessParts): CheckReadiness {
  // A write, since a demoted master answers PING and reads; one per lane, since each lane may have
  // a master of its own in a Cluster.
  const writes = oneAtATime(() =>
    Promise.all(lanes.map(({ name }) => redis.set(keys.writeProbe(name), "1", "PX", probeTtlMs))),
  );
  const readOnly = oneAtATime(() => isReadOnly(db));
  const losses = oneAtATime(() => readLosses(db));
  return async () => {
    const [written, standby, lost] = await Promise.all([inTime(writes()), inTime(readOnly()), inTime(losses())]);
    const postgres = standby === null || lost === null ? "down" : standby ? "read_only" : "up";
    return { redis: written === null ? "down" : "up", postgres, losses: lost };
  };
}

/**
 * Begins no probe while the one before is under way: four a second that hang would soon have all
 * connections of the pool.
 */
function oneAtATime<T>(probe: () => Promise<T>): () => Promise<T> {
  let running: Promise<T> | null = null;
  return () => {
    running ??= probe().finally(() => {
      running = null;
    });
    return running;
  };
}

/** Whether a transaction could not write: on a standby, or where somebody has set it so. */
async function isReadOnly(db: Database): Promise<boolean> {
  const { rows } = await sql<{ on: boolean }>`select current_setting('transaction_read_only') = 'on' as "on"`.execute(
    db,
  );
  return rows[0]?.on ?? true;
}

/** What it resolves with, or null where it fails or takes too long. */
async function inTime<T>(probe: Promise<T>): Promise<T | null> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<null>((resolve) => {
    // In a process that was held up, the answer may be there and not have been read yet.
    timer = setTimeout(() => setImmediate(resolve, null), probeTimeoutMs);
  });
  return Promise.race([probe.catch(() => null), late]).finally(() => clearTimeout(timer));
}
