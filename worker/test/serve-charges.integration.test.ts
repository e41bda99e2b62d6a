import { chargeQueueEntry } from "@holdfast/shared/charge-job.ts";
import { openDatabase } from "@holdfast/shared/database.ts";
import { createLog } from "@holdfast/shared/log.ts";
import { readView } from "@holdfast/shared/order-view.ts";
import { type ChargeQueue, openChargeQueue } from "@holdfast/shared/queues.ts";
import { cuttableProxy } from "@holdfast/testing/cuttable-proxy.ts";
import { addItem, booksOf } from "@holdfast/testing/items.ts";
import { createPaymentWorld, type PaymentWorld } from "@holdfast/testing/payments.ts";
import { eventually } from "@holdfast/testing/world.ts";
import { type Job, Worker } from "bullmq";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readPayment } from "../src/payment/read-payment.ts";
import { sendCharge, startAttempt } from "../src/payment/send-charge.ts";
import { serveCharges } from "../src/payment/serve-charges.ts";
import { settleOrder } from "../src/payment/settle-order.ts";

/**
 * Recovery is promised within ten seconds; an attempt that nobody asks for again is due after
 * twenty.
 */
const recoveryMs = 8_000;

describe("serving the charge queue", () => {
  let world: PaymentWorld;
  let charges: ChargeQueue;
  beforeAll(async () => {
    world = await createPaymentWorld();
    charges = openChargeQueue(world);
  });
  afterAll(async () => {
    await charges.close();
    await world.close();
  });

  const serve = (db = world.db) => {
    const { redis, keys, raiseAlarm, simulator } = world;
    const log = createLog("worker", "silent");
    return serveCharges({ db, redis, keys, stripe: simulator.stripe, raiseAlarm, charges, log }, 5);
  };
  const putInLine = async (orderId: string) => {
    const { name, data, opts } = chargeQueueEntry("charge", orderId, 1);
    await charges.add(name, data, opts);
  };
  const untilSettled = (orderId: string) =>
    eventually("it is settled", async () => (await world.order(orderId)).status !== "reserved", recoveryMs);

  test.each([
    ["a good card is confirmed, with one payment", "pm_card_visa", "confirmed"],
    ["a declined one is told so", "pm_card_chargeDeclined", "cancelled"],
  ])(
    "the answer that a dead worker waited for is asked for as soon as its job runs again: %s",
    async (_, paymentMethod, status) => {
      await addItem(world.db, paymentMethod, 5);
      const orderId = await world.reserve(paymentMethod, { card: paymentMethod });
      await putInLine(orderId);
      await takeAndDie();
      const { payment } = await readPayment(world.db, orderId);
      await startAttempt(world.db, payment);
      await sendCharge(world.simulator.stripe, payment); // nobody is there to hear what came of it
      const worker = serve();
      try {
        await untilSettled(orderId);
      } finally {
        await worker.close();
      }
      expect(await world.order(orderId)).toMatchObject({ status, payment_attempt: 1 });
      expect(await world.payments(orderId)).toHaveLength(1);
      expect(await booksOf(world.db, paymentMethod)).toMatchObject({ reserved: 0, balanced: true });
    },
  );

  test("a job of a later release is left to it, and keeps its tries", async () => {
    await addItem(world.db, "later", 5);
    const orderId = await world.reserve("later");
    const { name, data, opts } = chargeQueueEntry("charge", orderId, 1);
    const { id = "" } = await charges.add(name, { ...data, format: 2 }, opts);
    const before = serve();
    await eventually("it has waited twice", async () => ((await charges.getJob(id))?.attemptsStarted ?? 0) >= 2);
    await before.close();
    const job = await charges.getJob(id);
    expect([await job?.getState(), job?.attemptsMade]).toEqual(["delayed", 0]);
    expect(await world.payments(orderId)).toEqual([]);
    await job?.updateData(data); // as a release sees it that knows this format
    const after = serve();
    await untilSettled(orderId);
    await after.close();
    expect(await world.payments(orderId)).toHaveLength(1);
  });

  test("a job of a release that is not there any more does not keep the sweeper's own out for good", async () => {
    await addItem(world.db, "gone", 5);
    const orderId = await world.reserve("gone");
    const { name, data, opts } = chargeQueueEntry("charge", orderId, 1);
    const { id = "" } = await charges.add(name, { ...data, format: 2 }, opts);
    await world.redis.hset(charges.toKey(id), "ats", 60); // as after a minute of tries
    const worker = serve();
    await eventually("it is dropped", async () => (await (await charges.getJob(id))?.getState()) === "completed");
    expect(await world.order(orderId)).toMatchObject({ status: "reserved", payment_status: "pending" });
    await putInLine(orderId); // as the sweeper does
    await untilSettled(orderId);
    await worker.close();
    expect(await world.payments(orderId)).toHaveLength(1);
  });

  test("the client secret that a worker died with is given to its shopper as soon as the job runs again", async () => {
    await addItem(world.db, "asked", 5);
    const request = { card: "pm_card_authenticationRequired", shopperId: "ida" };
    const orderId = await world.reserve("asked", request);
    await putInLine(orderId);
    await takeAndDie();
    const { payment } = await readPayment(world.db, orderId);
    await startAttempt(world.db, payment);
    const outcome = await sendCharge(world.simulator.stripe, payment);
    const seen = { attempt: 1, hints: payment.hints, outcome, unmatched: null, withoutCall: false };
    await settleOrder(world.db, orderId, seen); // and it died before it told anybody
    expect(await world.order(orderId)).toMatchObject({ status: "reserved", payment_status: "requires_action" });
    const worker = serve();
    try {
      const secret = async () => (await readView(world, "ida", orderId))?.clientSecret;
      await eventually("the shopper has it", async () => Boolean(await secret()), recoveryMs);
    } finally {
      await worker.close();
    }
    expect(await world.payments(orderId)).toHaveLength(1);
  });

  /** Takes the next job as a worker does, and never renews its lock. */
  async function takeAndDie(): Promise<void> {
    const options = { connection: world.redis, prefix: world.keys.queues, lockDuration: 100 };
    const dead = new Worker(charges.name, null, options);
    const job: Job | undefined = await dead.getNextJob("a worker that died");
    expect(job).toBeDefined();
    await dead.close();
  }

  test("an answer that Postgres was not there to take is asked for again as soon as it is back", async () => {
    await addItem(world.db, "outage", 5);
    await world.simulator.configure({ latencyMs: 500 });
    const url = new URL(world.databaseUrl);
    const proxy = await cuttableProxy(url.hostname, Number(url.port));
    url.host = proxy.address;
    const db = openDatabase(url.href, 2, () => {});
    const worker = serve(db);
    try {
      const orderId = await world.reserve("outage", { card: "pm_card_chargeDeclined" });
      await putInLine(orderId);
      await eventually("it is sent", async () => (await world.events(orderId)).includes("charge_started"));
      await proxy.cut();
      await eventually("it was answered", async () => (await world.payments(orderId)).length > 0);
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      await proxy.mend();
      await untilSettled(orderId);
      expect(await world.order(orderId)).toMatchObject({ status: "cancelled", payment_attempt: 1 });
      expect(await world.payments(orderId)).toHaveLength(1);
    } finally {
      await proxy.mend();
      await worker.close();
      await db.destroy();
      await proxy.close();
      await world.simulator.configure({ latencyMs: 0 });
    }
  });
});
