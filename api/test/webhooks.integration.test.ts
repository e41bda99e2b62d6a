import { openWebhookQueue } from "@holdfast/shared/queues.ts";
import { createTestApi, type TestApi } from "@holdfast/testing/api.ts";
import { createWorld, type World } from "@holdfast/testing/world.ts";
import Stripe from "stripe";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const secret = "whsec_for_tests";
const orderId = "018f0000-0000-7000-8000-000000000000";
const event = (id: string, object: object = { object: "payment_intent", id: "pi_1", metadata: { orderId } }) =>
  JSON.stringify({ id, object: "event", type: "payment_intent.succeeded", data: { object } });

describe("POST /webhooks/stripe", () => {
  let world: World;
  let api: TestApi;
  beforeAll(async () => {
    world = await createWorld();
    api = await createTestApi(world, { STRIPE_WEBHOOK_SECRET: secret });
  });
  afterAll(async () => {
    await api.close();
    await world.close();
  });
  const sign = (payload: string, options: { secret?: string; timestamp?: number } = {}) =>
    Stripe.webhooks.generateTestHeaderString({ payload, secret, ...options });
  const send = (payload: string, signature?: string, type = "application/json; charset=utf-8") =>
    api.app.inject({
      method: "POST",
      url: "/webhooks/stripe",
      headers: { "content-type": type, ...(signature !== undefined && { "stripe-signature": signature }) },
      payload,
    });
  const queued = async () => {
    const queue = openWebhookQueue(world);
    const jobs = await queue.getJobs(["waiting", "prioritized", "delayed"]);
    await queue.close();
    return jobs.map((job) => job.data);
  };

  test("a signed event is queued before 200 is sent, with ids alone", async () => {
    const payload = event("evt_1");
    const response = await send(payload, sign(payload));
    expect(response.statusCode).toBe(200);
    expect(await queued()).toContainEqual({
      eventId: "evt_1",
      type: "payment_intent.succeeded",
      paymentIntentId: "pi_1",
      orderId,
    });
  });

  test("a charge's event leads to its payment", async () => {
    const payload = event("evt_charge", {
      object: "charge",
      id: "ch_1",
      payment_intent: "pi_7",
      metadata: { orderId },
    });
    await send(payload, sign(payload));
    expect(await queued()).toContainEqual(expect.objectContaining({ eventId: "evt_charge", paymentIntentId: "pi_7" }));
  });

  test("the same event ten times is one job", async () => {
    const payload = event("evt_ten");
    const answers = await Promise.all(Array.from({ length: 10 }, () => send(payload, sign(payload))));
    expect(answers.map((a) => a.statusCode)).toEqual(Array.from({ length: 10 }, () => 200));
    expect((await queued()).filter((job) => job.eventId === "evt_ten")).toHaveLength(1);
  });

  test.each([
    ["null", "null"],
    ["no object", JSON.stringify({ id: "evt_a", type: "payment_intent.succeeded", data: {} })],
    ["no event's id", event("a:b")],
    ["a list", "[1]"],
  ])("a body that is signed but no event is refused: %s", async (_what, payload) => {
    const response = await send(payload, sign(payload));
    expect(response.json()).toMatchObject({ status: 400, code: "invalid_request" });
  });

  test("an event for somebody else's payment is taken and leads nowhere", async () => {
    const payload = event("evt_foreign", {
      object: "payment_intent",
      id: "pi_9",
      metadata: { orderId: "'; drop table orders" },
    });
    expect((await send(payload, sign(payload))).statusCode).toBe(200);
    expect(await queued()).toContainEqual(expect.objectContaining({ eventId: "evt_foreign", orderId: null }));
  });

  test.each<[string, (payload: string) => string | undefined]>([
    ["no signature", () => undefined],
    ["nonsense", () => "t=1,v1=abc"],
    ["another secret", (payload) => sign(payload, { secret: "whsec_another" })],
    ["a signature for another body", () => sign(event("evt_other"))],
    ["a signature of ten minutes ago", (payload) => sign(payload, { timestamp: Math.floor(Date.now() / 1000) - 600 })],
  ])("%s is refused, and nothing is queued", async (_name, signature) => {
    const payload = event("evt_forged");
    const response = await send(payload, signature(payload));
    expect(response.json()).toMatchObject({ status: 400, code: "invalid_request" });
    expect((await queued()).map((job) => job.eventId)).not.toContain("evt_forged");
  });

  test.each([
    "{}",
    "null",
    "[]",
    "7",
    '{"id":"evt_1"}',
    '{"id":"evt_1","type":"payment_intent.succeeded","data":{}}',
    '{"id":7,"type":"payment_intent.succeeded","data":{"object":{}}}',
    '{"id":"evt:1:2:3","type":"payment_intent.succeeded","data":{"object":{}}}',
    '{"id":"evt_\\u0000","type":"payment_intent.succeeded","data":{"object":{}}}',
  ])("what is signed and no event is refused, never a 500: %s", async (payload) => {
    expect((await send(payload, sign(payload))).json()).toMatchObject({ status: 400, code: "invalid_request" });
  });

  test.each([
    '{"id":"evt_odd_2","type":"x","data":{"object":{"object":"payment_intent","id":{},"metadata":7}}}',
    '{"id":"evt_odd_3","type":"x","data":{"object":{"payment_intent":["pi"],"metadata":{"orderId":["a"]}}}}',
    '{"id":"evt_odd_4","type":"x","data":{"object":{"metadata":null}}}',
  ])("an event of an object we do not know leads nowhere: %s", async (payload) => {
    expect((await send(payload, sign(payload))).statusCode).toBe(200);
    const job = (await queued()).find(({ eventId }) => payload.includes(`"${eventId}"`));
    expect(job).toMatchObject({ paymentIntentId: null, orderId: null });
  });

  test("a body that was touched on the way is refused", async () => {
    const payload = event("evt_touched");
    expect((await send(`${payload} `, sign(payload))).statusCode).toBe(400);
    expect((await send("", sign(""))).statusCode).toBe(400);
  });

  test("other routes still take JSON and nothing else", async () => {
    const text = await api.app.inject({
      method: "POST",
      url: "/purchase/x",
      headers: { "content-type": "text/plain" },
      payload: "x",
    });
    expect([401, 415]).toContain(text.statusCode);
  });

  test("without the secret there is no webhook", async () => {
    const closed = await createTestApi(world);
    const payload = event("evt_2");
    const response = await closed.app.inject({
      method: "POST",
      url: "/webhooks/stripe",
      headers: { "content-type": "application/json", "stripe-signature": sign(payload) },
      payload,
    });
    expect(response.statusCode).toBe(404);
    await closed.close();
  });
});
