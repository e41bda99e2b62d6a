/**
 * Looks after one order's payment. What there is to do is read from Postgres when the job runs,
 * never from the job: so one that comes twice, late or not at all changes nothing but the time.
 */
export interface ChargeJob {
  readonly orderId: string;
  /** The traceparent that it goes on from, where there is tracing. */
  readonly trace?: string;
}

/** What brought the job about; only for whoever looks at the queue. */
export type ChargeJobName = "charge" | "check" | "release" | "webhook";

/**
 * The job as it is added to the queue. One that waits under its id already is not added again.
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
  // A finished job must not keep a later one of the same id out: what was done is in Postgres.
  return { name, data, opts: { jobId: `${name}-${orderId}-${occasion}`, removeOnComplete: true, removeOnFail: true } };
}
