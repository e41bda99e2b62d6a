import { invariant } from "@holdfast/shared/invariant.ts";
import { openChargeQueue } from "@holdfast/shared/queues.ts";
import { addItem, booksOf } from "@holdfast/testing/items.ts";
import { createPaymentWorld, type PaymentWorld, requestCount } from "@holdfast/testing/payments.ts";
import { sql } from "kysely";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { askAboutUnmatched } from "../src/payment/ask-unmatched.ts";
import { readPayment } from "../src/payment/read-payment.ts";
import { noteUnmatched } from "../src/payment/unmatched-payments.ts";
import { sweepOnce } from "../src/recovery/sweep.ts";
import { watchAges } from "../src/recovery/watch-ages.ts";

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;
const create = { method: "POST", path: "/v1/payment_intents" };

/** The cases that cost somebody money: each is named after what is promised. */
describe("an order's money, in the rare cases", () => {
  let world: PaymentWorld;
  let itemId = "";
  beforeAll(async () => {
    world = await createPaymentWorld();
  });
  afterAll(() => world.close());
  beforeEach(async () => {
    itemId = `item-${Math.random().toString(36).slice(2)}`;
    await addItem(world.db, itemId, 200, { payment_retries: 1 });
    world.alarms.length = 0;
    await world.simulator.configure({
      listLagMs: 0,
      searchLagMs: null,
      outage: false,
      secretKey: null,
      currencies: null,
    });
    await world.simulator.script([]);
  });

  const kept = async (orderId: string) =>
    (await world.payments(orderId)).map((p) => p.amountReceived - p.amountRefunded).filter((amount) => amount > 0);
  const eventAbout = async (type: string, orderId: string) => {
    const events = (await world.simulator.events()).filter(
      (event) => event.type === type && JSON.stringify(event.data.object).includes(orderId),
    );
    const [event] = events;
    if (!event) throw new Error(`no ${type} for ${orderId}`);
    return event;
  };
  /** Runs the job whenever it is due, until nothing is open or the time is over. */
  const settleFor = async (orderId: string, ms: number) => {
    for (let leftMs = ms; leftMs > 0; ) {
      const dueInMs = await world.settle(orderId);
      if (dueInMs === null) return;
      await world.letTimePass(Math.max(1, Math.ceil(dueInMs)));
      leftMs -= Math.max(1, dueInMs);
    }
  };
  const payBehind = (orderId: string, more: object = {}) =>
    world.simulator.stripe.paymentIntents.create({
      amount: 1_999,
      currency: "eur",
      payment_method: "pm_card_visa",
      confirm: true,
      metadata: { orderId, itemId, attempt: "1" },
      ...more,
    });

  describe("a success that only a webhook told of", () => {
    /**
     * Attempt 1 was paid, but all that was ever answered is a saved 500, and no list shows it:
     * attempt 2 is prepared.
     */
    const loseFirstAttempt = async () => {
      await world.simulator.configure({ listLagMs: dayMs });
      await world.simulator.script([{ ...create, fault: "error_after", times: 1 }]);
      const orderId = await world.reserve(itemId);
      await world.settle(orderId);
      await world.letTimePass(10 * minuteMs);
      // The look that finds nothing prepares attempt 2 and would send it: the worker dies before
      // that.
      await sql`
        update orders set payment_attempt = 2, payment_status = 'pending', payment_started_at = null,
          payment_key_exhausted = false, payment_due_at = now() where id = ${orderId}`.execute(world.db);
      return orderId;
    };

    test("confirms the order before another attempt is sent", async () => {
      const orderId = await loseFirstAttempt();
      expect(await world.hear(await eventAbout("payment_intent.succeeded", orderId))).toBe("asked");
      expect((await world.order(orderId)).status).toBe("confirmed");
      await settleFor(orderId, 2 * dayMs);
      expect(await world.payments(orderId)).toHaveLength(1);
      expect(await kept(orderId)).toEqual([1_999]);
    });

    test("confirms the order also where its job gets lost, since Postgres knows what to ask about", async () => {
      const orderId = await loseFirstAttempt();
      await world.hear(await eventAbout("payment_intent.succeeded", orderId), false);
      await world.settle(orderId); // any job about the order, the sweeper's for one
      expect((await world.order(orderId)).status).toBe("confirmed");
      expect(await world.payments(orderId)).toHaveLength(1);
    });

    test("confirms the order before another attempt is sent also where the provider first does not answer", async () => {
      const orderId = await loseFirstAttempt();
      await world.simulator.script([
        { path: "/v1/payment_intents/pi_", method: "GET", fault: "rate_limited", times: 3 },
      ]);
      await world.hear(await eventAbout("payment_intent.succeeded", orderId));
      expect((await world.order(orderId)).status).toBe("reserved");
      await settleFor(orderId, minuteMs);
      expect((await world.order(orderId)).status).toBe("confirmed");
      expect(await world.payments(orderId)).toHaveLength(1);
    });

    test("has the second payment refunded where another attempt was sent already", async () => {
      const orderId = await loseFirstAttempt();
      await world.settle(orderId);
      expect(await kept(orderId)).toEqual([1_999, 1_999]);
      await world.hear(await eventAbout("payment_intent.succeeded", orderId));
      expect((await world.order(orderId)).status).toBe("confirmed");
      expect(await kept(orderId)).toEqual([1_999]);
    });
  });

  test("a payment that an exhausted key may have made is searched for until it is found, and refunded", async () => {
    await world.simulator.configure({ listLagMs: hourMs });
    await world.simulator.script([{ ...create, fault: "error_after", times: 1 }]);
    const orderId = await world.reserve(itemId);
    await settleFor(orderId, 30 * minuteMs);
    expect(await world.order(orderId)).toMatchObject({ status: "confirmed", payment_attempt: 2 });
    expect(await kept(orderId)).toHaveLength(2); // nobody can know yet
    await settleFor(orderId, 8 * hourMs);
    expect(await kept(orderId)).toEqual([1_999]);
    await settleFor(orderId, 3 * dayMs);
    expect((await world.unmatched(orderId)).filter((row) => row.outcome === null)).toEqual([]);
  });

  test("an unmatched payment is not forgotten while the provider is unavailable, for however long", async () => {
    const orderId = await world.reserve(itemId, { card: "pm_that_does_not_exist" });
    await sql`update items set payment_retries = 0 where id = ${itemId}`.execute(world.db);
    await world.settle(orderId);
    expect((await world.order(orderId)).status).toBe("cancelled");
    await payBehind(orderId);
    await world.simulator.configure({ outage: true });
    await world.hear(await eventAbout("payment_intent.succeeded", orderId));
    await settleFor(orderId, 5 * minuteMs);
    expect(await kept(orderId)).toEqual([1_999]);
    expect(await world.unmatched(orderId)).toMatchObject([{ outcome: null, next_step: "ask" }]);
    await world.simulator.configure({ outage: false });
    await settleFor(orderId, minuteMs);
    expect(await kept(orderId)).toEqual([]);
    expect(await world.order(orderId)).toMatchObject({ status: "cancelled", payment_status: "refunded" });
  });

  test("a success is believed enough to ask, also of a payment that was closed before", async () => {
    const orderId = await world.reserve(itemId, { card: "pm_card_authenticationRequired" });
    await world.settle(orderId);
    await sql`update orders set release_reason = 'by_shopper', payment_due_at = now() where id = ${orderId}`.execute(
      world.db,
    );
    await world.settle(orderId);
    const { payment_intent_id: id } = await world.order(orderId);
    expect(await world.payments(orderId)).toMatchObject([{ id, status: "canceled" }]);
    const succeeded = { object: "payment_intent", id, metadata: { orderId } };
    const before = await requestCount(world);
    expect(await world.hear(await world.simulator.announce("payment_intent.succeeded", succeeded))).toBe("asked");
    expect(await requestCount(world)).toBeGreaterThan(before);
    expect(await world.unmatched(orderId)).toMatchObject([{ payment_intent_id: id, outcome: "canceled" }]);
  });

  test("a refund that failed before its answer was written down is made again", async () => {
    const orderId = await world.reserve(itemId);
    await world.settle(orderId);
    const stray = await payBehind(orderId);
    await world.hear(await eventAbout("payment_intent.succeeded", stray.id), false);
    const refund = async () => {
      const [unmatched] = (await readPayment(world.db, orderId)).payment.unmatched;
      invariant(unmatched, "a payment that the order does not go by");
      return askAboutUnmatched(world.simulator.stripe, orderId, { ...unmatched, nextStep: "refund" });
    };
    expect(await refund()).toMatchObject({ outcome: { kind: "refunded" } }); // and the worker dies
    const made = (await world.payments(orderId)).flatMap(({ refunds }) => refunds);
    for (const { id } of made) await world.simulator.settleRefund(id, "failed");
    expect(await refund()).toMatchObject({ outcome: { kind: "failed" } });
    await settleFor(orderId, hourMs);
    expect(await kept(orderId)).toEqual([1_999]);
    expect(await world.unmatched(orderId)).toMatchObject([{ outcome: "refunded" }]);
  });

  test("a payment is refunded when all of it has gone back, and not while somebody else's refund of a part is under way", async () => {
    const orderId = await world.reserve(itemId);
    await world.settle(orderId);
    const stray = await payBehind(orderId);
    const outside = await world.simulator.refundOutside({ payment_intent: stray.id, amount: 100, status: "pending" });
    await world.hear(await eventAbout("payment_intent.succeeded", stray.id));
    expect(await world.unmatched(orderId)).toMatchObject([{ outcome: null }]);
    await world.simulator.settleRefund(outside.id, "failed");
    await settleFor(orderId, 12 * hourMs);
    expect(await kept(orderId)).toEqual([1_999]);
    expect(await world.unmatched(orderId)).toMatchObject([{ outcome: "refunded" }]);
  });

  test("a payment that turns out to be the order's own while somebody tells of it is not left open", async () => {
    const orderId = await world.reserve(itemId);
    await world.settle(orderId);
    const { payment_intent_id: id } = await world.order(orderId);
    await world.db.transaction().execute((trx) => noteUnmatched(trx, orderId, id ?? "", "ask", { dueInMs: 0 }));
    await settleFor(orderId, minuteMs);
    expect(await world.unmatched(orderId)).toMatchObject([{ outcome: "matched" }]);
    expect(await world.order(orderId)).toMatchObject({ status: "confirmed" });
  });

  test("a late event of the card before does not have the next card asked about while its answer is on its way", async () => {
    const orderId = await world.reserve(itemId, { card: "pm_card_chargeDeclined" });
    await world.settle(orderId);
    await sql`
      update orders set payment_status = 'pending', payment_attempt = 2, payment_cards = 2,
        payment_started_at = now(), payment_due_at = now() + interval '20 seconds'
      where id = ${orderId}`.execute(world.db);
    const before = await requestCount(world);
    await world.hear(await eventAbout("payment_intent.payment_failed", orderId));
    expect(await requestCount(world)).toBe(before);
    expect((await world.order(orderId)).payment_attempt).toBe(2);
  });

  test("a charge job that runs more than a day after its first sending charges nothing again", async () => {
    await world.simulator.script([{ ...create, fault: "reset_after", times: 1 }]);
    const orderId = await world.reserve(itemId);
    await world.settle(orderId);
    await world.letTimePass(25 * hourMs);
    await world.settle(orderId);
    await settleFor(orderId, hourMs);
    expect(await world.payments(orderId)).toHaveLength(1);
    expect(await world.order(orderId)).toMatchObject({ status: "confirmed", payment_attempt: 1 });
  });

  test("of two payments that say they are the same attempt, the paid one counts, though the other is found first", async () => {
    const orderId = await world.reserve(itemId);
    await sql`update items set payment_retries = 0 where id = ${itemId}`.execute(world.db);
    await world.simulator.script([{ ...create, fault: "reset_after", times: 1 }]);
    await world.settle(orderId);
    await world.letTimePass(25 * hourMs);
    const claim = { payment_method: "pm_card_chargeDeclined", metadata: { orderId, itemId, attempt: "1" } };
    await payBehind(orderId, claim).catch(() => {});
    expect((await world.payments(orderId)).map(({ status }) => status).sort()).toEqual([
      "requires_payment_method",
      "succeeded",
    ]);
    await settleFor(orderId, hourMs);
    expect((await world.payments(orderId)).map(({ status }) => status).sort()).toEqual(["canceled", "succeeded"]);
    expect(await world.order(orderId)).toMatchObject({ status: "confirmed", payment_attempt: 1 });
    expect(await kept(orderId)).toEqual([1_999]);
  });

  describe("a merchant's fault", () => {
    test.each([
      ["a currency that is not activated", { currencies: ["usd"] }, []],
      ["a wrong key", { secretKey: "sk_test_other" }, []],
      ["an account that may not charge", {}, [{ ...create, fault: "restricted" as const, times: 3 }]],
      ["a key without the right to charge", {}, [{ ...create, fault: "permission" as const, times: 3 }]],
    ])("cancels no order, and is an alarm: %s", async (_what, settings, faults) => {
      const orderId = await world.reserve(itemId);
      await world.simulator.configure(settings);
      await world.simulator.script(faults);
      await settleFor(orderId, 10_000);
      expect(await world.order(orderId)).toMatchObject({
        status: "reserved",
        payment_status: "unknown",
        hold_expires_at: null,
      });
      expect(world.alarms).toContain("provider_refuses");
      await world.simulator.configure({ currencies: null, secretKey: null });
      await settleFor(orderId, minuteMs);
      expect((await world.order(orderId)).status).toBe("confirmed");
      expect(await kept(orderId)).toEqual([1_999]);
    });

    test("of an amount too small cancels no order either", async () => {
      const orderId = await world.reserve(itemId, { amountMinor: 1 });
      await world.settle(orderId);
      expect(await world.order(orderId)).toMatchObject({ status: "reserved", payment_status: "unknown" });
      expect(world.alarms).toEqual(["provider_refuses"]);
    });
  });

  describe("the hold's clock", () => {
    test("starts with the provider's first answer about the payment, and not while nobody asked or answered", async () => {
      const orderId = await world.reserve(itemId, { card: "pm_card_authenticationRequired" });
      expect((await world.order(orderId)).hold_expires_at).toBeNull();
      await world.letTimePass(hourMs); // in our own queue
      await world.simulator.configure({ outage: true });
      await settleFor(orderId, hourMs); // without an answer
      await world.simulator.configure({ outage: false });
      await world.simulator.script([{ ...create, fault: "rate_limited", times: 2 }]);
      await settleFor(orderId, minuteMs);
      const order = await world.order(orderId);
      expect(order).toMatchObject({ status: "reserved", payment_status: "requires_action" });
      const leftMs = (order.hold_expires_at?.getTime() ?? 0) - Date.now();
      expect(leftMs).toBeGreaterThan(500_000);
    });

    test("once started, ends the hold: the payment is canceled and the units come back", async () => {
      const orderId = await world.reserve(itemId, { card: "pm_card_authenticationRequired" });
      await settleFor(orderId, 11 * minuteMs);
      expect(await world.order(orderId)).toMatchObject({ status: "cancelled", reason: "hold_expired" });
      expect((await world.payments(orderId)).map((p) => p.status)).toEqual(["canceled"]);
      expect(await booksOf(world.db, itemId)).toMatchObject({ inventory: 200, reserved: 0, balanced: true });
    });

    test("nobody loses a unit while the queue is slower than the hold is long: all good cards are confirmed", async () => {
      await addItem(world.db, `${itemId}-brief`, 5, { hold_seconds: 1 });
      const orders = [];
      for (let i = 0; i < 5; i++) orders.push(await world.reserve(`${itemId}-brief`));
      for (const orderId of orders) {
        await world.letTimePass(3_000); // three times the hold for each charge
        await world.settle(orderId);
      }
      expect(await booksOf(world.db, `${itemId}-brief`)).toMatchObject({ confirmed: 5, inventory: 0, balanced: true });
    });
  });

  test("an old payment of unknown outcome is settled with a handful of requests, and asked about ever more seldom", async () => {
    await world.simulator.script([{ ...create, fault: "reset_after", times: 1 }]);
    const orderId = await world.reserve(itemId);
    await world.settle(orderId);
    await world.letTimePass(21 * hourMs); // the key may be forgotten: it is searched for
    await world.simulator.configure({ searchLagMs: 10 * dayMs, listLagMs: 10 * dayMs });
    const before = await requestCount(world);
    await settleFor(orderId, 2 * hourMs);
    expect((await requestCount(world)) - before).toBeLessThan(60);
    expect(await world.order(orderId)).toMatchObject({ status: "confirmed", payment_attempt: 2 });
    await world.simulator.configure({ searchLagMs: 0, listLagMs: 0 });
    await settleFor(orderId, dayMs);
    expect(await kept(orderId)).toEqual([1_999]);
  });

  test("a payment of unknown outcome is an alarm by its age", async () => {
    await sql`update orders set payment_unknown_since = null where status = 'reserved'`.execute(world.db); // of other tests
    const orderId = await world.reserve(itemId);
    await world.simulator.configure({ outage: true });
    await world.settle(orderId);
    await watchAges(world.db, world.raiseAlarm);
    expect(world.alarms).not.toContain("payment_unknown_too_long");
    await settleFor(orderId, 11 * minuteMs);
    await watchAges(world.db, world.raiseAlarm);
    expect(world.alarms).toContain("payment_unknown_too_long");
    await world.simulator.configure({ outage: false });
    await settleFor(orderId, minuteMs);
    expect((await world.order(orderId)).status).toBe("confirmed");
  });

  test("refunds that the provider refuses for good keep nothing else waiting, and are an alarm by their age", async () => {
    const stuck = [];
    for (let i = 0; i < 110; i++) {
      const orderId = await world.reserve(itemId, { card: "pm_that_does_not_exist" });
      stuck.push(orderId);
    }
    await sql`update items set payment_retries = 0 where id = ${itemId}`.execute(world.db);
    for (const orderId of stuck) await world.settle(orderId);
    await world.simulator.script([{ method: "POST", path: "/v1/refunds", fault: "restricted", times: 100_000 }]);
    for (const orderId of stuck) {
      await payBehind(orderId);
      await world.hear(await eventAbout("payment_intent.succeeded", orderId));
    }
    const held = await world.reserve(itemId, { card: "pm_card_authenticationRequired" });
    await world.settle(held);
    await world.letTimePass(11 * minuteMs); // the hold is over, and everybody is due

    const charges = openChargeQueue(world);
    const log = { info: () => {} } as never;
    const { db, raiseAlarm } = world;
    let passes = 0;
    while ((await world.order(held)).status === "reserved" && passes < 6) {
      passes += 1;
      await sweepOnce({ db, charges, raiseAlarm, log }, { unsent: 500, asked: 10 });
      for (const job of await charges.getJobs()) {
        await job.remove();
        await world.settle(job.data.orderId);
      }
      await world.letTimePass(5_000);
    }
    await charges.close();
    expect(await world.order(held)).toMatchObject({ status: "cancelled", reason: "hold_expired" });
    expect(passes).toBeLessThanOrEqual(2);
    await world.letTimePass(hourMs);
    await watchAges(world.db, world.raiseAlarm);
    expect(world.alarms).toContain("payment_unmatched_too_long");
  });
});
