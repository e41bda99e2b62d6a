import type { Database } from "@holdfast/shared/database.ts";
import { LaterFormat, requireFormat } from "@holdfast/shared/later-format.ts";
import type { Logger } from "@holdfast/shared/log.ts";
import { onceIn } from "@holdfast/shared/log-once-in.ts";
import { isOutage, isPermanent } from "@holdfast/shared/outage.ts";
import type { ChargeQueue, WebhookQueue } from "@holdfast/shared/queues.ts";
import type { RedisClient, RedisKeys } from "@holdfast/shared/redis.ts";
import { inSpan, type Tracing } from "@holdfast/shared/tracing.ts";
import { type WebhookJob, webhookJobFormat } from "@holdfast/shared/webhook-job.ts";
import { DelayedError, UnrecoverableError } from "bullmq";
import { openWorker, type QueueWorker } from "../open-worker.ts";
import { type SaleGate, SaleHalted } from "../recovery/sale-gate.ts";
import { processWebhook } from "./process-webhook.ts";

const concurrency = 10; // two short statements each
const waitsFor = [LaterFormat, SaleHalted];
const quietMs = 5_000; // a line, however many events meet the same
// An order that its shopper's bank was asked about is confirmed by an event: soon after an outage.
// In a long one a thousand events are some two hundred tries a second.
const mostOutageRetryMs = 5_000;

/**
 * Serves the queue of the provider's events. What fails is tried again for days, as the provider
 * itself would; an outage of Postgres or Redis is nobody's failed try.
 */
export function serveWebhooks(
  queue: WebhookQueue,
  parts: {
    readonly db: Database;
    readonly redis: RedisClient;
    readonly keys: RedisKeys;
    readonly charges: ChargeQueue;
    readonly log: Logger;
    readonly tracing?: Tracing | null;
    readonly gate?: SaleGate;
  },
): QueueWorker {
  const { db, charges, log } = parts;
  const outages = onceIn(quietMs);
  return openWorker<WebhookJob>(
    queue,
    async (job, token) => {
      const { eventId, type, orderId, trace = null } = job.data;
      const about = () => ({ parent: trace, attributes: { event: eventId, type, orderId: orderId ?? "" } });
      const process = async (traceparent: string | null) => {
        requireFormat(job.data, webhookJobFormat);
        parts.gate?.require(); // a payment of an order that Postgres has lost is none to be refunded
        return processWebhook(db, charges, job.data, traceparent);
      };
      const outcome = await inSpan(parts.tracing, "provider's event", about, process).catch(async (error: Error) => {
        if (isOutage(error) || waitsFor.some((kind) => error instanceof kind)) {
          const leftOut = outages("event");
          if (leftOut !== null) log.warn({ err: error, event: eventId, leftOut }, "provider's event has to wait");
          const afterMs = Math.min(500 * job.attemptsStarted, mostOutageRetryMs);
          // Where Redis refuses even that, it is found stalled, and runs again.
          await job.moveToDelayed(Date.now() + afterMs, token).catch(() => {});
          throw new DelayedError();
        }
        // What no further try can change is not tried for days: it waits among the failed ones for
        // somebody to look.
        throw isPermanent(error) ? new UnrecoverableError(error.message) : error;
      });
      log.debug({ jobId: job.id, event: eventId, type, outcome }, "webhook processed");
    },
    parts,
    {
      concurrency,
      settings: { backoffStrategy: (tries) => Math.min(500 * 2 ** (tries - 1), 30_000) },
      onFailed(job, error) {
        const event = job?.data.eventId;
        if (error instanceof UnrecoverableError) log.error({ err: error, event }, "webhook failed for good");
        else log.warn({ err: error, event }, "webhook to be tried again");
      },
    },
  );
}
