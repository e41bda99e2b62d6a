import { chargeQueueEntry } from "@holdfast/shared/charge-job.ts";
import type { Order } from "@holdfast/shared/order.ts";
import type { ChargeQueue } from "@holdfast/shared/queues.ts";

/**
 * A bound on the charge jobs in Redis. Adding one costs Redis as much as deciding several orders,
 * and jobs that would wait for minutes serve nobody: where so many wait already, an order is only
 * in Postgres, which says when its charge is due, and the sweeper adds its job then.
 */
export interface ChargeQuota {
  /** How many may wait. */
  readonly maxWaiting: number;
  /** How many do at most: as last counted, and those that were added since. */
  waiting: number;
}

const leastQuota = 1_000; // jobs; no sale of an ordinary size comes to it
const aheadSeconds = 60; // an order without a job is noticed after some 35 s: charging never rests until then

export function chargeQuota(chargesPerSecond: number): ChargeQuota {
  return { maxWaiting: Math.max(leastQuota, aheadSeconds * chargesPerSecond), waiting: 0 };
}

/**
 * Adds a job for every order that waits for its first charge. One that is known already is not
 * added again.
 * @param quota without it, every order gets a job
 * @param traceOf the traceparent of the request that brought an order
 */
export async function enqueueCharges(
  charges: ChargeQueue,
  orders: readonly Order[],
  quota?: ChargeQuota,
  traceOf: (orderId: string) => string | null = () => null,
): Promise<void> {
  const unpaid = orders.filter((order) => order.status === "reserved" && order.paymentStatus === "pending");
  if (unpaid.length === 0) return;
  // Many of them may have been taken since.
  if (quota && quota.maxWaiting - quota.waiting < unpaid.length) quota.waiting = await charges.getWaitingCount();
  const some = quota ? unpaid.slice(0, Math.max(0, quota.maxWaiting - quota.waiting)) : unpaid;
  if (some.length === 0) return;
  if (quota) quota.waiting += some.length;
  await charges.addBulk(some.map(({ id }) => chargeQueueEntry("charge", id, 1, traceOf(id))));
}
