import type { Agent } from "node:http";
import type { RaiseAlarm } from "@holdfast/shared/alarm.ts";
import type { Database } from "@holdfast/shared/database.ts";
import type { Logger } from "@holdfast/shared/log.ts";
import type { WorkerMetrics } from "../metrics/worker-metrics.ts";
import { type ClaimedEvent, claimEvents } from "./claim-events.ts";
import { finishEvent, putBackEvent, putOffEvent } from "./finish-event.ts";
import { nextTryMs } from "./next-try.ts";
import { sendEvent } from "./send-event.ts";
import type { Shop } from "./shop-settings.ts";
import { messageId } from "./show-event.ts";

export interface DeliveryParts {
  readonly db: Database;
  readonly shop: Shop;
  readonly connections: Agent;
  readonly raiseAlarm: RaiseAlarm;
  readonly log: Logger;
  readonly metrics?: WorkerMetrics | undefined;
  /** Aborted when answers cannot be waited for any more. */
  readonly closing: AbortSignal;
}

/** Requests to the shop at a time from one worker: a shop of one process copes with it. */
export const maxInHand = 10;
const maxRetries = 8; // of these: events that hang again and again leave two places for new ones

/** Deliveries under way, at most `maxInHand`, each with its event. */
export type InHand = Map<Promise<void>, ClaimedEvent>;

/**
 * Takes as many events that are due as there is room for, and begins to send them. One that hangs
 * only keeps its own place.
 * @returns whether there may be more that are due
 */
export async function deliverOnce(parts: DeliveryParts, inHand: InHand): Promise<boolean> {
  const room = maxInHand - inHand.size;
  if (room === 0) return true;
  const retries = [...inHand.values()].filter(({ tries }) => tries > 1).length;
  const { events, more } = await claimEvents(parts.db, { events: room, retries: maxRetries - retries });
  for (const event of events) {
    const delivery = deliver(parts, event)
      // The event comes up again when its lease is over; the shop knows it by its id.
      .catch((error: Error) => parts.log.warn({ err: error, event: event.id }, "a delivery could not be noted"))
      .finally(() => inHand.delete(delivery));
    inHand.set(delivery, event);
  }
  return more;
}

/**
 * Sends an event and writes down what became of it. *Dies in between:* the lease ends, and the
 * event is sent again under the same id.
 */
async function deliver(parts: DeliveryParts, event: ClaimedEvent) {
  const { db, shop, connections, raiseAlarm, log, closing } = parts;
  const sent = await sendEvent(shop, connections, event, closing);
  parts.metrics?.delivered(sent.outcome);
  if (sent.outcome === "delivered") return finishEvent(db, event, "delivered", null);
  if (sent.outcome === "cut") return putBackEvent(db, event);
  const fields = { event: messageId(event), type: event.type, tries: event.tries, why: sent.why };
  const retryMs = nextTryMs({ ...event, retryAfterMs: sent.retryAfterMs }, Math.random());
  if (retryMs !== null) {
    await putOffEvent(db, event, sent.why, retryMs);
    log.debug(fields, "the shop did not take an event");
    return;
  }
  await finishEvent(db, event, "dead", sent.why);
  raiseAlarm("shop_event_dead", `The shop has not taken an event for three days (${sent.why}).`, fields);
}
