import type { Database } from "@holdfast/shared/database.ts";
import { sql } from "kysely";

/**
 * The orders of a sale that is over, out of the tables that a sale writes. Those that never held a
 * unit go: nothing about them is open, and nobody pays for them. What held one stays.
 */

export type Refusal = "not_found" | "not_over" | "too_young" | "rehearsal";

const batch = 1_000; // orders moved in one transaction, some 100 ms

/**
 * Whether an item's orders may be archived; then it is over for good.
 * @param olderThanDays that its sale and its last order must be
 * @returns why not, or null
 */
export async function closeForGood(db: Database, itemId: string, olderThanDays: number): Promise<Refusal | null> {
  if (itemId.startsWith("rehearsal-")) return "rehearsal";
  const { rows } = await sql<{ over: boolean; old: boolean }>`
    select
      coalesce(closes_at <= now(), false) as over,
      coalesce(closes_at <= now() - ${olderThanDays} * interval '1 day', false) and not exists (
        select from unnest(array['reserved', 'confirmed', 'refunded', 'cancelled', 'out_of_stock', 'rejected']) s(status)
        cross join lateral (
          select placed_at from orders where item_id = items.id and status = s.status order by placed_at desc limit 1
        ) newest
        where newest.placed_at > now() - ${olderThanDays} * interval '1 day'
      ) as old
    from items where id = ${itemId}`.execute(db);
  const [item] = rows;
  if (!item) return "not_found";
  if (!item.over) return "not_over";
  if (!item.old) return "too_young";
  await sql`update items set archived_at = coalesce(archived_at, now()) where id = ${itemId}`.execute(db);
  return null;
}

/** Where in an index a page ended; the time with all its digits. */
interface Position {
  readonly placedAt: string;
  readonly id: string;
}

/**
 * Moves the orders of an item that was closed for good, with their events, a batch at a time.
 * *Dies in between:* a batch was moved or was not; the next run goes on.
 * @yields how many each batch moved: fewer where some of it stay
 */
export async function* archiveOrders(db: Database, itemId: string, size = batch): AsyncGenerator<number> {
  for (const status of ["out_of_stock", "rejected", "cancelled"]) {
    let after: Position | null = null;
    for (;;) {
      const page: readonly Position[] = await nextOrders(db, itemId, status, after, size);
      after = page.at(-1) ?? null;
      if (after === null) break;
      yield await moveOrders(
        db,
        page.map(({ id }) => id),
      );
    }
  }
}

/** Along the index, behind the page before: what stays is passed once. */
async function nextOrders(
  db: Database,
  itemId: string,
  status: string,
  after: Position | null,
  size: number,
): Promise<readonly Position[]> {
  const { placedAt, id } = after ?? {};
  const behind = after
    ? sql`placed_at <= ${placedAt}::timestamptz and (placed_at, id) < (${placedAt}::timestamptz, ${id}::uuid)`
    : sql`true`;
  const { rows } = await sql<Position>`
    select id, placed_at::text as "placedAt" from orders
    where item_id = ${itemId} and status = ${status} and ${behind}
    order by placed_at desc, id desc limit ${size}`.execute(db);
  return rows;
}

async function moveOrders(db: Database, candidates: readonly string[]): Promise<number> {
  return db.transaction().execute(async (trx) => {
    const { rows } = await sql<{ id: string }>`
      with chosen as (
        select o.* from orders o
        where id = any(array(select unnest(${candidates}::uuid[])))
          and reserved_at is null and payment_status is null and payment_intent_id is null
          and exists (select from items where id = o.item_id and archived_at is not null)
          and not exists (select from unmatched_payments where order_id = o.id)
          and not exists (select from archived_orders where id = o.id)
        for update
      )
      insert into archived_orders (
        id, settled_at, placed_at, amount_minor, quantity, version, item_id, shopper_id, currency, status, reason,
        fingerprint, metadata, events
      )
      select c.id, settled_at, placed_at, amount_minor, quantity, version, item_id, shopper_id, currency, status, reason,
        fingerprint, metadata, case when not e.plain then e.events end
      from chosen c
      cross join lateral (
        select
          count(*) = 1 and bool_and(
            event = c.status and from_status = 'queued' and to_status = c.status and detail = '{}' and at = c.settled_at
          ) as plain,
          coalesce(jsonb_agg(
            jsonb_build_object('event', event, 'from', from_status, 'to', to_status, 'detail', detail, 'at', at) order by id
          ), '[]') as events
        from order_events where order_id = c.id
      ) e
      returning id`.execute(trx);
    const ids = rows.map(({ id }) => id);
    if (ids.length === 0) return 0;
    await sql`delete from order_events where order_id = any(${ids}::uuid[])`.execute(trx);
    await sql`delete from orders where id = any(${ids}::uuid[])`.execute(trx);
    return ids.length;
  });
}
