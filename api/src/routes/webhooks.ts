import type { WebhookQueue } from "@holdfast/shared/queues.ts";
import type { WebhookJob } from "@holdfast/shared/webhook-job.ts";
import Stripe from "stripe";
import { Type } from "typebox";
import { Compile } from "typebox/compile";
import { bodyRefusals, described, refusals } from "../answers.ts";
import type { App } from "../http/fastify-app.ts";
import { Problem } from "../http/problems.ts";
import type { TraceOf } from "../http/request-spans.ts";
import { isOrderId } from "../orders/order-id.ts";
import { webhookBody, webhookHeaders } from "../schemas.ts";

const toleranceSeconds = 300; // https://docs.stripe.com/webhooks#replay-attacks: Stripe signs each delivery anew
const maxEventBytes = 256 * 1024; // an event carries a whole object; the largest are tens of kilobytes

/**
 * `POST /webhooks/stripe`: the signature is checked over the raw body, and 200 is sent once the
 * event is safely queued. An event that comes again while it waits is the same job; one that comes
 * again later is known by its id in Postgres.
 */
export function webhookRoute(app: App, webhooks: WebhookQueue, secret: string, traceOf: TraceOf): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", { parseAs: "buffer", bodyLimit: maxEventBytes }, (_request, body, done) =>
    done(null, body),
  );
  app.post(
    "/webhooks/stripe",
    {
      schema: {
        operationId: "receiveStripeEvent",
        summary: "Events of the payment provider",
        tags: ["platform"],
        headers: webhookHeaders,
        body: webhookBody,
        response: {
          200: described(Type.Object({ received: Type.Boolean() }), "the event is queued"),
          ...refusals(...bodyRefusals),
        },
      },
      // Said for the description; checked below, once the signature over the raw bytes is.
      validatorCompiler: () => () => true,
      bodyLimit: maxEventBytes,
    },
    async (request) => {
      const trace = traceOf(request);
      const job = toJob(verifiedEvent(request.body, request.headers["stripe-signature"], secret));
      // We made it ourselves a moment ago; what becomes of it comes in events of its own.
      if (job.type !== "payment_intent.created")
        await webhooks.add("webhook", { ...job, ...(trace !== null && { trace }) }, { jobId: job.eventId });
      return { received: true };
    },
  );
}

const isEvent = Compile(webhookBody);

function verifiedEvent(
  body: unknown,
  signature: string | string[] | undefined,
  secret: string,
): Type.Static<typeof webhookBody> {
  const refused = () => new Problem("invalid_request", "The signature does not fit the body, or is too old.");
  if (!Buffer.isBuffer(body) || typeof signature !== "string") throw refused();
  let event: unknown;
  try {
    event = Stripe.webhooks.constructEvent(body, signature, secret, toleranceSeconds);
  } catch {
    throw refused();
  }
  if (!isEvent.Check(event)) throw new Problem("invalid_request", "This is signed, but is not an event.");
  return event;
}

/** Only ids are taken over: what the payment is now, the provider will be asked. */
function toJob({ id, type, data: { object } }: Type.Static<typeof webhookBody>): WebhookJob {
  const intent = object.object === "payment_intent" ? object.id : object.payment_intent;
  const orderId = (object.metadata as { orderId?: unknown } | null | undefined)?.orderId;
  return {
    eventId: id,
    type,
    paymentIntentId: typeof intent === "string" ? intent : null,
    orderId: typeof orderId === "string" && isOrderId(orderId) ? orderId : null,
  };
}
