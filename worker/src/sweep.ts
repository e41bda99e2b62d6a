import { type ChargeJob, chargeQueueEntry } from "@holdfast/shared/charge-job.ts";
import { type Database, itemFromRow, orderColumns, orderFromRow } from "@holdfast/shared/database.ts";
import type { Item } from "@holdfast/shared/item.ts";
import { publishItems } from "@holdfast/shared/item-view.ts";
import type { Logger } from "@holdfast/shared/log.ts";
import type { OrderRecord } from "@holdfast/shared/order.ts";
import { publishOrders } from "@holdfast/shared/order-view.ts";
import type { ChargeQueue } from "@holdfast/shared/queues.ts";
import type { RedisClient, RedisKeys } from "@holdfast/shared/redis.ts";
import { sql } from "kysely";

export interface SweepParts {
  readonly db: Database;
  readonly redis: RedisClient;
  readonly keys: RedisKeys;
  readonly charges: ChargeQueue;
  readonly log: Logger;
}

export interface SweepLimits {
  /** Orders let go in one transaction: a few hundred rows are locked for some tens of milliseconds. */
  readonly released: number;
  /** Jobs for the provider in one pass, a share of what its rate limit lets through until the next. */
  readonly asked: number;
}

/**
 * One pass of the sweeper over what a crash, a silent provider or a shopper who walked away left behind. Bounded: what it does not get to
 * is the next pass's. It decides nothing about money itself, it only has somebody look.
 * @returns how many holds were let go and how many jobs were given out
 */
export async function sweepOnce(parts: SweepParts, limits: SweepLimits): Promise<{ released: number; asked: number }> {
  const { orders, items } = await releaseUnsent(parts.db, limits.released);
  await publishOrders(parts.redis, parts.keys, orders);
  await publishItems(parts.redis, parts.keys, items);

  // Added behind all others, and not at all where they wait already; nothing is asked of the provider that was not to be anyway.
  const unsent = await findUnsent(parts.db, limits.released);
  await parts.charges.addBulk(unsent.map((job) => chargeQueueEntry(job)));
  const jobs = await findNeglected(parts.db, limits.asked);
  // At the head: there are few of them, and each has waited its time already.
  const entries = jobs.map((job) => chargeQueueEntry(job));
  await parts.charges.addBulk(entries.map((entry) => ({ ...entry, opts: { ...entry.opts, lifo: true } })));
  if (orders.length + jobs.length > 0) parts.log.info({ released: orders.length, asked: jobs.length }, "swept");
  return { released: orders.length, asked: jobs.length };
}

/** Holds that are over and for which nothing was ever sent to the provider: nobody is to be asked, so they go in bulk. */
async function releaseUnsent(db: Database, limit: number): Promise<{ orders: OrderRecord[]; items: Item[] }> {
  return db.transaction().execute(async (trx) => {
    const rows = await trx
      .updateTable("orders")
      .set({
        status: "cancelled",
        reason: "hold_expired",
        payment_status: null,
        settled_at: sql<Date>`now()`,
        payment_closed_at: sql<Date>`now()`,
      })
      .where("id", "in", (qb) =>
        qb
          .selectFrom("orders")
          .select("id")
          .where("status", "=", "reserved")
          .where("hold_expires_at", "<=", sql<Date>`now()`)
          .where("payment_started_at", "is", null)
          .where("payment_intent_id", "is", null)
          .orderBy("hold_expires_at")
          .limit(limit)
          .forUpdate()
          .skipLocked(),
      )
      .where("status", "=", "reserved")
      .returning(orderColumns)
      .execute();
    if (rows.length === 0) return { orders: [], items: [] };
    const orders = rows.map(orderFromRow);
    const events = orders.map(({ id }) => ({
      order_id: id,
      event: "cancelled",
      from_status: "reserved" as const,
      to_status: "cancelled" as const,
      detail: { reason: "hold_expired" },
    }));
    await trx.insertInto("order_events").values(events).execute();
    const items: Item[] = [];
    // In the order of their ids, as everybody who locks several items would have to.
    for (const itemId of [...new Set(orders.map((order) => order.itemId))].sort()) {
      const units = orders.reduce((sum, order) => sum + (order.itemId === itemId ? order.quantity : 0), 0);
      const item = await trx
        .updateTable("items")
        .set({ inventory: sql<number>`inventory + ${units}` })
        .where("id", "=", itemId)
        .returningAll()
        .executeTakeFirstOrThrow();
      items.push(itemFromRow(item));
    }
    return { orders, items };
  });
}

/**
 * Orders whose payment nobody seems to look after, and what is to be done about each:
 * - held past the deadline: the payment is to be called off and the units given back;
 * - sent but unanswered, unknown, with the bank or the shopper: the provider is to be asked;
 * - cancelled with a payment that is still open: it is to be called off, or refunded if it was paid meanwhile.
 */
async function findNeglected(db: Database, limit: number): Promise<ChargeJob[]> {
  const { rows } = await sql<{ id: string; status: string; over: boolean }>`
    update orders set payment_checked_at = now()
    where id in (
      select id from orders
      where (
        status = 'reserved' and hold_expires_at <= now()
          and coalesce(payment_checked_at, '-infinity') < now() - interval '10 seconds'
      ) or (
        status = 'reserved' and payment_started_at is not null and payment_status in ('pending', 'unknown')
          and coalesce(payment_checked_at, '-infinity') < now() - interval '20 seconds'
      ) or (
        status = 'reserved' and payment_status in ('processing', 'requires_action')
          and coalesce(payment_checked_at, '-infinity') < now() - interval '60 seconds'
      ) or (
        status = 'cancelled' and payment_intent_id is not null and payment_closed_at is null
          and coalesce(payment_checked_at, settled_at) < now() - interval '10 seconds'
      )
      order by
        -- What has a deadline first; the shopper's or the bank's answer mostly comes by webhook.
        case
          when status = 'cancelled' then 0
          when hold_expires_at <= now() then 1
          when payment_status in ('pending', 'unknown') then 2
          else 3
        end,
        coalesce(payment_checked_at, reserved_at)
      limit ${limit}
      for update skip locked
    )
    returning id, status, hold_expires_at <= now() as over`.execute(db);
  return rows.map(({ id, status, over }): ChargeJob => {
    const release = status === "reserved" && over;
    return release ? { kind: "release", orderId: id, reason: "hold_expired" } : { kind: "check", orderId: id };
  });
}

/** Held orders whose charge was never sent: its job got lost behind a commit, or is far back in the queue and is not added twice. */
async function findUnsent(db: Database, limit: number): Promise<ChargeJob[]> {
  const { rows } = await sql<{ id: string; payment_attempt: number }>`
    update orders set payment_checked_at = now()
    where id in (
      select id from orders
      where status = 'reserved' and payment_status = 'pending' and payment_started_at is null and hold_expires_at > now()
        and coalesce(payment_checked_at, reserved_at) < now() - interval '20 seconds'
      order by coalesce(payment_checked_at, reserved_at)
      limit ${limit}
      for update skip locked
    )
    returning id, payment_attempt`.execute(db);
  return rows.map(({ id, payment_attempt }) => ({ kind: "charge", orderId: id, attempt: payment_attempt }));
}

/** The provider sends an event for three days at most; a month is for those who look into one. */
const eventsKept = "30 days";

/** Events of long ago go, a bounded number at a time. */
export async function forgetOldEvents(db: Database): Promise<void> {
  await sql`
    delete from webhook_events where id in (
      select id from webhook_events where received_at < now() - ${eventsKept}::interval limit 1000
    )`.execute(db);
}

/** Items whose books are off: that is for people to look into, so it is an alarm and never a silent repair. */
export async function checkBooks(db: Database, log: Logger): Promise<void> {
  const off = await db.selectFrom("item_books").selectAll().where("balanced", "=", false).execute();
  for (const books of off) log.error({ books }, "ALARM: the books of an item are off");
}
