import type { WebhookQueue } from "@holdfast/shared/queues.ts";
import type { WebhookJob } from "@holdfast/shared/webhook-job.ts";
import Stripe from "stripe";
import { Type } from "typebox";
import type { App } from "../app.ts";
import { isOrderId } from "../order-id.ts";
import { Problem } from "../problems.ts";
import { refusals } from "../schemas.ts";

const toleranceSeconds = 300; // https://docs.stripe.com/webhooks#replay-attacks: Stripe signs each delivery anew
const maxEventBytes = 256 * 1024; // an event carries a whole object; the largest are tens of kilobytes

/**
 * `POST /webhooks/stripe`: the signature is checked over the raw body, and 200 is sent once the event is safely queued. An event that
 * comes again while it waits is the same job; one that comes again later is known by its id in the record.
 */
export function webhookRoute(app: App, webhooks: WebhookQueue, secret: string): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", { parseAs: "buffer", bodyLimit: maxEventBytes }, (_request, body, done) =>
    done(null, body),
  );
  app.post(
    "/webhooks/stripe",
    {
      schema: {
        summary: "Events of the payment provider",
        tags: ["platform"],
        response: { 200: Type.Object({ received: Type.Boolean() }), ...refusals(400, 413, 503) },
      },
      bodyLimit: maxEventBytes,
    },
    async (request) => {
      const event = verifiedEvent(request.body, request.headers["stripe-signature"], secret);
      const job = toJob(event);
      // We made it ourselves a moment ago; what becomes of it comes in events of its own.
      if (event.type !== "payment_intent.created") await webhooks.add("webhook", job, { jobId: job.eventId });
      return { received: true };
    },
  );
}

function verifiedEvent(body: unknown, signature: string | string[] | undefined, secret: string): Stripe.Event {
  const refused = () => new Problem("invalid_request", "The signature does not fit the body, or is too old.");
  if (!Buffer.isBuffer(body) || typeof signature !== "string") throw refused();
  let event: Partial<Stripe.Event> | null;
  try {
    event = Stripe.webhooks.constructEvent(body, signature, secret, toleranceSeconds);
  } catch {
    throw refused();
  }
  // Its id becomes a job's id and a row's key.
  if (typeof event?.type === "string" && /^evt_\w{1,250}$/.test(String(event.id)) && event.data?.object) {
    return event as Stripe.Event;
  }
  throw new Problem("invalid_request", "The body is signed, but no event.");
}

/** Only ids are taken over: what the payment is now, the provider will be asked. */
function toJob(event: Stripe.Event): WebhookJob {
  const object = event.data.object as {
    object?: string;
    id?: string;
    payment_intent?: unknown;
    metadata?: { orderId?: string };
  };
  const intent = object.object === "payment_intent" ? object.id : object.payment_intent;
  const orderId = object.metadata?.orderId;
  return {
    eventId: event.id,
    type: event.type,
    paymentIntentId: typeof intent === "string" ? intent : null,
    orderId: orderId !== undefined && isOrderId(orderId) ? orderId : null,
  };
}
