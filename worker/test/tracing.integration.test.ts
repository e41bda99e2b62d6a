import { randomBytes } from "node:crypto";
import { chargeQueueEntry } from "@holdfast/shared/charge-job.ts";
import { createLog } from "@holdfast/shared/log.ts";
import { type ChargeQueue, openChargeQueue, openWebhookQueue, type WebhookQueue } from "@holdfast/shared/queues.ts";
import { openTracing, type Tracing } from "@holdfast/shared/tracing.ts";
import { addItem } from "@holdfast/testing/items.ts";
import { createPaymentWorld, type PaymentWorld } from "@holdfast/testing/payments.ts";
import { purchaseJob, purchaseRequest } from "@holdfast/testing/purchases.ts";
import { eventually } from "@holdfast/testing/world.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { QueueWorker } from "../src/open-worker.ts";
import { serveCharges } from "../src/payment/serve-charges.ts";
import { serveWebhooks } from "../src/payment/serve-webhooks.ts";
import { decidePurchase } from "../src/reserve/decide-purchase.ts";

type Exporter = NonNullable<Parameters<typeof openTracing>[1]>;
type Span = Parameters<Exporter["export"]>[0][number];

describe("the trace of a purchase", () => {
  let world: PaymentWorld;
  let charges: ChargeQueue;
  let webhooks: WebhookQueue;
  let tracing: Tracing;
  let workers: QueueWorker[];
  const spans: Span[] = [];
  const exporter: Exporter = {
    export(batch, done) {
      spans.push(...batch);
      done({ code: 0 });
    },
    shutdown: async () => {},
  };
  const log = createLog("worker", "silent");
  beforeAll(async () => {
    process.env.OTEL_BSP_SCHEDULE_DELAY = "100";
    world = await createPaymentWorld();
    charges = openChargeQueue(world);
    webhooks = openWebhookQueue(world);
    tracing = (await openTracing({ endpoint: undefined, service: "test", version: "0", log }, exporter)) as Tracing;
    const { db, redis, keys, raiseAlarm, simulator } = world;
    const parts = { db, redis, keys, raiseAlarm, charges, log, tracing, stripe: simulator.stripe };
    workers = [serveCharges(parts, 2), serveWebhooks(webhooks, parts)];
    await addItem(db, "kettle", 5);
  });
  afterAll(async () => {
    await Promise.all(workers.map((worker) => worker.close()));
    await Promise.all([charges.close(), webhooks.close(), tracing.close()]);
    await world.close();
  });

  /** Reserves an order whose request was traced. */
  const reserve = async (queue: ChargeQueue) => {
    const traceId = randomBytes(16).toString("hex");
    const trace = `00-${traceId}-${randomBytes(8).toString("hex")}-01`;
    const request = purchaseRequest({ trace });
    const { db, redis, keys } = world;
    const parts = { db, redis, keys, charges: queue, known: new Map(), log, tracing };
    await decidePurchase(parts, "{lane-0}", purchaseJob("kettle", [request]));
    return { orderId: request.orderId, traceId };
  };
  const span = async (name: string, orderId: string) => {
    let found: Span | undefined;
    await eventually(`a span ${name}`, async () => {
      found = spans.find((one) => one.name === name && one.attributes.orderId === orderId);
      return found !== undefined;
    });
    return found as Span;
  };
  const lost = { addBulk: async () => [] } as unknown as ChargeQueue;

  test("goes on in a charge that the sweeper gives out, since the job that knew it is lost", async () => {
    const { orderId, traceId } = await reserve(lost);
    const { name, data, opts } = chargeQueueEntry("charge", orderId, 1);
    await charges.add(name, data, opts);
    expect((await span("charge payment", orderId)).spanContext().traceId).toBe(traceId);
  });

  test("is found from a provider's event: what that brings about is linked to it", async () => {
    const { orderId, traceId } = await reserve(charges);
    await span("charge payment", orderId);
    await eventually("it is paid", async () => (await world.order(orderId)).status === "confirmed");
    const { payment_intent_id: paymentIntentId } = await world.order(orderId);
    const event = { eventId: "evt_1", type: "charge.refunded", paymentIntentId, orderId };
    const trace = `00-${randomBytes(16).toString("hex")}-${randomBytes(8).toString("hex")}-01`;
    await webhooks.add("webhook", { ...event, trace }, { jobId: "evt_1" });
    const asked = await span("webhook payment", orderId);
    expect(asked.spanContext().traceId).toBe((await span("provider's event", orderId)).spanContext().traceId);
    expect(asked.links.map(({ context }) => context.traceId)).toEqual([traceId]);
  });
});
