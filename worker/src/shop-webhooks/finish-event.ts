import type { Database } from "@holdfast/shared/database.ts";
import { sql } from "kysely";
import type { ClaimedEvent } from "./claim-events.ts";

/**
 * An event was delivered, or is tried no more: the next one of its order or item is due. Changes
 * nothing where the lease was lost to another worker.
 * @param why of a dead one, the last failure
 */
export async function finishEvent(
  db: Database,
  { id, lease }: ClaimedEvent,
  outcome: "delivered" | "dead",
  why: string | null,
): Promise<void> {
  await sql`
    with finished as (
      update shop_events set outcome = ${outcome}, finished_at = now(), lease = null, last_error = ${why}
      where id = ${id} and lease = ${lease}
      returning id, subject
    )
    update shop_events set due_at = now()
    where lease is null and due_at > now() and id = (
      select next.id from shop_events next, finished
      where next.subject = finished.subject and next.id <> finished.id and next.outcome is null
      order by next.seq limit 1
    )`.execute(db);
}

/** A try failed, and there will be another one. */
export async function putOffEvent(
  db: Database,
  { id, lease }: ClaimedEvent,
  why: string,
  retryMs: number,
): Promise<void> {
  await sql`
    update shop_events set due_at = now() + ${retryMs} * interval '1 millisecond', lease = null, last_error = ${why}
    where id = ${id} and lease = ${lease}`.execute(db);
}

/**
 * A try that this worker cut short, being closed: it does not count, and another worker's is due.
 */
export async function putBackEvent(db: Database, { id, lease }: ClaimedEvent): Promise<void> {
  await sql`
    update shop_events set
      due_at = now(), lease = null, tries = tries - 1,
      first_tried_at = case when tries > 1 then first_tried_at end
    where id = ${id} and lease = ${lease}`.execute(db);
}
