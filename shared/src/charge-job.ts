import { randomBytes } from "node:crypto";

/**
 * Looks after one order's payment. What there is to do is read from Postgres when the job runs,
 * never from the job: so one that comes twice, late or not at all changes nothing but the time.
 */
export interface ChargeJob {
  /** Not written as long as it is the first. */
  readonly format?: number;
  readonly orderId: string;
  /** The traceparent that it goes on from, where there is tracing. */
  readonly trace?: string;
}

export const chargeJobFormat = 1;

/** What brought the job about; only for whoever looks at the queue. */
export type ChargeJobName = "charge" | "check" | "release" | "webhook";

/**
 * A finished one is kept this long for whoever looks at the queue; what it did is in Postgres. The
 * count bounds what a rush may take of Redis' memory.
 */
const kept = { age: 3_600, count: 10_000 };

/**
 * The job as it is added to the queue. One of the same name, order and occasion that waits or runs
 * is not added again; one that has finished does not keep a later one out, which an id of the job
 * would do as long as it is kept.
 * @param occasion what it is about beside the order, such as an attempt or an event: another
 *   occasion is another job, so that it is not taken for one that has looked already
 */
export function chargeQueueEntry(
  name: ChargeJobName,
  orderId: string,
  occasion: string | number,
  trace: string | null = null,
) {
  const data: ChargeJob = { orderId, ...(trace !== null && { trace }) };
  const about = `${name}-${orderId}-${occasion}`;
  const jobId = `${about}~${randomBytes(4).toString("hex")}`;
  return { name, data, opts: { jobId, deduplication: { id: about }, removeOnComplete: kept, removeOnFail: kept } };
}

/** Whether a job, by its id, is the one that an order's first try to charge began with. */
export const isFirstCharge = (jobId: string): boolean => /^charge-.*-1~[0-9a-f]+$/.test(jobId);
