/**
 * What is to be done about one order's payment. All of it goes through one queue, since the provider's rate limit counts all of
 * it. What to charge is read from the record, never from the job.
 * - `charge`: send an attempt. A new payment method is a new attempt, a network retry is not.
 * - `check`: ask the provider what became of the payment, and act on it. A payment it was heard of under is asked about by its id.
 * - `release`: give up the hold; the payment is called off first.
 */
export type ChargeJob =
  | { readonly kind: "charge"; readonly orderId: string; readonly attempt: number }
  | { readonly kind: "check"; readonly orderId: string; readonly paymentIntentId?: string }
  | { readonly kind: "release"; readonly orderId: string; readonly reason: "hold_expired" | "by_shopper" };

/** How often a charge is tried before the sweeper takes over; with the pauses between, about half a minute. */
const chargeTries = 6;

/** A charge, and a payment that only a webhook told of; for all else the sweeper asks again. */
export function isRetried(data: ChargeJob): boolean {
  return data.kind === "charge" || (data.kind === "check" && data.paymentIntentId !== undefined);
}

/** The job as it is added to the queue. One that is in the queue under its id already is not added again. */
export function chargeQueueEntry(data: ChargeJob) {
  const jobId = data.kind === "charge" ? `charge-${data.orderId}-${data.attempt}` : `${data.kind}-${data.orderId}`;
  const opts = {
    jobId,
    // A finished job must not keep a later one of the same id out: what was done is in the record.
    removeOnComplete: true,
    removeOnFail: true,
    ...(isRetried(data) ? { attempts: chargeTries, backoff: { type: "custom" } } : { attempts: 1 }),
  };
  return { name: data.kind, data, opts };
}
