import { chargeQueueEntry } from "@holdfast/shared/charge-job.ts";
import type { Order } from "@holdfast/shared/order.ts";
import type { ChargeQueue } from "@holdfast/shared/queues.ts";

/**
 * How many charge jobs may wait, and how many do at most: as last counted, with those that were added
 * since. Adding one costs Redis as much
 * as deciding several orders, and jobs that would wait for minutes serve nobody: where so many wait
 * already, an order is only in Postgres, which says when its charge is due, and the sweeper puts it
 * in line then.
 */
export interface ChargeRoom {
  readonly maxWaiting: number;
  waiting: number;
}

const leastRoom = 1_000; // jobs; no sale of an ordinary size comes to it
const aheadSeconds = 60; // an order without a job is noticed after some 35 s: charging never rests until then

export function chargeRoom(chargesPerSecond: number): ChargeRoom {
  return { maxWaiting: Math.max(leastRoom, aheadSeconds * chargesPerSecond), waiting: 0 };
}

/**
 * Adds a job for every order that waits for its first charge. One that is known already is not
 * added again.
 * @param room without it, there is room for all
 */
export async function enqueueCharges(charges: ChargeQueue, orders: readonly Order[], room?: ChargeRoom): Promise<void> {
  const unpaid = orders.filter((order) => order.status === "reserved" && order.paymentStatus === "pending");
  if (unpaid.length === 0) return;
  // Many of them may have been taken since.
  if (room && room.maxWaiting - room.waiting < unpaid.length) room.waiting = await charges.getWaitingCount();
  const some = room ? unpaid.slice(0, Math.max(0, room.maxWaiting - room.waiting)) : unpaid;
  if (some.length === 0) return;
  if (room) room.waiting += some.length;
  await charges.addBulk(some.map(({ id }) => chargeQueueEntry("charge", id, 1)));
}
