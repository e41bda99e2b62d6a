import { laneOf } from "@holdfast/shared/lanes.ts";
import { readItemLine, readLineNumbers } from "@holdfast/shared/line.ts";
import type { LaneQueue } from "@holdfast/shared/queues.ts";
import type { Store } from "@holdfast/shared/redis.ts";

/** A lane as Redis has it. */
export interface LaneRow {
  readonly number: number;
  readonly paused: boolean;
  /** Orders in line, and how many were ever decided. */
  readonly waiting: number;
  readonly decided: number;
  /** When the first of its jobs was added, by the clock of the API server that did. */
  readonly headAtMs: number | null;
  readonly jobs: number;
  readonly failed: number;
}

/** Reads the lanes: a dozen small commands each, whatever is in line. */
export async function readLanes(store: Store, lanes: readonly LaneQueue[]): Promise<LaneRow[]> {
  return Promise.all(
    lanes.map(async (lane, number) => {
      const [line, counts, paused, headAtMs] = await Promise.all([
        readLineNumbers(store, lane.name),
        lane.getJobCounts("waiting", "active", "delayed", "prioritized", "failed"),
        lane.isPaused(),
        readHead(store, lane),
      ]);
      const { failed = 0, ...inLine } = counts;
      return {
        number,
        paused,
        waiting: Math.max(0, line.accepted - line.decided),
        decided: line.decided,
        headAtMs,
        jobs: Object.values(inLine).reduce((sum, count) => sum + count, 0),
        failed,
      };
    }),
  );
}

/** When the job was added that is being decided, or is next. */
async function readHead({ redis }: Store, lane: LaneQueue): Promise<number | null> {
  const ends = await Promise.all(["active", "wait"].map((list) => redis.lindex(lane.toKey(list), -1)));
  const id = ends.find((end) => end !== null);
  if (id === undefined || id === null) return null;
  const addedAt = await redis.hget(lane.toKey(id), "timestamp");
  return addedAt === null ? null : Number(addedAt);
}

/** An item's line: how many orders wait in it, and how many are decided a second. */
export async function readItemLines(
  { redis, keys }: Store,
  lanes: readonly LaneQueue[],
  itemIds: readonly string[],
): Promise<Map<string, { waiting: number; perSecond: number }>> {
  const read = async (itemId: string) => {
    const name = lanes[laneOf(itemId, lanes.length)]?.name ?? "";
    const [line, accepted] = await Promise.all([
      readItemLine({ redis, keys }, name, itemId),
      redis.hget(keys.line(name), `accepted:${itemId}`),
    ]);
    const waiting = Math.max(0, Number(accepted ?? 0) - line.decidedPlace);
    return [itemId, { waiting, perSecond: waiting === 0 ? 0 : Math.round(line.perSecond) }] as const;
  };
  return new Map(await Promise.all(itemIds.map(read)));
}
