import { randomUUID } from "node:crypto";
import type { RedisClient, Store } from "@holdfast/shared/redis.ts";
import { coalesce } from "../coalesce.ts";

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
  /** Told why a job may not be on the replicas that are asked for. */
  readonly onUnknown?: ((why: string) => void) | undefined;
  /** The connection that jobs are added on; `redis` where it is left out. */
  readonly jobs?: RedisClient;
}

interface Mark {
  readonly laneName: string;
  readonly key: string;
  count: number;
  acknowledged: number;
  lacking: boolean;
  notedAtMs: number;
}

/** The histories of the masters that a write met: on the marks' connection, and on the jobs'. */
interface Met {
  readonly marks: string | null;
  readonly jobs: string | null;
}

interface Noted {
  readonly mark: Mark;
  /**
   * Met before this job was noted: it may be with the master of then, though by the time of its write
   * every connection leads to the next one.
   */
  readonly expected: Met | null;
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
export function acceptanceMarks({ redis, keys, replicas = 0, jobs = redis, onUnknown }: MarksParts): AcceptanceMarks {
  let markedGeneration: number | null = null;
  let marks = new Map<string, Mark>(); // by lane
  const met = new Map<string, Met>(); // by group, as the last write met them
  // With replicas, the lanes of one Redis are written together, so that one WAIT is for all; on a
  // Cluster each has a server of its own, for all we know.
  const groupOf = (laneName: string) => (replicas > 0 && !redis.isCluster ? "all" : laneName);

  const markOf = (laneName: string) => {
    const known = marks.get(laneName);
    if (known) return known;
    const key = keys.acceptanceMark(laneName, randomUUID());
    const mark = { laneName, key, count: 0, acknowledged: 0, lacking: false, notedAtMs: 0 };
    marks.set(laneName, mark);
    return mark;
  };
  const writeOnReplicas = async (group: string, written: readonly Mark[]) => {
    const counts = written.map(({ count }) => count);
    const [first] = written as [Mark];
    // Both, since each connection finds a new master in its own time.
    const [{ before, acknowledged, history }, ofJobs] = await Promise.all([
      writeAndWait(redis, written, replicas),
      readHistory(jobs, first.key),
    ]);
    const lacks = written.map((mark, i) => noteBefore(mark, counts[i] ?? 0, before[i])).includes(true);
    const now = { marks: history, jobs: ofJobs };
    met.set(group, now);
    return { lacks, acknowledged, now };
  };
  const failedOver = ({ expected }: Noted, now: Met) =>
    now.marks !== now.jobs || (expected !== null && (expected.marks !== now.marks || expected.jobs !== now.jobs));
  const write = coalesce<Noted, ReplicasUnknown | null>(oneAtATime, async (group, noted) => {
    const written = [...new Set(noted.map(({ mark }) => mark))];
    if (replicas === 0) {
      const [mark] = written as [Mark];
      const { key, count } = mark;
      noteBefore(mark, count, await redis.eval(markScript, 1, key, count, keptMs));
      return noted.map(() => null);
    }
    const { lacks, acknowledged, now } = await writeOnReplicas(group, written);
    const tooFew = `${acknowledged} of ${replicas} replicas answered`;
    return noted.map((one) => {
      if (lacks || failedOver(one, now)) return new ReplicasUnknown("Redis failed over");
      return acknowledged < replicas ? new ReplicasUnknown(tooFew) : null;
    });
  });
  const isLacking = async (mark: Mark) => {
    const { acknowledged, lacking, notedAtMs } = mark;
    if (lacking) return true;
    if (acknowledged === 0 || performance.now() - notedAtMs > comparedMs) return false;
    return Number((await jobs.get(mark.key)) ?? 0) < acknowledged; // the other connection may be waiting for replicas
  };
  return {
    async begin(laneNames) {
      if (replicas === 0) return 0;
      let fewest = replicas;
      // One after the other: each may take as long as its replicas may.
      for (const [group, names] of Map.groupBy(laneNames, groupOf)) {
        const found = await writeOnReplicas(group, names.map(markOf)).catch(() => null);
        fewest = Math.min(fewest, found?.acknowledged ?? 0);
      }
      return fewest;
    },
    async note(laneName) {
      const mark = markOf(laneName);
      const group = groupOf(laneName);
      mark.count += 1;
      mark.notedAtMs = performance.now();
      const written = write(group, { mark, expected: met.get(group) ?? null });
      if (replicas === 0) return void written.catch(() => {}); // not missed; the next job writes it again
      const unknown = await written.catch(
        (error: unknown) => new ReplicasUnknown("Redis did not answer", { cause: error }),
      );
      if (unknown === null) return;
      onUnknown?.(unknown.message);
      throw unknown;
    },
    async lacksSome(generation) {
      if (generation !== markedGeneration) marks = new Map();
      markedGeneration = generation;
      const found = await Promise.all([...marks.values()].map(isLacking));
      return found.includes(true);
    },
  };
}

const oneAtATime = { maxBatch: 10_000, maxWaiting: 100_000, maxUnderWay: 1 };

/** @returns whether Redis lacked what it had acknowledged */
function noteBefore(mark: Mark, count: number, before: unknown): boolean {
  const lacks = Number(before) < mark.acknowledged;
  if (lacks) mark.lacking = true;
  mark.acknowledged = Math.max(mark.acknowledged, count);
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
async function writeAndWait(redis: RedisClient, marks: readonly Mark[], count: number) {
  const pipeline = redis.pipeline();
  for (const mark of marks) pipeline.eval(markScript, 1, mark.key, mark.count, keptMs);
  pipeline.call("WAIT", String(count), String(replicasWithinMs));
  pipeline.info("replication");
  const answers = (await pipeline.exec()) ?? [];
  for (const [error] of answers) {
    if (error?.message.startsWith("MOVED")) await redis.get(marks[0]?.key ?? ""); // a Cluster's connections follow a single command
    if (error) throw error;
  }
  const said = answers.map(([, answer]) => answer);
  const [acknowledged, info] = said.slice(marks.length);
  return { before: said.slice(0, marks.length), acknowledged: Number(acknowledged), history: historyIn(info) };
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
