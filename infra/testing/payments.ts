import type { ProviderEvent } from "@holdfast/infra/stripe-simulator/provider.ts";
import type { RaiseAlarm } from "@holdfast/shared/alarm.ts";
import type { ChargeJob } from "@holdfast/shared/charge-job.ts";
import type { Database } from "@holdfast/shared/database.ts";
import type { PurchaseRequest } from "@holdfast/shared/purchase-job.ts";
import type { ChargeQueue } from "@holdfast/shared/queues.ts";
import type { WebhookJob } from "@holdfast/shared/webhook-job.ts";
import { processWebhook } from "@holdfast/worker/payment/process-webhook.ts";
import { settlePayment } from "@holdfast/worker/payment/settle-payment.ts";
import { reserveOrders } from "@holdfast/worker/reserve/reserve-orders.ts";
import { sql } from "kysely";
import { purchaseJob, purchaseRequest } from "./purchases.ts";
import { startTestSimulator, type TestSimulator } from "./simulator.ts";
import { createWorld, type World } from "./world.ts";

/**
 * A world with a payment provider, where each step about an order's payment is taken by the test
 * itself.
 */
export interface PaymentWorld extends World {
  readonly simulator: TestSimulator;
  /** The names of the alarms raised so far. */
  readonly alarms: string[];
  readonly raiseAlarm: RaiseAlarm;
  /** Puts an order in and reserves it; the item has to be there. */
  reserve(itemId: string, request?: Partial<PurchaseRequest>): Promise<string>;
  /** One run of an order's charge job. */
  settle(orderId: string): Promise<number | null>;
  order(orderId: string): Promise<Awaited<ReturnType<typeof readOrder>>>;
  /** What the provider has of an order. */
  payments(orderId: string): Promise<Awaited<ReturnType<TestSimulator["ledger"]>>>;
  unmatched(orderId: string): Promise<Awaited<ReturnType<typeof readUnmatched>>>;
  events(orderId: string): Promise<string[]>;
  /** Delivers an event, and runs the job that it leads to where `run` says so. */
  hear(event: ProviderEvent, run?: boolean): Promise<string>;
  /** Time goes by, for us and for the provider. */
  letTimePass(ms: number): Promise<void>;
}

export async function createPaymentWorld(): Promise<PaymentWorld> {
  const [world, simulator] = await Promise.all([createWorld(), startTestSimulator()]);
  const { db, redis, keys } = world;
  const alarms: string[] = [];
  const raiseAlarm: RaiseAlarm = (name) => void alarms.push(name);
  const settle = (orderId: string) => settlePayment({ db, redis, keys, stripe: simulator.stripe, raiseAlarm }, orderId);
  return {
    ...world,
    simulator,
    alarms,
    raiseAlarm,
    settle,
    async reserve(itemId, more = {}) {
      const request = purchaseRequest(more);
      await reserveOrders(db, purchaseJob(itemId, [request]), new AbortController().signal);
      return request.orderId;
    },
    order: (orderId) => readOrder(db, orderId),
    payments: async (orderId) => (await simulator.ledger()).filter((entry) => entry.orderId === orderId),
    unmatched: (orderId) => readUnmatched(db, orderId),
    async events(orderId) {
      const query = db.selectFrom("order_events").select("event").where("order_id", "=", orderId).orderBy("id");
      return (await query.execute()).map((row) => row.event);
    },
    async hear(event, run = true) {
      const jobs: ChargeJob[] = [];
      const queue = { add: async (_name: string, job: ChargeJob) => void jobs.push(job) };
      const outcome = await processWebhook(db, queue as unknown as ChargeQueue, hintOf(event));
      if (run) for (const job of jobs) await settle(job.orderId);
      return outcome;
    },
    async letTimePass(ms) {
      await simulator.advanceClock(ms);
      await passTime(db, ms);
    },
    async close() {
      await simulator.close();
      await world.close();
    },
  };
}

/** How many requests the provider was asked so far. */
export async function requestCount({ simulator }: PaymentWorld): Promise<number> {
  const response = await fetch(`${simulator.url}/_simulator/requests`);
  return ((await response.json()) as { requests: unknown[] }).requests.length;
}

/** What the API's webhook route would make of an event. */
export function hintOf(event: ProviderEvent): WebhookJob {
  const object = event.data.object as {
    object: string;
    id: string;
    payment_intent?: string;
    metadata?: { orderId?: string };
  };
  const paymentIntentId = object.object === "payment_intent" ? object.id : (object.payment_intent ?? null);
  return { eventId: event.id, type: event.type, paymentIntentId, orderId: object.metadata?.orderId ?? null };
}

/** Moves everything that Postgres knows of payments into the past. */
export async function passTime(db: Database, ms: number, itemId: string | null = null): Promise<void> {
  const by = sql`${ms} * interval '1 millisecond'`;
  await sql`
    update orders set
      payment_due_at = payment_due_at - ${by}, payment_started_at = payment_started_at - ${by},
      payment_sent_at = payment_sent_at - ${by}, payment_unknown_since = payment_unknown_since - ${by},
      hold_expires_at = hold_expires_at - ${by}
    where status in ('reserved', 'confirmed', 'refunded') and item_id = coalesce(${itemId}, item_id)`.execute(db);
  await sql`
    update unmatched_payments set due_at = due_at - ${by}, sent_at = sent_at - ${by}, noticed_at = noticed_at - ${by}
    where order_id in (select id from orders where item_id = coalesce(${itemId}, item_id))`.execute(db);
}

function readOrder(db: Database, orderId: string) {
  return db.selectFrom("orders").selectAll().where("id", "=", orderId).executeTakeFirstOrThrow();
}

function readUnmatched(db: Database, orderId: string) {
  return db.selectFrom("unmatched_payments").selectAll().where("order_id", "=", orderId).orderBy("id").execute();
}
