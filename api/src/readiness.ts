import type { Database } from "@holdfast/shared/database.ts";
import type { LaneQueue } from "@holdfast/shared/queues.ts";
import type { Store } from "@holdfast/shared/redis.ts";
import { type RedisLosses, readLosses } from "@holdfast/shared/redis-generation.ts";

export interface Readiness {
  /** Whether Redis takes writes: a purchase of a known item needs nothing else. */
  readonly redis: "up" | "down";
  readonly postgres: "up" | "down";
  /** What Postgres says of orders that Redis has lost; null while Postgres is unavailable. */
  readonly losses: RedisLosses | null;
}

export type CheckReadiness = () => Promise<Readiness>;

export interface ReadinessParts extends Store {
  readonly db: Database;
  readonly lanes: readonly LaneQueue[];
}

const keptMs = 1_000; // a platform asks every few seconds; whoever else asks costs nothing
const probeTimeoutMs = 2_000; // shorter than any platform's own probe timeout worth setting
const probeTtlMs = 10_000; // nobody reads it: it leaves nothing behind

/** Answers everyone who asks within a second with one look at Redis and Postgres. */
export function readinessCheck(parts: ReadinessParts): CheckReadiness {
  let latest: { readonly askedAtMs: number; readonly readiness: Promise<Readiness> } | null = null;
  return () => {
    const nowMs = performance.now();
    if (latest === null || nowMs - latest.askedAtMs >= keptMs) {
      latest = { askedAtMs: nowMs, readiness: lookOnce(parts) };
    }
    return latest.readiness;
  };
}

async function lookOnce({ db, redis, keys, lanes }: ReadinessParts): Promise<Readiness> {
  // A write, since a demoted master answers PING and reads; one per lane, since each lane may have
  // a master of its own in a Cluster.
  const writes = Promise.all(lanes.map(({ name }) => redis.set(keys.writeProbe(name), "1", "PX", probeTtlMs)));
  const [written, losses] = await Promise.all([inTime(writes), inTime(readLosses(db))]);
  return { redis: written === null ? "down" : "up", postgres: losses === null ? "down" : "up", losses };
}

/** What it resolves with, or null where it fails or takes too long. */
async function inTime<T>(probe: Promise<T>): Promise<T | null> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(resolve, probeTimeoutMs, null);
  });
  return Promise.race([probe.catch(() => null), late]).finally(() => clearTimeout(timer));
}
