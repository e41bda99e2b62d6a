import type { RaiseAlarm } from "@holdfast/shared/alarm.ts";
import { type ChargeJob, chargeJobFormat } from "@holdfast/shared/charge-job.ts";
import { LaterFormat, requireFormat } from "@holdfast/shared/later-format.ts";
import type { Logger } from "@holdfast/shared/log.ts";
import { onceIn } from "@holdfast/shared/log-once-in.ts";
import { isOutage, isPermanent } from "@holdfast/shared/outage.ts";
import type { ChargeQueue } from "@holdfast/shared/queues.ts";
import { inSpan, type Tracing } from "@holdfast/shared/tracing.ts";
import { DelayedError, type Job } from "bullmq";
import { openWorker, type QueueWorker } from "../open-worker.ts";
import { recallTrace } from "../order-traces.ts";
import { type SaleGate, SaleHalted } from "../recovery/sale-gate.ts";
import { putOffFailed } from "./put-off.ts";
import { NoSuchOrder } from "./read-payment.ts";
import { type PaymentParts, settlePayment } from "./settle-payment.ts";

export interface ChargeParts extends PaymentParts {
  readonly charges: ChargeQueue;
  readonly raiseAlarm: RaiseAlarm;
  readonly log: Logger;
  readonly tracing?: Tracing | null;
  readonly gate?: SaleGate;
  /** Aborted when the process closes. */
  readonly closing?: AbortSignal;
}

const laterRuns = 60; // a minute or two: a worker of its release takes it by then
const waitsFor = [LaterFormat, SaleHalted];
const quietMs = 5_000; // a line of each kind, however many jobs meet the same
const outageRetryMs = 1_000; // keeps recovery within seconds of Postgres' return
const soonMs = 8_000; // what is due sooner is done by the same job; later looks are the sweeper's to give out
const shortestPauseMs = 250; // between two runs of one job, whatever Postgres says

/**
 * Serves the charge queue, `concurrency` jobs at a time in this process. The provider's rate limit
 * is kept where requests are made.
 */
export function serveCharges(parts: ChargeParts, concurrency: number): QueueWorker {
  const { charges, log } = parts;
  const outages = onceIn(quietMs);
  const failures = onceIn(quietMs);
  const process = async (job: Job<ChargeJob>, token?: string) => {
    // Also of a run whose worker died: the job counts its runs when they begin.
    const ranBefore = job.attemptsStarted > 1;
    const { orderId, trace = null } = job.data;
    const purchase = parts.tracing ? await recallTrace(parts, orderId) : null;
    // A try to charge goes on from the purchase, whoever gave it out; what an event or the sweeper
    // brings about only belongs to it.
    const parent = trace ?? (job.name === "charge" ? purchase : null);
    const links = purchase === null || purchase === parent ? [] : [purchase];
    const about = () => ({ parent, links, attributes: { orderId, jobId: job.id ?? "" } });
    const settle = async () => {
      requireFormat(job.data, chargeJobFormat);
      parts.gate?.require();
      return settlePayment(parts, orderId, ranBefore);
    };
    const againInMs = await inSpan(parts.tracing, `${job.name} payment`, about, settle).catch((error: unknown) => {
      if (error instanceof NoSuchOrder) {
        // Nothing that a further try could do. What the provider has of it, reconciliation finds.
        log.warn({ jobId: job.id, orderId }, "charge job of an order that Postgres does not know is dropped");
        return null;
      }
      // Left by a release that is not there any more: while it waits it keeps the sweeper's own job
      // for this order out, which has all that is to be done from Postgres.
      if (error instanceof LaterFormat && job.attemptsStarted > laterRuns) return null;
      // An outage of Postgres or Redis is nobody's failed try.
      if (!isOutage(error) && !waitsFor.some((kind) => error instanceof kind)) throw error;
      const leftOut = outages("charge");
      if (leftOut !== null) log.warn({ err: error, jobId: job.id, orderId, leftOut }, "charge job has to wait");
      return outageRetryMs;
    });
    if (againInMs === null || againInMs > soonMs) return;
    // Where Redis refuses even that, the job is found stalled after its lock's end, and runs again.
    await job.moveToDelayed(Date.now() + Math.max(againInMs, shortestPauseMs), token).catch(() => {});
    throw new DelayedError();
  };
  const onFailed = (job: Job<ChargeJob> | undefined, error: Error) => {
    if (job) void putOffFailed(parts.db, job.data.orderId).catch(() => {}); // else the sweeper asks again at once
    const about = { err: error, jobId: job?.id, orderId: job?.data.orderId };
    const leftOut = failures(error.message);
    if (leftOut !== null) log.error({ ...about, leftOut }, "charge job failed; the sweeper tries it again");
    // The order keeps its units and the sweeper goes on, but no further try will settle it: people
    // have to.
    if (isPermanent(error)) {
      parts.raiseAlarm(`payment_stuck:${job?.data.orderId}`, `Order ${job?.data.orderId}: ${error.message}.`);
    }
  };
  return openWorker<ChargeJob>(charges, process, parts, { concurrency, onFailed });
}
