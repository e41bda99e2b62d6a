import type { Database } from "@holdfast/shared/database.ts";
import { sql } from "kysely";

const silentMs = 60_000; // a worker that delivers says so three times in this (serve-shop-webhooks.ts)

/**
 * Says whether this worker has a shop to deliver to; events are written only where one has. A
 * worker without one speaks for itself alone: it ends the writing only where no other has delivered
 * for a minute. So neither a worker that lacks the setting nor one that is being replaced loses the
 * others' events.
 */
export async function noteListening(db: Database, listens: boolean): Promise<void> {
  if (listens) await sql`update shop_webhook set listened_at = now()`.execute(db);
  else
    await sql`
      update shop_webhook set listened_at = null
      where listened_at < now() - ${silentMs} * interval '1 millisecond'`.execute(db);
}

/** As long as an event is tried: until then the shop may ask to have one again. */
const deliveredKept = "3 days";
const deadKept = "30 days";
/** Where nobody delivers any more. */
const untriedKept = "7 days";
const page = 1_000; // some ten milliseconds

/**
 * Deletes events that are over, and ends those that nobody has delivered for a week.
 * @returns whether there may be more of them
 */
export async function forgetEvents(db: Database): Promise<boolean> {
  const forget = (outcome: "delivered" | "dead", kept: string) =>
    sql`
      delete from shop_events where id in (
        select id from shop_events
        where outcome = ${outcome} and finished_at < now() - ${kept}::interval
        order by finished_at limit ${page} for update skip locked
      )`.execute(db);
  const end = () =>
    sql`
      update shop_events set outcome = 'dead', finished_at = now(), lease = null, last_error = 'nobody delivered it'
      where id in (
        select id from shop_events where outcome is null and due_at < now() - ${untriedKept}::interval
        order by due_at, seq limit ${page} for update skip locked
      )`.execute(db);
  const results = [await forget("delivered", deliveredKept), await forget("dead", deadKept), await end()];
  return results.some(({ numAffectedRows }) => Number(numAffectedRows) === page);
}
