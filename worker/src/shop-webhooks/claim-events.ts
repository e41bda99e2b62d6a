import type { Database } from "@holdfast/shared/database.ts";
import type { Tables } from "@holdfast/shared/tables.ts";
import { sql, type Transaction } from "kysely";
import { answerWithinMs } from "./send-event.ts";
import type { ShopEvent } from "./show-event.ts";

/** An event that is ours to send until its lease is over. */
export interface ClaimedEvent extends ShopEvent {
  readonly lease: string;
  /** This one included. */
  readonly tries: number;
  /** It has been tried for as long as we try. */
  readonly expired: boolean;
}

/** How many events there is room for. */
export interface Room {
  readonly events: number;
  /** Of these at most so many that failed before. */
  readonly retries: number;
}

// Longer than a try and its writing down take. It is also how long the events of a worker that died
// wait.
const leaseMs = 2 * answerWithinMs;
const looked = 100; // a few more than are sent: some wait behind another of their order
// An event behind another is due when that is finished; this is for one whose turn was missed.
const behindMs = 2_000;

/**
 * Takes the events that are due, of each order and item only the oldest that is not finished, and
 * none while another of it is being sent. Nobody else gets them until the lease is over.
 *
 * In two steps: what the first one locks, no other worker claims or wakes until we commit, and the
 * second sees everything that was committed before. So an event is never put off behind one that
 * was delivered before; behind one that is delivered meanwhile, `finishEvent` wakes it.
 * @returns `more` where there may be others that are due
 */
export async function claimEvents(
  db: Database,
  room: Room,
): Promise<{ readonly events: readonly ClaimedEvent[]; readonly more: boolean }> {
  return db.transaction().execute(async (trx) => {
    // Where no retry fits, due ones must not hide the new events behind them.
    const due = await sql<{ id: string; subject: string }>`
      select id, subject from shop_events
      where outcome is null and due_at <= now() and (tries = 0 or ${room.retries > 0})
      order by due_at, seq limit ${looked} for update skip locked`.execute(trx);
    if (due.rows.length === 0) return { events: [], more: false };
    const full = due.rows.length === looked;
    const ids = [...due.rows.map(({ id }) => id), ...(full ? await lockCrowds(trx, due.rows) : [])];
    const events = await claimFirsts(trx, ids, room);
    return { events, more: full || events.length === room.events };
  });
}

const crowd = 10; // an order has four events; an item that sells out again and again hundreds
const maxCrowd = 1_000; // some ten milliseconds

/** What else is due of a subject that fills the look: it is put off in one step with the rest. */
async function lockCrowds(trx: Transaction<Tables>, due: readonly { subject: string }[]): Promise<string[]> {
  const bySubject = Map.groupBy(due, ({ subject }) => subject);
  const crowded = [...bySubject].filter(([, events]) => events.length > crowd).map(([subject]) => subject);
  if (crowded.length === 0) return [];
  const { rows } = await sql<{ id: string }>`
    select id from shop_events where subject = any(${crowded}) and outcome is null and due_at <= now()
    order by subject, seq limit ${maxCrowd} for update skip locked`.execute(trx);
  return rows.map(({ id }) => id);
}

/**
 * Of locked events, leases those whose turn it is; the others are due again with the one before.
 */
async function claimFirsts(trx: Transaction<Tables>, ids: readonly string[], room: Room): Promise<ClaimedEvent[]> {
  const { rows } = await sql<ClaimedEvent>`
    with judged as (
      select e.id, e.due_at, e.seq, e.tries, coalesce((
        select due_at from shop_events sent
        where sent.subject = e.subject and sent.lease is not null and sent.due_at > now()
        limit 1
      ), (
        select due_at from shop_events first
        where first.subject = e.subject and first.seq < e.seq and first.outcome is null
        order by first.seq limit 1
      )) as behind
      from shop_events e where e.id = any(${ids}::uuid[])
    ), put_off as (
      update shop_events e set due_at = greatest(behind, now() + ${behindMs} * interval '1 millisecond')
      from judged where e.id = judged.id and behind is not null
    ), free as (
      select *, row_number() over (partition by tries > 0 order by due_at, seq) as place
      from judged where behind is null
    )
    update shop_events set
      lease = gen_random_uuid(), tries = tries + 1, due_at = now() + ${leaseMs} * interval '1 millisecond',
      first_tried_at = coalesce(first_tried_at, now())
    where id = any(array(
      select id from free where tries = 0 or place <= ${room.retries} order by due_at, seq limit ${room.events}
    ))
    returning id, type, payload, created_at as "createdAt", lease, tries,
      first_tried_at <= now() - interval '3 days' as expired`.execute(trx);
  return rows;
}
