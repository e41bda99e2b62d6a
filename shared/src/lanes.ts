import { createHash } from "node:crypto";

/**
 * A checkout lane is one of N purchase queues. An item always belongs to the same lane, and one job
 * of a lane is active at a time in the whole fleet: so an item's orders are decided strictly in the
 * order of their arrival.
 */

/**
 * Which lane an item belongs to, 0 … laneCount − 1. The same everywhere, as long as `laneCount` is.
 */
export function laneOf(itemId: string, laneCount: number): number {
  return createHash("sha256").update(itemId).digest().readUInt32BE(0) % laneCount;
}

/** A lane's queue name. The braces keep all of a queue's keys in one slot of a Redis Cluster. */
export function laneQueueName(lane: number): string {
  return `{lane-${lane}}`;
}
