import type { ChargeJob } from "@holdfast/shared/charge-job.ts";
import type { Database } from "@holdfast/shared/database.ts";
import { announceItem } from "@holdfast/shared/item-changes.ts";
import type { Logger } from "@holdfast/shared/log.ts";
import { replaceViews } from "@holdfast/shared/order-view.ts";
import type { ChargeQueue } from "@holdfast/shared/queues.ts";
import type { RedisClient, RedisKeys } from "@holdfast/shared/redis.ts";
import { Worker } from "bullmq";
import type Stripe from "stripe";
import { chargeOrder } from "./charge-order.ts";
import { jobLockMs, maxStalledCount, stalledCheckMs } from "./serve-lane.ts";

export interface ChargeParts {
  readonly db: Database;
  readonly redis: RedisClient;
  readonly keys: RedisKeys;
  readonly stripe: Stripe;
  readonly log: Logger;
}

/** Charges reserved orders, `concurrency` at a time in this process and `ratePerSecond` in the whole fleet. */
export function serveCharges(
  queue: ChargeQueue,
  parts: ChargeParts,
  limits: { readonly concurrency: number; readonly ratePerSecond: number },
): Worker<ChargeJob> {
  const worker = new Worker<ChargeJob>(queue.name, (job) => runCharge(parts, job.data), {
    connection: parts.redis,
    prefix: parts.keys.queues,
    concurrency: limits.concurrency,
    limiter: { max: limits.ratePerSecond, duration: 1_000 },
    lockDuration: jobLockMs,
    stalledInterval: stalledCheckMs,
    maxStalledCount,
    settings: { backoffStrategy: chargeBackoffMs },
  });
  worker.on("error", (error) => parts.log.warn({ err: error }, "charge queue connection in trouble"));
  worker.on("failed", (job, error) =>
    parts.log.warn({ err: error, order: job?.data.orderId, tries: job?.attemptsMade }, "charge to be tried again"),
  );
  return worker;
}

/** Charges, settles, and tells: the shopper what became of the order, and everyone what became of its units. */
export async function runCharge(parts: ChargeParts, job: ChargeJob): Promise<void> {
  const settlement = await chargeOrder(parts.db, parts.stripe, job);
  await replaceViews(parts.redis, parts.keys, [settlement.order]);
  if (settlement.item) await announceItem(parts.redis, parts.keys, settlement.item);
}

/** 0.5 s, doubled each time up to 30 s, and up to half of it again at random, so that a crowd does not come back as one. */
export function chargeBackoffMs(tries: number): number {
  const base = Math.min(500 * 2 ** (tries - 1), 30_000);
  return Math.round(base * (1 + Math.random() / 2));
}
