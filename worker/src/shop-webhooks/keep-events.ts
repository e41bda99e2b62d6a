import type { RaiseAlarm } from "@holdfast/shared/alarm.ts";
import type { Database } from "@holdfast/shared/database.ts";
import { sql } from "kysely";

const unservedAfter = "7 days"; // as shop_is_served() has it (migrations/sql/010_shop_events.sql)

/**
 * Notes that a worker delivers to the shop: from now on events are written, until no worker has
 * noted it for a week.
 */
export async function noteDelivering(db: Database): Promise<void> {
  await sql`update shop_webhook set delivering_at = now()`.execute(db);
}

/**
 * Notices that no worker has delivered for a week, as a worker without a shop: nothing has been
 * written since then, and what was written before is given up. A worker never ends the writing
 * sooner: after an outage it cannot know what the others are about to do.
 */
export async function noteUnserved(db: Database, raiseAlarm: RaiseAlarm): Promise<void> {
  const { numAffectedRows } = await sql`
    update shop_webhook set delivering_at = null
    where delivering_at <= now() - ${unservedAfter}::interval`.execute(db);
  if (Number(numAffectedRows) === 0) return;
  raiseAlarm("shop_events_ended", "See npm run shop-webhooks.");
}

/** As long as an event is tried: until then the shop may ask to have one again. */
const deliveredKept = "3 days";
const deadKept = "30 days";
const page = 500; // some ten milliseconds

/**
 * Deletes events that are over. Where no worker has delivered for a week it also ends, as dead and
 * with an alarm, those that were due all that time; where one delivers, only tries end an event.
 * @returns whether there may be more of them
 */
export async function forgetEvents(db: Database, raiseAlarm: RaiseAlarm): Promise<boolean> {
  const forget = (outcome: "delivered" | "dead", kept: string) =>
    sql`
      delete from shop_events where id = any(array(
        select id from shop_events
        where outcome = ${outcome} and finished_at < now() - ${kept}::interval
        order by finished_at limit ${page} for update skip locked
      ))`.execute(db);
  const ended = await sql`
    update shop_events set outcome = 'dead', finished_at = now(), lease = null, last_error = 'nobody delivered it'
    where id = any(array(
      select id from shop_events
      where outcome is null and due_at < now() - ${unservedAfter}::interval and not shop_is_served()
      order by due_at, seq limit ${page} for update skip locked
    ))`.execute(db);
  if (Number(ended.numAffectedRows) > 0) {
    raiseAlarm("shop_event_dead", "No worker with SHOP_WEBHOOK_URL delivered them for a week.");
  }
  const results = [ended, await forget("delivered", deliveredKept), await forget("dead", deadKept)];
  return results.some(({ numAffectedRows }) => Number(numAffectedRows) === page);
}

const lateMinutes = 15; // a restart of the shop is over by then
const maxCounted = 1_000; // so that the count costs the same however bad it is: that many or more

/**
 * Raises an alarm for events that the shop has not taken for long: by age, so that a shop that
 * hangs is noticed as soon as one that refuses.
 */
export async function watchLateEvents(db: Database, raiseAlarm: RaiseAlarm): Promise<void> {
  const { rows } = await sql<{ n: number; oldest: string | null; why: string | null }>`
    select count(*) as n, (array_agg('msg_' || id))[1] as oldest, (array_agg(last_error))[1] as why from (
      select id, last_error from shop_events
      where outcome is null and first_tried_at < now() - ${lateMinutes} * interval '1 minute'
      order by first_tried_at limit ${maxCounted}
    ) e`.execute(db);
  const { n: events = 0, oldest, why } = rows[0] ?? {};
  if (events === 0) return;
  raiseAlarm("shop_events_late", `${events} events for over ${lateMinutes} minutes (${why}).`, { events, oldest, why });
}
