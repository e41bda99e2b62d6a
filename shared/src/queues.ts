import { Queue } from "bullmq";
import type { ChargeJob, ChargeJobName } from "./charge-job.ts";
import { laneQueueName } from "./lanes.ts";
import type { PackedPurchaseJob } from "./purchase-job.ts";
import type { Store } from "./redis.ts";
import type { WebhookJob } from "./webhook-job.ts";

export type LaneQueue = Queue<PackedPurchaseJob, void, "purchase">;
export type WebhookQueue = Queue<WebhookJob, void, "webhook">;
export type SweepQueue = Queue<Record<string, never>, void, "sweep" | "books" | "recount" | "reconcile">;
export type ChargeQueue = Queue<ChargeJob, void, ChargeJobName>;

/** The purchase queues, one per lane. */
export function openLanes(store: Store, laneCount: number): LaneQueue[] {
  return Array.from({ length: laneCount }, (_, lane) => new Queue(laneQueueName(lane), queueOptions(store)));
}

/** The queue of what is to be done about payments. */
export function openChargeQueue(store: Store): ChargeQueue {
  return new Queue("{charge}", queueOptions(store));
}

/**
 * The payment provider's events, each added under its own id: one that waits already is not added
 * twice.
 */
export function openWebhookQueue(store: Store): WebhookQueue {
  const options = queueOptions(store);
  // Tried for about three days, as the provider does, and then kept to look at.
  const defaultJobOptions = { ...options.defaultJobOptions, attempts: 8_640, backoff: { type: "custom" } };
  return new Queue("{webhook}", { ...options, defaultJobOptions });
}

/** The fleet's housekeeping: what is done every few seconds, and what takes its time at night. */
export function openSweepQueue(store: Store): SweepQueue {
  return new Queue("{sweep}", queueOptions(store));
}

export function openNightlyQueue(store: Store): SweepQueue {
  return new Queue("{nightly}", queueOptions(store));
}

/**
 * A finished job says nothing that Postgres does not, so only a few are kept to look at; failed
 * ones stay for operations to look at and replay.
 */
function queueOptions({ redis, keys }: Store) {
  return {
    connection: redis,
    prefix: keys.queues,
    skipWaitingForReady: true,
    streams: { events: { maxLen: 1_000 } },
    defaultJobOptions: { removeOnComplete: { count: 10 }, removeOnFail: { count: 10_000 }, stackTraceLimit: 3 },
  };
}
