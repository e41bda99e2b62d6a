import type { Database } from "@holdfast/shared/database.ts";
import { sql } from "kysely";
import type { ShopEvent } from "./show-event.ts";

/** An event that is ours to send until its lease is over. */
export interface ClaimedEvent extends ShopEvent {
  readonly lease: string;
  /** This one included. */
  readonly tries: number;
  /** It has been tried for as long as we try. */
  readonly expired: boolean;
}

// Longer than a try and its writing down take. It is also how long the events of a worker that died
// wait.
const leaseMs = 30_000;
const looked = 100; // a few more than are sent: some wait behind another of their order
// An event behind one that is being sent is woken when that is done; this is for when a crash, or
// the moment, had that forgotten.
const behindMs = 2_000;

/**
 * Takes the events that are due, of each order and item only the oldest that is not finished.
 * Nobody else gets them until the lease is over.
 *
 * In two statements: what the first one locks, no other worker claims or wakes until we commit, and
 * the second sees everything that was committed before. So an event is never put off behind one
 * that has just been delivered.
 * @returns `more` where there may be others that are due
 */
export async function claimEvents(
  db: Database,
  most: number,
): Promise<{ readonly events: readonly ClaimedEvent[]; readonly more: boolean }> {
  return db.transaction().execute(async (trx) => {
    const due = await sql<{ id: string }>`
      select id from shop_events where outcome is null and due_at <= now()
      order by due_at, seq limit ${looked} for update skip locked`.execute(trx);
    if (due.rows.length === 0) return { events: [], more: false };
    const ids = due.rows.map(({ id }) => id);
    // Those behind another come up again with it, and take no place of those that can be sent.
    const { rows } = await sql<ClaimedEvent>`
      with judged as (
        select e.id, e.due_at, e.seq, (
          select case when lease is null then due_at else least(due_at, now() + ${behindMs} * interval '1 millisecond') end
          from shop_events first
          where first.subject = e.subject and first.seq < e.seq and first.outcome is null
          order by first.seq limit 1
        ) as behind
        from shop_events e where e.id = any(${ids}::uuid[])
      ), put_off as (
        update shop_events e set due_at = behind from judged where e.id = judged.id and behind > e.due_at
      )
      update shop_events set
        lease = gen_random_uuid(), tries = tries + 1, due_at = now() + ${leaseMs} * interval '1 millisecond'
      where id in (select id from judged where behind is null order by due_at, seq limit ${most})
      returning id, type, payload, created_at as "createdAt", lease, tries, give_up_at <= now() as expired`.execute(
      trx,
    );
    return { events: rows, more: due.rows.length === looked || rows.length === most };
  });
}
