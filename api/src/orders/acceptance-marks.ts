import { randomUUID } from "node:crypto";
import type { Store } from "@holdfast/shared/redis.ts";

/**
 * How many purchase jobs this server has put into each lane, counted here and in Redis. Redis has
 * the count after it has the job, and both in the same lane's keys: a Redis that lacks a count it
 * has acknowledged may lack jobs too, whose orders have a 202. So a failover that drops the last
 * few hundred milliseconds is noticed, which is less than the time between two heartbeats of the
 * generation.
 */
export interface AcceptanceMarks {
  /**
   * To be called once Redis has a job. Nobody waits for it: jobs that come together are one
   * command.
   */
  note(laneName: string): void;
  /**
   * Whether Redis lacks something it has acknowledged since this was first asked for this
   * generation.
   */
  lacksSome(generation: number): Promise<boolean>;
}

interface Mark {
  readonly key: string;
  count: number;
  acknowledged: number;
  lacking: boolean;
  writing: boolean;
  notedAtMs: number;
}

const keptMs = 24 * 3600 * 1000; // a server that ended leaves a small key per lane for a day
const comparedMs = keptMs / 2; // far from where an idle lane's key expires by itself

// Never back: a command that was held up on its way changes nothing.
const markScript = `
local before = tonumber(redis.call("GET", KEYS[1]) or "0")
if tonumber(ARGV[1]) > before then redis.call("SET", KEYS[1], ARGV[1], "PX", ARGV[2]) end
return before`;

export function acceptanceMarks({ redis, keys }: Store): AcceptanceMarks {
  let markedGeneration: number | null = null;
  let marks = new Map<string, Mark>(); // by lane

  const write = async (mark: Mark) => {
    if (mark.writing) return; // what is counted meanwhile is written next
    mark.writing = true;
    try {
      while (mark.acknowledged < mark.count) {
        const { count } = mark;
        const before = Number(await redis.eval(markScript, 1, mark.key, count, keptMs));
        if (before < mark.acknowledged) mark.lacking = true;
        mark.acknowledged = count;
      }
    } catch {
      // Not acknowledged, so it is not missed; the next job writes it again.
    } finally {
      mark.writing = false;
    }
  };
  const isLacking = async (mark: Mark) => {
    const { acknowledged, lacking, notedAtMs } = mark;
    if (lacking) return true;
    if (acknowledged === 0 || performance.now() - notedAtMs > comparedMs) return false;
    return Number((await redis.get(mark.key)) ?? 0) < acknowledged;
  };
  return {
    note(laneName) {
      let mark = marks.get(laneName);
      if (!mark) {
        const key = keys.acceptanceMark(laneName, randomUUID());
        mark = { key, count: 0, acknowledged: 0, lacking: false, writing: false, notedAtMs: 0 };
        marks.set(laneName, mark);
      }
      mark.count += 1;
      mark.notedAtMs = performance.now();
      void write(mark);
    },
    async lacksSome(generation) {
      if (generation !== markedGeneration) marks = new Map();
      markedGeneration = generation;
      const found = await Promise.all([...marks.values()].map(isLacking));
      return found.includes(true);
    },
  };
}
