import { randomBytes, randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { newOrderId } from "@holdfast/api/orders/order-id.ts";
import { type Database, openDatabase } from "@holdfast/shared/database.ts";
import { createLog } from "@holdfast/shared/log.ts";
import type { Order } from "@holdfast/shared/order.ts";
import { publishOrders } from "@holdfast/shared/order-view.ts";
import { maxOrdersPerJob, type PurchaseJob, packPurchaseJob } from "@holdfast/shared/purchase-job.ts";
import { type LaneQueue, openChargeQueue, openLanes } from "@holdfast/shared/queues.ts";
import { connectRedis, type RedisClient, redisKeys } from "@holdfast/shared/redis.ts";
import { addItem } from "@holdfast/testing/items.ts";
import { purchaseJob, purchaseRequest } from "@holdfast/testing/purchases.ts";
import type { DecideParts } from "@holdfast/worker/reserve/decide-purchase.ts";
import { type ItemLock, takeItemLock } from "@holdfast/worker/reserve/item-lock.ts";
import { plainArray, reserveOrders } from "@holdfast/worker/reserve/reserve-orders.ts";
import { serveLane } from "@holdfast/worker/reserve/serve-lane.ts";
import { sql } from "kysely";
import pg from "pg";
import { openOpponents } from "./opponents.ts";

export interface Bench {
  readonly databaseUrl: string;
  readonly redisUrl: string;
}

/**
 * The textbook way, one order after the other on one item: take the Redis lock, `SELECT … FOR
 * UPDATE`, take the unit, insert order and event, commit, unlock. A second worker would only wait
 * for the same lock.
 * @param told whether the shopper's live view is written and the charge enqueued as well, as
 *   Holdfast's whole step does
 */
export async function reserveByTheBook(bench: Bench, orders: number, told: boolean): Promise<number> {
  const parts = openParts(bench);
  const { db, redis, keys, charges } = parts;
  const itemId = await newItem(db, orders);
  try {
    return await measured(orders, async () => {
      for (let i = 0; i < orders; i++) {
        const lock = await takeFreeLock(redis, keys.itemLock(itemId));
        const order = await reserveOne(db, itemId);
        if (told) {
          await publishOrders({ redis, keys }, [order]);
          await charges.add("charge", { orderId: order.id });
        }
        await lock.release();
      }
    });
  } finally {
    await closeParts(parts);
  }
}

async function reserveOne(db: Database, itemId: string): Promise<Order> {
  const request = purchaseRequest({ orderId: newOrderId(Date.now()) });
  await db.transaction().execute(async (trx) => {
    await sql`select inventory from items where id = ${itemId} for update`.execute(trx);
    await sql`update items set inventory = inventory - 1 where id = ${itemId} and inventory >= 1`.execute(trx);
    await sql`
      insert into orders (id, shopper_id, item_id, quantity, amount_minor, currency, payment_method, placed_at, status,
        payment_status, reserved_at, hold_expires_at)
      values (${request.orderId}, ${request.shopperId}, ${itemId}, 1, 1999, 'eur', 'pm_card_visa', now(), 'reserved',
        'pending', now(), now() + interval '600 seconds')`.execute(trx);
    await sql`
      insert into order_events (order_id, event, from_status, to_status)
      values (${request.orderId}, 'reserved', 'queued', 'reserved')`.execute(trx);
  });
  const nowMs = Date.now();
  return {
    ...request,
    id: request.orderId,
    itemId,
    status: "reserved",
    reason: null,
    paymentStatus: "pending",
    declineCode: null,
    reservedAtMs: nowMs,
    settledAtMs: null,
    holdExpiresAtMs: nowMs + 600_000,
    version: 1,
    place: null,
    clientSecret: null,
  };
}

/**
 * Holdfast's reserving alone: lock, one transaction per job of 500, unlock. Every order finds a
 * unit.
 */
export async function reserveInJobs(bench: Bench, orders: number): Promise<number> {
  const parts = openParts(bench);
  const { db, redis, keys } = parts;
  const itemId = await newItem(db, orders);
  const jobs = purchaseJobs(itemId, orders);
  try {
    return await measured(orders, async () => {
      for (const job of jobs) {
        const lock = await takeFreeLock(redis, keys.itemLock(itemId));
        await reserveOrders(db, job, lock.signal);
        await lock.release();
      }
    });
  } finally {
    await closeParts(parts);
  }
}

/** One statement per purchase, as many at a time as a crowd would keep the pool busy with. */
export async function reserveByStatement({ databaseUrl }: Bench, orders: number): Promise<number> {
  const db = openDatabase(databaseUrl, 1, () => {});
  const statement = await openOpponents(databaseUrl);
  const itemId = await newItem(db, orders);
  try {
    return await measured(orders, async () => {
      let left = orders;
      const buyer = async () => {
        while (left-- > 0) await statement.everyRow(itemId, `guest-${randomUUID()}`, "pm_card_visa");
      };
      await Promise.all(Array.from({ length: 256 }, buyer));
    });
  } finally {
    await statement.close();
    await db.destroy();
  }
}

/**
 * The raw limit: the same rows, orders and events, by nothing but multi-row inserts on one
 * connection, 500 to a transaction.
 */
export async function insertRaw({ databaseUrl }: Bench, orders: number): Promise<number> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  const db = openDatabase(databaseUrl, 1, () => {});
  const jobs = purchaseJobs(await newItem(db, orders), orders);
  try {
    return await measured(orders, async () => {
      for (const { itemId, requests } of jobs) {
        const ids = plainArray(requests.map((request) => request.orderId));
        const shopperIds = plainArray(requests.map((request) => request.shopperId));
        const placedAt = plainArray(requests.map((request) => new Date(request.placedAtMs).toISOString()));
        await client.query("begin");
        await client.query({ name: "raw-orders", text: rawOrders, values: [ids, shopperIds, placedAt, itemId] });
        await client.query({ name: "raw-events", text: rawEvents, values: [ids] });
        await client.query("commit");
      }
    });
  } finally {
    await client.end();
    await db.destroy();
  }
}

const rawOrders = `
insert into orders (id, shopper_id, item_id, quantity, amount_minor, currency, payment_method, placed_at, status, payment_status,
  reserved_at, hold_expires_at)
select id, shopper_id, $4, 1, 1999, 'eur', 'pm_card_visa', placed_at, 'reserved', 'pending', now(), now() + interval '600 seconds'
from unnest($1::uuid[], $2::text[], $3::timestamptz[]) as o (id, shopper_id, placed_at)`;
const rawEvents = `
insert into order_events (order_id, event, from_status, to_status, detail)
select id, 'reserved', 'queued', 'reserved', '{"amount": 1999, "currency": "eur"}' from unnest($1::uuid[]) as o (id)`;

/**
 * Holdfast's whole reserve step, from the lane on: BullMQ job, item lock, one transaction, live
 * views, charge jobs. `share` of the orders finds a unit; in a flash sale that is a few in a
 * hundred.
 * @param observed counted, and traced where there is tracing: then each request brought a trace
 */
export async function serveOneLane(
  bench: Bench,
  orders: number,
  share: number,
  observed: Pick<DecideParts, "metrics" | "tracing"> = {},
): Promise<number> {
  const parts = openParts(bench);
  const [lane] = openLanes(parts, 1);
  if (!lane) throw new Error("There is one lane");
  const itemId = await newItem(parts.db, Math.floor(orders * share));
  const jobs = purchaseJobs(itemId, orders).map((job) => (observed.tracing ? traced(job) : job));
  for (const job of jobs) await lane.add("purchase", packPurchaseJob(job));
  try {
    return await measured(orders, async () => {
      const worker = await serveLane(lane, { ...parts, ...observed, log: createLog("bench", "silent") });
      await allDone(lane);
      void worker.close();
    });
  } finally {
    await lane.obliterate({ force: true });
    await lane.close();
    await closeParts(parts);
  }
}

const lookEveryMs = 5; // half a percent of a run of a second

async function allDone(lane: LaneQueue): Promise<void> {
  for (;;) {
    const { waiting = 0, active = 0, failed = 0 } = await lane.getJobCounts("waiting", "active", "failed");
    if (failed > 0) throw new Error("A job of the comparison failed");
    if (waiting + active === 0) return;
    await sleep(lookEveryMs);
  }
}

function purchaseJobs(itemId: string, orders: number): PurchaseJob[] {
  const jobs: PurchaseJob[] = [];
  for (let sent = 0; sent < orders; sent += maxOrdersPerJob) {
    const size = Math.min(maxOrdersPerJob, orders - sent);
    const requests = Array.from({ length: size }, () => purchaseRequest({ orderId: newOrderId(Date.now()) }));
    jobs.push(purchaseJob(itemId, requests, sent + size));
  }
  return jobs;
}

function traced(job: PurchaseJob): PurchaseJob {
  const trace = () => `00-${randomBytes(16).toString("hex")}-${randomBytes(8).toString("hex")}-01`;
  return { ...job, requests: job.requests.map((request) => ({ ...request, trace: trace() })) };
}

function openParts({ databaseUrl, redisUrl }: Bench) {
  const db = openDatabase(databaseUrl, 2, () => {});
  const redis = connectRedis(redisUrl, "waiting", () => {});
  const keys = redisKeys(`bench-${randomUUID()}:`);
  return { db, redis, keys, charges: openChargeQueue({ redis, keys }) };
}

async function closeParts({ db, redis, charges }: ReturnType<typeof openParts>): Promise<void> {
  await charges.obliterate({ force: true });
  await charges.close();
  redis.disconnect();
  await db.destroy();
}

async function takeFreeLock(redis: RedisClient, key: string): Promise<ItemLock> {
  const lock = await takeItemLock(redis, key);
  if (!lock) throw new Error("Nobody else is here to hold the lock");
  return lock;
}

async function newItem(db: Database, units: number): Promise<string> {
  const itemId = `bench-${randomUUID()}`;
  await addItem(db, itemId, units);
  return itemId;
}

/** @returns orders per second */
async function measured(orders: number, work: () => Promise<void>): Promise<number> {
  const beganAtMs = performance.now();
  await work();
  return (orders * 1_000) / (performance.now() - beganAtMs);
}
