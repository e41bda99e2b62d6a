import { type ChargeJob, chargeQueueEntry, isRetried } from "@holdfast/shared/charge-job.ts";
import type { Database } from "@holdfast/shared/database.ts";
import { publishItems } from "@holdfast/shared/item-view.ts";
import type { Logger } from "@holdfast/shared/log.ts";
import { publishOrders } from "@holdfast/shared/order-view.ts";
import { isOutage, isPermanent } from "@holdfast/shared/outage.ts";
import type { ChargeQueue } from "@holdfast/shared/queues.ts";
import type { RedisClient, RedisKeys } from "@holdfast/shared/redis.ts";
import { DelayedError, type Job, Worker } from "bullmq";
import type Stripe from "stripe";
import { chargeOrder, checkPayment, releaseHold, type Settled } from "./charge-order.ts";
import { jobLockMs, maxStalledCount, stalledCheckMs } from "./serve-lane.ts";

export interface ChargeParts {
  readonly db: Database;
  readonly redis: RedisClient;
  readonly keys: RedisKeys;
  readonly charges: ChargeQueue;
  readonly stripe: Stripe;
  readonly log: Logger;
}

/** The outcome of a charge is not known: the job is to be tried again with the same key. */
export class PaymentOutcomeUnknown extends Error {
  constructor(orderId: string) {
    super(`The payment of order ${orderId} is not decided yet`);
    this.name = "PaymentOutcomeUnknown";
  }
}

const outageRetryMs = 1_000; // keeps recovery within seconds of Postgres' return

/** Serves the charge queue, `concurrency` jobs at a time in this process and `ratePerSecond` in the whole fleet. */
export function serveCharges(
  parts: ChargeParts,
  limits: { readonly concurrency: number; readonly ratePerSecond: number },
): Worker<ChargeJob> {
  const { charges, log } = parts;
  const process = async (job: Job<ChargeJob>, token?: string) => {
    try {
      await runChargeJob(parts, job.data, job.attemptsMade + 1 >= (job.opts.attempts ?? 1));
    } catch (error) {
      if (!isOutage(error)) throw error;
      // An outage of Postgres is nobody's failed try.
      log.warn({ err: error, job: job.id }, "charge job waits for Postgres");
      // Where Redis refuses even that, the job is found abandoned after its lock's end, and runs again.
      await job.moveToDelayed(Date.now() + outageRetryMs, token).catch(() => {});
      throw new DelayedError();
    }
  };
  const worker = new Worker<ChargeJob>(charges.name, process, {
    connection: parts.redis,
    prefix: parts.keys.queues,
    concurrency: limits.concurrency,
    limiter: evenly(limits.ratePerSecond),
    lockDuration: jobLockMs,
    stalledInterval: stalledCheckMs,
    maxStalledCount,
    settings: { backoffStrategy: chargeBackoffMs },
  });
  worker.on("error", (error) => log.warn({ err: error }, "charge queue connection in trouble"));
  worker.on("failed", (job, error) => {
    const about = { err: error, job: job?.id, order: job?.data.orderId, tries: job?.attemptsMade };
    // The order keeps its units and the sweeper goes on asking, but no further try will settle it: people have to.
    if (isPermanent(error)) log.error(about, "ALARM: a payment cannot be settled");
    else log[error instanceof PaymentOutcomeUnknown ? "info" : "error"](about, "charge job did not succeed");
  });
  return worker;
}

/**
 * Does what a job says and tells of it: the shopper what became of the order, and everyone what became of its units.
 * @throws PaymentOutcomeUnknown where a charge is to be tried again; on the last try the sweeper is left to ask
 */
export async function runChargeJob(parts: ChargeParts, job: ChargeJob, lastTry: boolean): Promise<void> {
  const { order, item, again } = await act(parts, job);
  await publishOrders(parts.redis, parts.keys, [order]);
  if (item) await publishItems(parts.redis, parts.keys, [item]);
  if (again === "later") {
    if (isRetried(job) && !lastTry) throw new PaymentOutcomeUnknown(order.id);
  } else if (again !== null) {
    const next = chargeQueueEntry({ kind: "charge", orderId: order.id, attempt: again.attempt });
    await parts.charges.add(next.name, next.data, next.opts);
  }
}

function act(parts: ChargeParts, job: ChargeJob): Promise<Settled> {
  switch (job.kind) {
    case "charge":
      return chargeOrder(parts, job.orderId, job.attempt);
    case "check":
      return checkPayment(parts, job.orderId, job.paymentIntentId ?? null);
    case "release":
      return releaseHold(parts, job.orderId, job.reason);
  }
}

/**
 * The rate cut into small even portions: BullMQ counts in fixed windows, and with one-second windows two full ones could meet within
 * a second. A twentieth is left free, because a job's request leaves a few milliseconds sooner or later after its start.
 */
export function evenly(ratePerSecond: number): { max: number; duration: number } {
  const max = Math.ceil(ratePerSecond / 50);
  return { max, duration: Math.ceil((1_000 * max) / (0.95 * ratePerSecond)) };
}

/** 0.5 s, doubled each time up to 30 s, and up to half of it again at random, so that a crowd does not come back as one. */
export function chargeBackoffMs(tries: number): number {
  const base = Math.min(500 * 2 ** (tries - 1), 30_000);
  return Math.round(base * (1 + Math.random() / 2));
}
