import { openChargeQueue, openWebhookQueue } from "@holdfast/shared/queues.ts";
import type { WebhookJob } from "@holdfast/shared/webhook-job.ts";
import { createTestApi } from "@holdfast/testing/api.ts";
import { addItem } from "@holdfast/testing/items.ts";
import { purchaseJob, purchaseRequest } from "@holdfast/testing/purchases.ts";
import { createWorld, type World } from "@holdfast/testing/world.ts";
import Stripe from "stripe";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { processWebhook } from "../src/payment/process-webhook.ts";
import { reserveOrders } from "../src/reserve/reserve-orders.ts";

describe("an event of the payment provider", () => {
  let world: World;
  let charges: ReturnType<typeof openChargeQueue>;
  let orderId: string;
  let paymentIntentId: string;
  beforeAll(async () => {
    world = await createWorld();
    charges = openChargeQueue(world);
    await addItem(world.db, "item_1", 100);
  });
  afterAll(async () => {
    await charges.close();
    await world.close();
  });
  beforeEach(async () => {
    const request = purchaseRequest();
    await reserveOrders(world.db, purchaseJob("item_1", [request]), new AbortController().signal);
    orderId = request.orderId;
    paymentIntentId = `pi_${orderId.slice(0, 8)}`;
  });
  const event = (eventId: string, more: Partial<WebhookJob> = {}): WebhookJob => ({
    eventId,
    type: "payment_intent.succeeded",
    paymentIntentId,
    orderId,
    ...more,
  });
  const asked = async () => (await charges.getJobs()).filter((job) => job.data.orderId === orderId);

  test("has the provider asked what the payment is now, and settles nothing by itself", async () => {
    expect(await processWebhook(world.db, charges, event("evt_1"))).toBe("asked");
    expect((await asked()).map((job) => job.data)).toEqual([{ orderId }]);
    const rows = await world.db.selectFrom("unmatched_payments").selectAll().where("order_id", "=", orderId).execute();
    expect(rows).toMatchObject([{ payment_intent_id: paymentIntentId, next_step: "ask", outcome: null }]);
    const order = await world.db.selectFrom("orders").select("status").where("id", "=", orderId).executeTakeFirst();
    expect(order?.status).toBe("reserved");
  });

  test("counts as processed only once Postgres knows what is to be asked about", async () => {
    const broken = { add: () => Promise.reject(new Error("Redis is gone")) } as unknown as typeof charges;
    await expect(processWebhook(world.db, broken, event("evt_6"))).rejects.toThrow("Redis is gone");
    const rows = await world.db.selectFrom("unmatched_payments").selectAll().where("order_id", "=", orderId).execute();
    expect(rows).toMatchObject([{ payment_intent_id: paymentIntentId, outcome: null }]); // the sweeper goes on
    expect(await processWebhook(world.db, charges, event("evt_6"))).toBe("seen_before");
  });

  test("that comes while the answer to a charge is on its way is looked at a moment later, and not at all if that settles it", async () => {
    const sent = { payment_started_at: new Date() };
    await world.db.updateTable("orders").set(sent).where("id", "=", orderId).execute();
    expect(await processWebhook(world.db, charges, event("evt_7"))).toBe("asked");
    const [job] = await asked();
    expect(job?.opts.delay).toBeGreaterThan(1_000);
  });

  test("that comes again is processed no more, however late, and whatever it says by then", async () => {
    expect(await processWebhook(world.db, charges, event("evt_2"))).toBe("asked");
    for (const job of await asked()) await job.remove(); // done, and forgotten by the queue
    const later = [event("evt_2"), event("evt_2", { type: "charge.refunded", paymentIntentId: "pi_other" })];
    for (const again of later) expect(await processWebhook(world.db, charges, again)).toBe("seen_before");
    expect(await asked()).toEqual([]);
  });

  test("that is replayed as it was signed, within its five minutes and after its job is done, leads to nothing more", async () => {
    const secret = "whsec_for_tests";
    const api = await createTestApi(world, { STRIPE_WEBHOOK_SECRET: secret });
    const queue = openWebhookQueue(world);
    const object = { object: "payment_intent", id: paymentIntentId, metadata: { orderId } };
    const payload = JSON.stringify({
      id: "evt_3",
      object: "event",
      type: "payment_intent.succeeded",
      data: { object },
    });
    const captured = Stripe.webhooks.generateTestHeaderString({ payload, secret });
    const outcomes = [];
    for (let i = 0; i < 3; i++) {
      const headers = { "content-type": "application/json", "stripe-signature": captured };
      const response = await api.app.inject({ method: "POST", url: "/webhooks/stripe", headers, payload });
      expect(response.statusCode).toBe(200);
      for (const job of await queue.getJobs()) {
        outcomes.push(await processWebhook(world.db, charges, job.data));
        await job.remove();
      }
    }
    expect(outcomes).toEqual(["asked", "seen_before", "seen_before"]);
    expect(await asked()).toHaveLength(1);
    await queue.close();
    await api.close();
  });

  test("for an order that is not ours leads to nothing", async () => {
    const foreign = event("evt_4", { orderId: "018f0000-0000-7000-8000-000000000000" });
    expect(await processWebhook(world.db, charges, foreign)).toBe("not_ours");
    expect(await processWebhook(world.db, charges, event("evt_5", { orderId: null }))).toBe("not_ours");
    expect(await asked()).toEqual([]);
  });
});
