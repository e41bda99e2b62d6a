import type { RaiseAlarm } from "@holdfast/shared/alarm.ts";
import type { Database } from "@holdfast/shared/database.ts";
import { sql } from "kysely";

const unknownTooLongMinutes = 10; // an outage of the provider is mostly shorter, and a shopper waits for every one of these
const unmatchedTooLongMinutes = 60; // a refund that the provider takes is done in seconds
const maxCounted = 1_000; // so that the count costs the same however bad it is; "1000" then means "1000 or more"

/** Raises an alarm for money that nobody could settle for long: by age, however it came about. */
export async function watchAges(db: Database, raiseAlarm: RaiseAlarm): Promise<void> {
  // The oldest first, and only then how old: by age, or with the status (which the column implies),
  // the planner may take it for few, and read and sort all that there are.
  const unknown = await sql<{ n: number; oldest: string | null }>`
    select count(*) as n, (array_agg(id))[1] as oldest from (
      select id, payment_unknown_since from orders
      where payment_unknown_since is not null
      order by payment_unknown_since limit ${maxCounted}
    ) o where payment_unknown_since < now() - ${unknownTooLongMinutes} * interval '1 minute'`.execute(db);
  const { n: unsettled = 0, oldest } = unknown.rows[0] ?? {};
  if (unsettled > 0) {
    raiseAlarm("payment_unknown_too_long", `${unsettled} orders, the oldest ${oldest}.`, { orders: unsettled, oldest });
  }
  const unmatched = await sql<{ n: number; oldest: string | null }>`
    select count(*) as n, (array_agg(payment_intent_id))[1] as oldest from (
      select payment_intent_id from unmatched_payments
      where outcome is null and next_step <> 'search' and noticed_at < now() - ${unmatchedTooLongMinutes} * interval '1 minute'
      order by noticed_at limit ${maxCounted}
    ) u`.execute(db);
  const { n: open = 0, oldest: payment } = unmatched.rows[0] ?? {};
  if (open > 0) {
    raiseAlarm("payment_unmatched_too_long", `${open} payments, the oldest ${payment}.`, {
      payments: open,
      oldest: payment,
    });
  }
}
