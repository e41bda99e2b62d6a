import type { Database } from "@holdfast/shared/database.ts";
import { sql } from "kysely";
import type { ClaimedEvent } from "./claim-events.ts";

/**
 * An event was delivered, or is tried no more: the next one of its order or item is due. Changes
 * nothing where the lease was lost to another worker.
 *
 * In two steps. A look that goes on meanwhile may still see the event as being sent, and put the
 * next one off until its lease ends; that of the second step's time has committed, or holds the row
 * that we then wait for. *Dies in between:* the next one waits for the lease at most.
 * @param why of a dead one, the last failure
 */
export async function finishEvent(
  db: Database,
  { id, lease }: ClaimedEvent,
  outcome: "delivered" | "dead",
  why: string | null,
): Promise<void> {
  const { rows } = await sql<{ subject: string }>`
    update shop_events set outcome = ${outcome}, finished_at = now(), lease = null, last_error = ${why}
    where id = ${id} and lease = ${lease}
    returning subject`.execute(db);
  const [finished] = rows;
  if (finished) await wakeNext(db, finished.subject);
}

/**
 * Makes a subject's oldest event that is not finished due, whatever its row says: with a condition
 * on when it is due, one that is being put off at this moment would not be waited for.
 */
async function wakeNext(db: Database, subject: string): Promise<void> {
  await sql`
    update shop_events set due_at = least(due_at, now())
    where lease is null and id = (
      select id from shop_events where subject = ${subject} and outcome is null order by seq limit 1
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
