/** One reserved order to be charged. What to charge is read from the record, never from the job. */
export interface ChargeJob {
  readonly orderId: string;
  /** Which charge attempt, from 1: a new payment method is a new attempt, a network retry is not. */
  readonly attempt: number;
}

/** One charge job per attempt: adding it again while it is known changes nothing. */
export function chargeJobId(job: ChargeJob): string {
  return `charge-${job.orderId}-${job.attempt}`;
}
