import { Queue } from "bullmq";
import type { ChargeJob } from "./charge-job.ts";
import { chargeQueueName, laneQueueName } from "./lanes.ts";
import type { PackedPurchaseJob } from "./purchase-job.ts";
import type { RedisClient, RedisKeys } from "./redis.ts";

export type LaneQueue = Queue<PackedPurchaseJob, void, "purchase">;
export type ChargeQueue = Queue<ChargeJob, void, ChargeJob["kind"]>;

/**
 * The purchase queues, one per lane. A finished job says nothing that Postgres does not, so only a few are kept to look at;
 * failed ones stay for operations to look at and replay.
 */
export function openLanes(redis: RedisClient, keys: RedisKeys, laneCount: number): LaneQueue[] {
  return Array.from(
    { length: laneCount },
    (_, lane) =>
      new Queue(laneQueueName(lane), {
        connection: redis,
        prefix: keys.queues,
        skipWaitingForReady: true,
        streams: { events: { maxLen: 1_000 } },
        defaultJobOptions: { removeOnComplete: { count: 10 }, removeOnFail: { count: 10_000 }, stackTraceLimit: 3 },
      }),
  );
}

/** The queue of reserved orders to be charged. */
export function openChargeQueue(redis: RedisClient, keys: RedisKeys): ChargeQueue {
  return new Queue(chargeQueueName, {
    connection: redis,
    prefix: keys.queues,
    skipWaitingForReady: true,
    streams: { events: { maxLen: 1_000 } },
    defaultJobOptions: { removeOnComplete: { count: 100 }, removeOnFail: { count: 10_000 }, stackTraceLimit: 3 },
  });
}
