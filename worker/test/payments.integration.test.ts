import type { Serving } from "@holdfast/shared/run-process.ts";
import type { OrderBody } from "@holdfast/shared/show-order.ts";
import { createTestApi, shopperAuthorization, type TestApi } from "@holdfast/testing/api.ts";
import { addItem, booksOf } from "@holdfast/testing/items.ts";
import { startTestSimulator, type TestSimulator } from "@holdfast/testing/simulator.ts";
import { startTestWorker } from "@holdfast/testing/worker.ts";
import { createWorld, eventually, type World } from "@holdfast/testing/world.ts";
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { reconcile } from "../src/recovery/reconcile.ts";

const webhookSecret = "whsec_for_tests";

describe("an order's payment, with API, worker, queues, webhooks and provider", () => {
  let world: World;
  let simulator: TestSimulator;
  let worker: Serving;
  let api: TestApi;
  let authorization: string;
  beforeAll(async () => {
    [world, simulator] = await Promise.all([createWorld(), startTestSimulator()]);
    await addItem(world.db, "strict", 1_000);
    await addItem(world.db, "lenient", 1_000, { payment_retries: 2 });
    await addItem(world.db, "brief", 1_000, { hold_seconds: 1, payment_retries: 1 });
    api = await createTestApi(world, { STRIPE_WEBHOOK_SECRET: webhookSecret });
    const address = await api.app.listen({ host: "127.0.0.1", port: 0 });
    const webhooks = { url: `${address}/webhooks/stripe`, secret: webhookSecret, copies: 2, maxDelayMs: 100 };
    await configure({ webhooks });
    worker = await startTestWorker(world, simulator);
    authorization = await shopperAuthorization("ann");
  });
  afterAll(async () => {
    await worker.close();
    await api.close();
    await simulator.close();
    await world.close();
  });

  const put = (path: string, body: object) =>
    fetch(`${simulator.url}/_simulator/${path}`, {
      method: "PUT",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
  const configure = (settings: object) => put("settings", settings);
  const ask = (method: "GET" | "POST" | "DELETE", url: string, payload?: object) =>
    api.app.inject({ method, url, headers: { authorization }, ...(payload && { payload }) });
  const buy = async (itemId: string, paymentMethod: string) =>
    (await ask("POST", `/purchase/${itemId}`, { paymentMethod })).json<OrderBody>().id;
  const see = async (id: string) => (await ask("GET", `/orders/${id}`)).json<OrderBody>();
  const becomes = async (id: string, expected: object, timeoutMs = 15_000): Promise<OrderBody> => {
    await eventually(
      `the order is ${JSON.stringify(expected)}`,
      async () => matches(await see(id), expected),
      timeoutMs,
    );
    return see(id);
  };
  const payments = async (id: string) => (await simulator.ledger()).filter((entry) => entry.orderId === id);
  const bankAnswers = async (clientSecret: string | null, succeed: boolean) =>
    fetch(`${simulator.url}/_simulator/authenticate`, {
      method: "POST",
      body: new URLSearchParams({ client_secret: clientSecret ?? "", succeed: String(succeed) }),
    });
  const story = async (id: string) =>
    (await world.db.selectFrom("order_events").selectAll().where("order_id", "=", id).orderBy("id").execute()).map(
      (e) => e.event,
    );

  test("3-D Secure: the hold goes on, the shopper gets a client secret, and their bank's yes confirms the order", async () => {
    const id = await buy("strict", "pm_card_authenticationRequired");
    const waiting = await becomes(id, { status: "reserved", payment: { status: "requires_action" } });
    expect(waiting.payment.clientSecret).toMatch(/^pi_\w+_secret_/);
    expect(waiting.message).toContain("confirm the payment with your bank");
    await bankAnswers(waiting.payment.clientSecret, true);
    const confirmed = await becomes(id, { status: "confirmed" });
    expect(confirmed.payment).toEqual({ status: "succeeded", clientSecret: null, declineCode: null });
  });

  test("3-D Secure refused cancels the order, and the payment is canceled so that nobody can pay it later", async () => {
    const id = await buy("strict", "pm_card_authenticationRequired");
    const waiting = await becomes(id, { payment: { status: "requires_action" } });
    await bankAnswers(waiting.payment.clientSecret, false);
    await becomes(id, { status: "cancelled", reason: "payment_failed" });
    await eventually("the payment is canceled", async () => (await payments(id))[0]?.status === "canceled");
  });

  test("another card within the hold: of two at the same time one wins, and the order is confirmed with one payment", async () => {
    const id = await buy("lenient", "pm_card_chargeDeclined");
    const declined = await becomes(id, { status: "reserved", payment: { status: "declined" } });
    expect(declined.payment.declineCode).toBe("generic_decline");
    const change = () => ask("POST", `/orders/${id}/payment`, { paymentMethod: "pm_card_visa" });
    const both = await Promise.all([change(), change()]);
    expect(both.map((r) => r.statusCode).sort((a, b) => a - b)).toEqual([202, 409]);
    await becomes(id, { status: "confirmed" });
    expect((await payments(id)).map((p) => p.status)).toEqual(["succeeded"]);
    expect(await story(id)).toEqual([
      "reserved",
      "charge_started",
      "payment_declined",
      "card_changed",
      "charge_started",
      "confirmed",
    ]);
    expect((await change()).json()).toMatchObject({ status: 409, code: "payment_not_expected" });
  });

  test("another card instead of the bank's question; under an Idempotency-Key it is tried once however often it is sent", async () => {
    const id = await buy("lenient", "pm_card_authenticationRequired");
    await becomes(id, { payment: { status: "requires_action" } });
    const change = (paymentMethod: string) =>
      api.app.inject({
        method: "POST",
        url: `/orders/${id}/payment`,
        headers: { authorization, "idempotency-key": "another-card" },
        payload: { paymentMethod },
      });
    const both = await Promise.all([change("pm_card_visa"), change("pm_card_visa")]);
    expect(both.map((r) => r.statusCode)).toEqual([202, 202]);
    await becomes(id, { status: "confirmed" });
    expect((await change("pm_card_visa")).json()).toMatchObject({ id, status: "confirmed" });
    expect((await change("pm_card_amex")).json()).toMatchObject({ status: 422, code: "idempotency_key_reused" });
    expect((await payments(id)).map((p) => p.status)).toEqual(["succeeded"]);
    expect((await story(id)).filter((event) => event === "card_changed")).toHaveLength(1);
  });

  test("no more cards than the item allows", async () => {
    const id = await buy("lenient", "pm_card_chargeDeclined");
    for (const card of ["pm_card_chargeDeclined", "pm_card_chargeDeclinedExpiredCard"]) {
      await becomes(id, { payment: { status: "declined" } });
      expect((await ask("POST", `/orders/${id}/payment`, { paymentMethod: card })).statusCode).toBe(202);
    }
    expect(await becomes(id, { status: "cancelled" })).toMatchObject({
      reason: "payment_failed",
      payment: { declineCode: "expired_card" },
    });
  });

  test("where no retry is allowed, another card is refused, and for somebody else's order it is 404", async () => {
    const id = await buy("strict", "pm_card_authenticationRequired");
    await becomes(id, { payment: { status: "requires_action" } });
    const refused = await ask("POST", `/orders/${id}/payment`, { paymentMethod: "pm_card_visa" });
    expect(refused.json()).toMatchObject({ status: 409, code: "payment_not_expected" });
    const eve = await shopperAuthorization("eve");
    for (const method of ["POST", "DELETE"] as const) {
      const url = method === "POST" ? `/orders/${id}/payment` : `/orders/${id}`;
      const payload = { paymentMethod: "pm_card_visa" };
      const response = await api.app.inject({
        method,
        url,
        headers: { authorization: eve },
        ...(method === "POST" && { payload }),
      });
      expect(response.json()).toMatchObject({ status: 404, code: "order_not_found" });
    }
    expect((await ask("DELETE", `/orders/${id}`)).statusCode).toBe(200);
  });

  test("the shopper's cancel: held and unpaid, the payment is canceled first and the units come back", async () => {
    const before = await booksOf(world.db, "strict");
    const id = await buy("strict", "pm_card_authenticationRequired");
    await becomes(id, { payment: { status: "requires_action" } });
    const response = await ask("DELETE", `/orders/${id}`);
    expect(response.json()).toMatchObject({ status: "cancelled", reason: "by_shopper", message: "Cancelled" });
    expect((await payments(id)).map((p) => p.status)).toEqual(["canceled"]);
    expect(await booksOf(world.db, "strict")).toMatchObject({
      inventory: before.inventory,
      reserved: before.reserved,
      balanced: true,
    });
    expect((await ask("DELETE", `/orders/${id}`)).statusCode).toBe(200);
  });

  test("the shopper's cancel: a confirmed order stays, 409", async () => {
    const id = await buy("strict", "pm_card_visa");
    await becomes(id, { status: "confirmed" });
    expect((await ask("DELETE", `/orders/${id}`)).json()).toMatchObject({ status: 409, code: "order_settled" });
  });

  test("the shopper's cancel: a charge in flight settles first", async () => {
    await put("faults", [{ fault: "latency", ms: 1_500, path: "/v1/payment_intents", method: "POST", times: 1 }]);
    const id = await buy("strict", "pm_card_visa");
    await eventually("the charge is under way", async () => (await story(id)).includes("charge_started"));
    expect((await ask("DELETE", `/orders/${id}`)).json()).toMatchObject({ status: 409, code: "payment_in_progress" });
    await becomes(id, { status: "confirmed" });
  });

  test("a hold that ends has its payment canceled first, and then the units come back", async () => {
    const before = await booksOf(world.db, "brief");
    const id = await buy("brief", "pm_card_authenticationRequired");
    await becomes(id, { status: "cancelled", reason: "hold_expired" }, 30_000);
    expect((await payments(id)).map((p) => p.status)).toEqual(["canceled"]);
    expect(await booksOf(world.db, "brief")).toMatchObject({
      inventory: before.inventory,
      reserved: 0,
      balanced: true,
    });
  });

  test("a hold has no end before the provider has said anything about the payment", async () => {
    await put("faults", [{ fault: "latency", ms: 1_500, path: "/v1/payment_intents", method: "POST", times: 1 }]);
    const id = await buy("brief", "pm_card_authenticationRequired");
    const reserved = await becomes(id, { status: "reserved", payment: { status: "pending" } });
    expect(reserved.holdExpiresAt).toBeNull();
    const waiting = await becomes(id, { payment: { status: "requires_action" } });
    expect(Date.parse(waiting.holdExpiresAt ?? "")).toBeGreaterThan(Date.parse(waiting.reservedAt ?? "") + 2_000);
    await becomes(id, { status: "cancelled", reason: "hold_expired" }, 30_000);
  });

  test("a refund made at the provider is seen by the shopper within seconds of its event", async () => {
    const id = await buy("strict", "pm_card_visa");
    await becomes(id, { status: "confirmed" });
    const [payment] = await payments(id);
    await simulator.refundOutside({ payment_intent: payment?.id ?? "" });
    expect(await becomes(id, { status: "refunded" })).toMatchObject({
      message: "Refunded",
      payment: { status: "refunded" },
    });
    expect(await booksOf(world.db, "strict")).toMatchObject({ balanced: true });
  });

  test("a payment that succeeds after the order was cancelled is refunded at once, and the shopper reads why", async () => {
    const id = await buy("strict", "pm_card_authenticationRequired");
    const waiting = await becomes(id, { payment: { status: "requires_action" } });
    // The order is over for us, but the payment was not canceled: as a lost answer would leave it.
    await world.db.transaction().execute(async (trx) => {
      const change = {
        status: "cancelled",
        reason: "hold_expired",
        payment_status: null,
        settled_at: new Date(),
        payment_due_at: null,
      } as const;
      await trx.updateTable("orders").set(change).where("id", "=", id).execute();
      await sql`update items set inventory = inventory + 1 where id = 'strict'`.execute(trx);
    });
    await bankAnswers(waiting.payment.clientSecret, true);
    const refunded = await becomes(id, { payment: { status: "refunded" } }, 20_000);
    expect(refunded).toMatchObject({ status: "cancelled", message: expect.stringContaining("refunded") });
    expect(await payments(id)).toMatchObject([{ amountReceived: 1_999, amountRefunded: 1_999 }]);
  });

  test.each(["error_after", "reset_after", "error_before", "reset_before", "rate_limited"])(
    "an answer that got lost (%s) never charges twice and never releases the unit: the order is confirmed in the end",
    async (fault) => {
      await put("faults", [{ fault, path: "/v1/payment_intents", method: "POST", times: 1 }]);
      const id = await buy("strict", "pm_card_visa");
      await becomes(id, { status: "confirmed" }, 30_000);
      expect((await payments(id)).filter((p) => p.amountReceived > 0)).toHaveLength(1);
    },
  );

  test("no client secret and no card is ever in Postgres", async () => {
    const dump = JSON.stringify(
      await Promise.all([
        world.db.selectFrom("orders").selectAll().execute(),
        world.db.selectFrom("order_events").selectAll().execute(),
        world.db.selectFrom("webhook_events").selectAll().execute(),
      ]),
    );
    expect(dump).toContain("pm_card_visa");
    expect(dump).not.toMatch(/_secret_|4242424242424242/); // four digits alone are in many an id;
  });

  test("Postgres and the provider agree; a payment that was slipped in is found, and nothing is repaired", async () => {
    await eventually("everything is settled", async () => {
      const { rows } = await sql<{ n: number }>`select count(*) as n from orders where status = 'reserved'`.execute(
        world.db,
      );
      return rows[0]?.n === 0;
    });
    const window = { fromMs: Date.now() - 3_600_000, toMs: Date.now() + 60_000 };
    const before = await reconcile(world.db, simulator.stripe, window);
    expect(before.differences).toEqual([]);
    expect(before.payments).toBeGreaterThan(10);
    const cancelled = await world.db
      .selectFrom("orders")
      .select("id")
      .where("status", "=", "cancelled")
      .executeTakeFirstOrThrow();
    const slippedIn = await simulator.stripe.paymentIntents.create({
      amount: 1_999,
      currency: "eur",
      payment_method: "pm_card_visa",
      confirm: true,
      metadata: { orderId: cancelled.id },
    });
    const { differences } = await reconcile(world.db, simulator.stripe, window);
    expect(differences).toMatchObject([
      { problem: "paid, but the order is not confirmed", orderId: cancelled.id, paymentIntentId: slippedIn.id },
    ]);
  });
});

function matches(order: object, expected: object): boolean {
  return Object.entries(expected).every(([key, value]) => {
    const actual = (order as Record<string, unknown>)[key];
    return typeof value === "object" && value !== null ? matches(actual as object, value) : actual === value;
  });
}
