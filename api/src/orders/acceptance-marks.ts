import { randomUUID } from "node:crypto";
import type { RedisClient, Store } from "@holdfast/shared/redis.ts";

/**
 * How many purchase jobs this server has put into each lane, counted here and in Redis. Redis has
 * the count after it has the job, and both in the same lane's keys: a Redis that lacks a count it
 * has acknowledged may lack jobs too, whose orders have a 202. So a failover that drops the last
 * few hundred milliseconds is noticed, which is less than the time between two heartbeats of the
 * generation.
 */
export interface AcceptanceMarks {
  /**
   * Meets the masters of these lanes, before the first job.
   * @returns how many replicas answer for the one with the fewest; 0 where none are asked for
   */
  begin(laneNames: readonly string[]): Promise<number>;
  /**
   * To be called once Redis has a job; jobs that come together are one command. It resolves when
   * the replicas that are asked for have the job, too, and rejects where that is not known. With
   * none asked for it resolves at once.
   */
  note(laneName: string): Promise<void>;
  /**
   * Whether Redis lacks something it has acknowledged since this was first asked for this
   * generation.
   */
  lacksSome(generation: number): Promise<boolean>;
}

export interface MarksParts extends Store {
  /** How many replicas must have a job before `note` resolves (`ACCEPT_REPLICAS`). */
  readonly replicas?: number;
  /** The connection that jobs are added on; `redis` where it is left out. */
  readonly jobs?: RedisClient;
}

interface Mark {
  readonly laneName: string;
  readonly key: string;
  count: number;
  acknowledged: number;
  lacking: boolean;
  underWay: Promise<void> | null;
  /** Begins when that one has ended, with all that is counted until then. */
  next: Promise<void> | null;
  notedAtMs: number;
}

const keptMs = 24 * 3600 * 1000; // a server that ended leaves a small key per lane for a day
const comparedMs = keptMs / 2; // far from where an idle lane's key expires by itself
export const replicasWithinMs = 1_000; // a healthy replica answers in one or two

// Never back: a command that was held up on its way changes nothing.
const markScript = `
local before = tonumber(redis.call("GET", KEYS[1]) or "0")
if tonumber(ARGV[1]) > before then redis.call("SET", KEYS[1], ARGV[1], "PX", ARGV[2]) end
return before`;

/** @param parts with replicas, a connection of its own: what waits for them holds it up */
export function acceptanceMarks({ redis, keys, replicas = 0, jobs = redis }: MarksParts): AcceptanceMarks {
  let markedGeneration: number | null = null;
  // Of each lane's master, as the last command met it: another one after every failover.
  const histories = new Map<string, string | null>();
  let marks = new Map<string, Mark>(); // by lane

  const write = async (mark: Mark) => {
    const { key, count, laneName } = mark;
    if (replicas === 0) {
      noteBefore(mark, count, await redis.eval(markScript, 1, key, count, keptMs));
      return;
    }
    const expected = histories.get(laneName) ?? null;
    // Both, since each connection finds a new master in its own time.
    const [written, ofJobs] = await Promise.all([writeAndWait(redis, key, count, replicas), readHistory(jobs, key)]);
    histories.set(laneName, written.history);
    const lacks = noteBefore(mark, count, written.before);
    const another = ofJobs !== written.history || (expected !== null && expected !== written.history);
    if (lacks || another) throw new ReplicasUnknown("Redis failed over");
    if (written.replicas < replicas) throw new ReplicasUnknown(`${written.replicas} of ${replicas} replicas answered`);
  };
  const writeNext = (mark: Mark): Promise<void> => {
    mark.next ??= (async () => {
      await mark.underWay?.catch(() => {});
      mark.underWay = mark.next;
      mark.next = null;
      await write(mark);
    })();
    return mark.next;
  };
  const isLacking = async (mark: Mark) => {
    const { acknowledged, lacking, notedAtMs } = mark;
    if (lacking) return true;
    if (acknowledged === 0 || performance.now() - notedAtMs > comparedMs) return false;
    return Number((await redis.get(mark.key)) ?? 0) < acknowledged;
  };
  const markOf = (laneName: string) => {
    const known = marks.get(laneName);
    if (known) return known;
    const mark = newMark(laneName, keys.acceptanceMark(laneName, randomUUID()));
    marks.set(laneName, mark);
    return mark;
  };
  return {
    async begin(laneNames) {
      if (replicas === 0) return 0;
      const found = laneNames.map(async (laneName) => {
        const mark = markOf(laneName);
        const met = await writeAndWait(redis, mark.key, 0, replicas);
        histories.set(laneName, met.history);
        return met.replicas;
      });
      return Math.min(...(await Promise.all(found)));
    },
    async note(laneName) {
      const mark = markOf(laneName);
      mark.count += 1;
      mark.notedAtMs = performance.now();
      const written = writeNext(mark);
      if (replicas === 0) return void written.catch(() => {}); // not missed; the next job writes it again
      await written.catch((error: unknown) => {
        throw error instanceof ReplicasUnknown ? error : new ReplicasUnknown("Redis did not answer", { cause: error });
      });
    },
    async lacksSome(generation) {
      if (generation !== markedGeneration) marks = new Map();
      markedGeneration = generation;
      const found = await Promise.all([...marks.values()].map(isLacking));
      return found.includes(true);
    },
  };
}

function newMark(laneName: string, key: string): Mark {
  return { laneName, key, count: 0, acknowledged: 0, lacking: false, underWay: null, next: null, notedAtMs: 0 };
}

/** @returns whether Redis lacked what it had acknowledged */
function noteBefore(mark: Mark, count: number, before: unknown): boolean {
  const lacks = Number(before) < mark.acknowledged;
  if (lacks) mark.lacking = true;
  mark.acknowledged = count;
  return lacks;
}

/** Redis has an order; whether its replicas do is not known. */
export class ReplicasUnknown extends Error {}

/**
 * The mark, which the master has after the job, and then WAIT on the same connection: a replica
 * that has the one has the other. It says nothing where another server has become the master
 * meanwhile: it may lack the job, and its history has another name.
 * https://redis.io/docs/latest/commands/wait
 */
async function writeAndWait(redis: RedisClient, key: string, count: number, replicas: number) {
  const pipeline = redis.pipeline();
  pipeline.eval(markScript, 1, key, count, keptMs);
  pipeline.call("WAIT", String(replicas), String(replicasWithinMs));
  pipeline.info("replication");
  const answers = (await pipeline.exec()) ?? [];
  for (const [error] of answers) {
    if (error?.message.startsWith("MOVED")) await redis.get(key); // a Cluster's connections follow a single command
    if (error) throw error;
  }
  const [before, acknowledged, info] = answers.map(([, answer]) => answer);
  return { before, replicas: Number(acknowledged), history: historyIn(info) };
}

/** The history of the master that a connection leads to, for a key. */
async function readHistory(redis: RedisClient, key: string): Promise<string | null> {
  const answers = (await redis.pipeline().exists(key).info("replication").exec()) ?? [];
  for (const [error] of answers) if (error) throw error;
  return historyIn(answers[1]?.[1]);
}

function historyIn(info: unknown): string | null {
  return /master_replid:(\w+)/.exec(String(info))?.[1] ?? null;
}
