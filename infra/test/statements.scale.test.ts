import { randomUUID } from "node:crypto";
import { cancelOrder, payWithAnotherCard } from "@holdfast/api/orders/change-order.ts";
import { listOrders, orderReader } from "@holdfast/api/orders/order-reader.ts";
import { type Database, requirePostgres } from "@holdfast/shared/database.ts";
import { createLog } from "@holdfast/shared/log.ts";
import { type ChargeQueue, type LaneQueue, openChargeQueue, openLanes } from "@holdfast/shared/queues.ts";
import { watchGenerationOnce } from "@holdfast/shared/watch-generation.ts";
import { createTestApi, opsAuthorization, shopperAuthorization, type TestApi } from "@holdfast/testing/api.ts";
import {
  distinct,
  explainByOldStatistics,
  explainBySample,
  explainWithout,
  offending,
  statementTable,
} from "@holdfast/testing/bounded-statements.ts";
import { type Execution, explainDatabase, growingTables } from "@holdfast/testing/explain-database.ts";
import { addItem } from "@holdfast/testing/items.ts";
import { fillLargeDatabase, largeDatabase } from "@holdfast/testing/large-database.ts";
import { hintOf } from "@holdfast/testing/payments.ts";
import { orderInLine, purchaseJob, purchaseRequest } from "@holdfast/testing/purchases.ts";
import { emptyRedis } from "@holdfast/testing/redis-states.ts";
import { startTestSimulator, type TestSimulator } from "@holdfast/testing/simulator.ts";
import { createWorld, eventually, type World } from "@holdfast/testing/world.ts";
import { forgetOldEvents } from "@holdfast/worker/payment/forget-events.ts";
import { processWebhook } from "@holdfast/worker/payment/process-webhook.ts";
import { settlePayment } from "@holdfast/worker/payment/settle-payment.ts";
import { archiveOrders, closeForGood } from "@holdfast/worker/recovery/archive-orders.ts";
import { cancelLostOrders } from "@holdfast/worker/recovery/cancel-lost-orders.ts";
import { checkBooks, recountBooks } from "@holdfast/worker/recovery/check-books.ts";
import { findWithoutJob } from "@holdfast/worker/recovery/find-lost-orders.ts";
import { reconcile } from "@holdfast/worker/recovery/reconcile.ts";
import { reconcileNights } from "@holdfast/worker/recovery/reconcile-nights.ts";
import { generationRecovery } from "@holdfast/worker/recovery/recover-generation.ts";
import { sweepOnce } from "@holdfast/worker/recovery/sweep.ts";
import { watchAges } from "@holdfast/worker/recovery/watch-ages.ts";
import { refuseOrders } from "@holdfast/worker/reserve/refuse-orders.ts";
import { reserveOrders } from "@holdfast/worker/reserve/reserve-orders.ts";
import { claimEvents } from "@holdfast/worker/shop-webhooks/claim-events.ts";
import { finishEvent, putOffEvent } from "@holdfast/worker/shop-webhooks/finish-event.ts";
import {
  forgetEvents,
  noteDelivering,
  noteUnserved,
  watchLateEvents,
} from "@holdfast/worker/shop-webhooks/keep-events.ts";
import { listDeliveries, replayEvents } from "@holdfast/worker/shop-webhooks/replay-events.ts";
import { sql } from "kysely";
import pg from "pg";
import type Stripe from "stripe";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ProviderEvent } from "../stripe-simulator/provider.ts";

const { bigItemId, heavyShopperId } = largeDatabase;
const limitedItemId = "item_02";
const overItemId = "item_03";
const hourMs = 3_600_000;
const signal = new AbortController().signal;

describe("with two million orders in Postgres", () => {
  let world: World;
  /** Tells of what it is asked; the test's own questions go to `world.db`. */
  let db: Database;
  let simulator: TestSimulator;
  let api: TestApi;
  let charges: ChargeQueue;
  let lanes: LaneQueue[];
  /** What every statement did, by the area it was seen in. */
  const seen = new Map<string, Execution[]>();
  let executions: Execution[] = [];
  const alarms: string[] = [];
  const raiseAlarm = (name: string) => void alarms.push(name);

  beforeAll(async () => {
    world = await createWorld();
    await fillLargeDatabase(world.databaseUrl);
    db = explainDatabase(world.databaseUrl, (execution) => executions.push(execution));
    await addItem(world.db, "item_pay", 1_000, { payment_retries: 1 });
    simulator = await startTestSimulator();
    charges = openChargeQueue(world);
    lanes = openLanes(world, 4);
  }, 900_000);
  afterAll(async () => {
    process.stdout.write(`\n${statementTable(seen)}\n`);
    await Promise.all([charges, ...lanes].map((queue) => queue.close()));
    await Promise.all([api?.close(), simulator.close()]);
    await db.destroy();
    await world.close();
  });

  /** Does the work, and returns the statements that it took. */
  const statementsOf = async (area: string, work: () => Promise<unknown>): Promise<readonly Execution[]> => {
    executions = [];
    await work();
    seen.set(area, executions);
    expect(executions).not.toEqual([]);
    return executions;
  };
  const parts = () => ({
    db,
    redis: world.redis,
    keys: world.keys,
    charges,
    stripe: simulator.stripe,
    lanes,
    raiseAlarm,
    alarm: raiseAlarm,
    log: createLog("test", "silent"),
  });
  /** Every statement so far but those of the recount and a whole batch for the archive: not recurring. */
  const large = ["recount", "archived"];
  const bounded = () => distinct([...seen].flatMap(([area, statements]) => (large.includes(area) ? [] : statements)));
  const settle = (orderId: string) => settlePayment(parts(), orderId);
  const reserve = async (paymentMethod = "pm_card_visa", shopperId = "ann") => {
    const request = purchaseRequest({ card: paymentMethod, shopperId });
    await reserveOrders(db, purchaseJob("item_pay", [request]), signal);
    return request.orderId;
  };
  /** Time goes by for one order. */
  const letTimePass = async (orderId: string, ms: number) => {
    const by = sql`${ms} * interval '1 millisecond'`;
    await sql`update orders set payment_due_at = payment_due_at - ${by}, payment_started_at = payment_started_at - ${by},
      hold_expires_at = hold_expires_at - ${by} where id = ${orderId}`.execute(world.db);
    await sql`update unmatched_payments set due_at = due_at - ${by}, sent_at = sent_at - ${by} where order_id = ${orderId}`.execute(
      world.db,
    );
  };
  const hear = (event: ProviderEvent) => processWebhook(db, charges, hintOf(event));

  test("a process that starts reads no order, whatever tables are empty", async () => {
    const statements = await statementsOf("start", async () => {
      await world.db.deleteFrom("reconciliations").execute();
      await requirePostgres(db);
    });
    expect(offending(statements)).toEqual([]);
  });

  test("a sweep reads no more than it gives out, of each kind", async () => {
    const statements = await statementsOf("sweep", async () => {
      // As in serve-sweeps.ts, but with more charges: as if the provider's limit were a hundred a
      // second.
      expect(await sweepOnce(parts(), { unsent: 500, asked: 200 })).toBe(700);
      await watchAges(db, raiseAlarm);
      await checkBooks(db, raiseAlarm);
      await forgetOldEvents(db);
    });
    expect(alarms).toEqual(["payment_unknown_too_long", "payment_unmatched_too_long"]);
    expect(offending(statements)).toEqual([]);
  });

  test("settling an order's payment reads that order's rows, at every stage", async () => {
    const statements = await statementsOf("payment", async () => {
      const orders = {
        paid: await reserve(),
        declined: await reserve("pm_card_chargeDeclined"),
        threeDSecure: await reserve("pm_card_authenticationRequired"),
      };
      for (const orderId of Object.values(orders)) await settle(orderId);
      await payWithAnotherCard({ ...parts(), laneCount: 4 }, "ann", orders.declined, "pm_card_chargeDeclined", "key");
      await settle(orders.declined); // its last try: it is cancelled, and so is its payment
      await settle(orders.declined);
      await letTimePass(orders.threeDSecure, hourMs);
      await settle(orders.threeDSecure); // its hold is over

      // A charge without an answer, which is repeated; and one whose key is not remembered any
      // more.
      for (const ageMs of [hourMs, 21 * hourMs]) {
        await simulator.script([{ fault: "reset_before", method: "POST", path: "/v1/payment_intents", times: 3 }]);
        const unanswered = await reserve();
        await settle(unanswered);
        await simulator.script([]);
        await letTimePass(unanswered, ageMs);
        await settle(unanswered);
        await letTimePass(unanswered, hourMs);
        await settle(unanswered);
      }

      // Money that comes for a cancelled order is refunded; a refund made at the provider is noted.
      await simulator.stripe.paymentIntents.create({
        amount: 1_999,
        currency: "eur",
        payment_method: "pm_card_visa",
        confirm: true,
        automatic_payment_methods: { enabled: true, allow_redirects: "never" },
        metadata: { orderId: orders.declined, itemId: "item_pay", attempt: "1" },
      });
      const paid = (await simulator.ledger()).find((payment) => payment.orderId === orders.paid);
      await simulator.refundOutside({ payment_intent: paid?.id ?? "" });
      for (const event of await simulator.events()) await hear(event);
      await settle(orders.declined);
      await settle(orders.paid);
      const ends = await sql<{ payment_status: string }>`
        select payment_status from orders where id in (${orders.declined}, ${orders.paid})`.execute(world.db);
      expect(ends.rows).toEqual([{ payment_status: "refunded" }, { payment_status: "refunded" }]);
    });
    expect(offending(statements)).toEqual([]);
  });

  test("an event of the provider reads the order it is about, named or not, known or not", async () => {
    const { rows } = await sql<{ id: string }>`
      select payment_intent_id as id from orders where status = 'confirmed' limit 1`.execute(world.db);
    const paid = rows[0]?.id ?? "";
    const statements = await statementsOf("webhook", async () => {
      const event = (id: string, paymentIntentId: string) =>
        processWebhook(db, charges, {
          eventId: `evt_new_${id}`,
          type: "charge.refunded",
          paymentIntentId,
          orderId: null,
        });
      expect(await event("1", paid)).toBe("asked");
      expect(await event("1", paid)).toBe("seen_before");
      expect(await event("2", "pi_other_5")).toBe("nothing_new");
      expect(await event("3", "pi_of_somebody_else")).toBe("not_ours");
    });
    expect(offending(statements)).toEqual([]);
  });

  test("a batch of 500 purchases reads its own orders, and its shoppers' where the item has a limit per shopper", async () => {
    const statements = await statementsOf("reserve", async () => {
      for (const itemId of [bigItemId, limitedItemId]) {
        const shopperIds = [heavyShopperId, ...Array.from({ length: 499 }, (_, n) => `shopper-${n}`)];
        const job = purchaseJob(
          itemId,
          shopperIds.map((shopperId) => purchaseRequest({ shopperId })),
        );
        const first = await reserveOrders(db, job, signal);
        expect((await reserveOrders(db, job, signal)).orders).toHaveLength(first.orders.length); // a repeat
      }
      const refused = { request: purchaseRequest(), why: "a test" };
      await refuseOrders(parts(), "{lane-0}", purchaseJob(bigItemId, [refused.request]), [refused]);
    });
    expect(offending(statements)).toEqual([]);
  });

  test("a delivery to the shop reads the events that are due, and those before and after them", async () => {
    const statements = await statementsOf("shop", async () => {
      await noteDelivering(db);
      await noteUnserved(db, () => {});
      const claimed = await claimAll();
      expect(claimed.length).toBeGreaterThan(100);
      for (const event of claimed.slice(0, 20)) {
        if (event.tries % 2 === 0) await putOffEvent(db, event, "HTTP 500", 1_000);
        else await finishEvent(db, event, "delivered", null);
      }
      while (await forgetEvents(db, () => {}));
      await watchLateEvents(db, () => {});
      await listDeliveries(db);
      const [first] = claimed;
      expect(await replayEvents(db, { event: first?.id ?? "" })).toBe(1);
      const { rows } = await sql<{ id: string }>`
        select substr(subject, 7) as id from shop_events where outcome = 'delivered' limit 1`.execute(world.db);
      expect(await replayEvents(db, { order: rows[0]?.id ?? "" })).toBe(2);
      expect(await replayEvents(db, { dead: true })).toBeGreaterThan(1_000); // two pages
    });
    expect(offending(statements)).toEqual([]);
  });
  /** All that is due, and what waits behind it put off. */
  const claimAll = async () => {
    const all = [];
    for (;;) {
      const { events, more } = await claimEvents(db, { events: 10, retries: 10 });
      all.push(...events);
      if (!more) return all;
    }
  };

  test("reconciliation reads the orders of its window and of the provider's page", async () => {
    const statements = await statementsOf("reconcile", async () => {
      const toMs = Date.now() - 30 * 24 * hourMs;
      const { orders, payments } = await reconcile(db, await providerOf(world.db), { fromMs: toMs - 6 * hourMs, toMs });
      expect(payments).toBe(101); // and one refunded in the window
      expect(orders).toBeGreaterThan(1_000); // two pages
      await reconcileNights({ ...parts(), stripe: await providerOf(world.db) });
    });
    expect(offending(statements)).toEqual([]);
  });

  test("recovery from a loss of Redis reads what is held, what was decided within a day, and what Redis has views of", async () => {
    const { signal } = new AbortController();
    const recover = generationRecovery({ ...parts(), signal, setUpQueues: async () => {} });
    const watch = { ...parts(), recover, lacksSome: null };
    const inLine = (shopperId: string) =>
      orderInLine({ shopperId, itemId: bigItemId, placedAtMs: Date.now() - hourMs });
    // While a backup runs, say: what is changed leaves its old rows behind in every index.
    const snapshot = new pg.Client({ connectionString: world.databaseUrl });
    await snapshot.connect();
    await snapshot.query("begin isolation level repeatable read; select 1 from orders limit 1");
    const statements = await statementsOf("recovery", async () => {
      expect(await watchGenerationOnce(watch)).toBe("begin");
      expect(await watchGenerationOnce(watch)).toBe("recover");
      expect(await watchGenerationOnce(watch)).toBe("sound");
      await emptyRedis(world);
      expect(await watchGenerationOnce(watch)).toBe("emptied");
      expect(await watchGenerationOnce(watch)).toBe("recover");
      expect(await watchGenerationOnce(watch)).toBe("sound");
      // What watchLanes does about orders without a job.
      const lost = Array.from({ length: 1_000 }, () => inLine("crowd"));
      expect(await findWithoutJob(lanes, new Map(lost.map((order) => [order.id, order])), signal)).toHaveLength(
        lost.length,
      );
      expect(await cancelLostOrders({ ...parts(), signal }, lost)).toBe(lost.length);
    });
    await snapshot.end();
    const { rows } = await sql<{ late: number }>`
      select count(*) as late from orders where status = 'reserved' and payment_due_at > now()`.execute(world.db);
    expect(rows).toEqual([{ late: 0 }]);
    expect(offending(statements)).toEqual([]);
  });

  test("what shoppers and operations ask for reads what they are shown", async () => {
    const others = await sql<{ id: string }>`select id from orders tablesample system (1) limit 1000`.execute(world.db);
    const statements = await statementsOf("api", async () => {
      api = await createTestApi({ ...world, db });
      const headers = { authorization: await shopperAuthorization("ann") };
      const ops = { authorization: opsAuthorization };
      const reader = { ...parts(), laneCount: 4 };
      const ask = async (status: number, url: string, more: object = {}) => {
        const answer = await api.app.inject({ url, headers, ...more });
        expect([url, answer.statusCode, answer.body]).toEqual([url, status, expect.anything()]);
        return answer;
      };
      await ask(200, "/items");
      await ask(404, "/items/unknown");
      await ask(200, "/readyz");
      await ask(404, `/orders/${randomUUID()}`);
      // Orders that Redis has no view of: all of the moment are asked for at once.
      const read = orderReader(reader);
      await Promise.all(others.rows.map(({ id }) => read("ann", id)));
      expect((await listOrders(reader, heavyShopperId, 100, null)).orders).toHaveLength(100);
      await ask(200, "/orders");

      const declined = await reserve("pm_card_chargeDeclined");
      await settle(declined);
      await ask(202, `/orders/${declined}/payment`, { method: "POST", payload: { paymentMethod: "pm_card_visa" } });
      const held = await reserve();
      const waiting = cancelOrder({ ...reader, decisionWaitMs: 8_000 }, "ann", held);
      await eventually("its cancellation is asked for", async () => {
        const { rows } = await sql<{ asked: boolean }>`
          select release_reason is not null as asked from orders where id = ${held}`.execute(world.db);
        return rows[0]?.asked === true;
      });
      await settle(held);
      expect(await waiting).toMatchObject({ status: "cancelled" });
      const purchase = { method: "POST", payload: { paymentMethod: "pm_card_visa" } };
      const { id } = (await ask(202, `/purchase/${bigItemId}`, purchase)).json<{ id: string }>();
      await ask(200, `/orders/${id}`, { method: "DELETE" });

      await ask(200, `/ops/api/items/${bigItemId}/books`, { headers: ops });
      await ask(200, `/ops/api/items/${bigItemId}`, { method: "PATCH", headers: ops, payload: { price: 2_499 } });
      await ask(200, `/ops/api/orders?item=${bigItemId}&status=confirmed&limit=50`, { headers: ops });
      await ask(200, `/ops/api/orders/${id}`, { headers: ops });
      await ask(200, `/ops/api/items/${bigItemId}/restock`, { method: "POST", headers: ops, payload: { units: 5 } });
      await ask(200, `/ops/api/orders?shopper=${heavyShopperId}`, { headers: ops });
      const settled = await sql<{ id: string }>`
        select shopper_id as id from archived_orders a where shopper_id <> ${heavyShopperId}
          and not exists (select from orders where shopper_id = a.shopper_id and status = 'reserved') limit 1`.execute(
        world.db,
      );
      const shopper = `/ops/api/shoppers/${settled.rows[0]?.id}`;
      await ask(200, shopper, { headers: ops });
      await ask(200, shopper, { method: "DELETE", headers: ops });
    });
    expect(offending(statements)).toEqual([]);
  });

  test("archiving reads the orders that it moves, and finds each elsewhere by its id", async () => {
    await sql`update items set closes_at = now() where id = ${overItemId}`.execute(world.db);
    /** The first two batches, of so many orders each. */
    const archive = async (size?: number) => {
      const batches = archiveOrders(db, overItemId, size);
      return [(await batches.next()).value, (await batches.next()).value];
    };
    const some = 300; // each is looked for in eight places
    const statements = await statementsOf("archive", async () => {
      expect(await closeForGood(db, overItemId, 0)).toBe(null);
      expect(await archive(some)).toEqual([some, some]);
    });
    expect(offending(statements)).toEqual([]);
    const whole = await statementsOf("archived", archive);
    expect(whole.flatMap(({ seqScans }) => seqScans)).toEqual([]);
    expect(Math.max(...whole.map(({ rows }) => rows))).toBeLessThan(10_000); // of a thousand
  });

  test("the nightly recount reads what is held or sold, item by item through the index, well within its timeout", async () => {
    alarms.length = 0;
    const statements = await statementsOf("recount", () => recountBooks(db, raiseAlarm));
    expect(alarms).toEqual([]);
    const counts = statements.filter(({ indexes }) => indexes.includes("orders_with_units"));
    expect(counts.length).toBeGreaterThanOrEqual(2 * largeDatabase.items); // at least a page and the end of each
    expect(statements.flatMap(({ seqScans }) => seqScans.filter((name) => name !== "item_totals"))).toEqual([]);
    const sold = await sql<{ n: number }>`select sum(reserved + confirmed) as n from item_totals`.execute(world.db);
    const read = counts.reduce((sum, { rows }) => sum + rows, 0);
    expect(read).toBeLessThanOrEqual(2 * (sold.rows[0]?.n ?? 0) + 2 * counts.length); // each page is found, and counted
    const pageOfOrders = 100_000;
    expect(Math.max(...counts.map(({ rows }) => rows))).toBeLessThan(2.5 * pageOfOrders);
    expect(Math.max(...counts.map(({ ms }) => ms))).toBeLessThan(10_000);
  });

  test("whatever sample the planner has of the tables, each statement reads as little", async () => {
    const all = bounded();
    const offenders: string[][] = [];
    for (let sample = 0; sample < 6; sample += 1) {
      const explained = await explainBySample(world.db, all);
      expect(explained.length).toBeGreaterThan(0.9 * all.length);
      offenders.push(offending(explained));
    }
    expect(offenders.flat()).toEqual([]);
  });

  test("nor does it matter that all that is held came after the planner last looked", async () => {
    const all = bounded();
    const explained = await explainByOldStatistics(world.db, all);
    expect(explained.length).toBeGreaterThan(0.9 * all.length);
    expect(offending(explained)).toEqual([]);
  });

  test("without any one of the indexes, a statement reads too much: so this test would notice, and each is needed", async () => {
    const { rows: indexes } = await sql<{ name: string }>`
      select indexrelid::regclass::text as name from pg_index
      where indrelid::regclass::text = any(${growingTables}) and not indisunique order by 1`.execute(world.db);
    const all = [...seen.values()].flat();
    expect(distinct(all).length).toBeGreaterThan(60); // so that the tests before have really run
    const unneeded: string[] = [];
    for (const { name } of indexes) {
      if (readForAll.has(name)) continue;
      const using = distinct(all.filter((execution) => execution.indexes.includes(name)));
      const without = await explainWithout(world.db, name, using);
      if (offending(without).length === 0) unneeded.push(name);
    }
    expect(unneeded).toEqual([]);
    expect(indexes.length).toBeGreaterThan(8);
  });
});

/**
 * What the sale monitor counts of what is open (read-money.ts), and what an export reads of an
 * item: as many as there are, which no other statement may; neither is explained here.
 */
const readForAll = new Set(["orders_held_until", "orders_refund_open", "archived_orders_of_item"]);

/** A provider that has a page of payments, and knows every other payment of ours too. */
async function providerOf(db: Database): Promise<Stripe> {
  const intent = (id: string, orderId?: string) => ({
    id,
    status: "succeeded",
    amount_received: 1_999,
    currency: "eur",
    latest_charge: null,
    metadata: { orderId },
  });
  const { rows } = await sql<{ id: string; intent: string }>`
    select id, payment_intent_id as intent from orders where status = 'confirmed' limit 100`.execute(db);
  const page = rows.map((row) => intent(row.intent, row.id));
  const refunded = "pi_before_the_window";
  const paymentIntents = {
    list: async () => ({ data: page, has_more: false }),
    retrieve: async (id: string) => intent(id, id === refunded ? rows[0]?.id : undefined),
  };
  const refunds = { list: async () => ({ data: [{ id: "re_old", payment_intent: refunded }], has_more: false }) };
  return { paymentIntents, refunds } as unknown as Stripe;
}
