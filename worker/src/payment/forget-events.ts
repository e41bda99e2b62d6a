import type { Database } from "@holdfast/shared/database.ts";
import { sql } from "kysely";

/** The provider sends an event for three days at most; a month is for those who look into one. */
const eventsKept = "30 days";

/** Deletes events of long ago, a bounded number at a time. */
export async function forgetOldEvents(db: Database): Promise<void> {
  await sql`
    delete from webhook_events where id = any(array(
      select id from webhook_events where received_at < now() - ${eventsKept}::interval order by received_at limit 1000
    ))`.execute(db);
}
