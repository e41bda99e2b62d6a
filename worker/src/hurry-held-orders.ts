import type { Database } from "@holdfast/shared/database.ts";
import { sql } from "kysely";

const pageSize = 1_000; // rows locked and written in one statement: some tens of milliseconds

/**
 * Has the sweeper's next passes look at all held orders, within the provider's rate: the jobs about
 * their payments, and the provider's events that waited in Redis, may be gone. Page by page along the
 * index of held orders, so that no statement takes longer the more are held. One that somebody has
 * locked is being worked on, and is left out.
 */
export async function hurryHeldOrders(db: Database): Promise<void> {
  let after = { at: "-infinity", id: "00000000-0000-0000-0000-000000000000" };
  for (;;) {
    const { rows } = await sql<{ id: string; at: string }>`
      select id, hold_expires_at::text as at from orders
      where status = 'reserved' and (hold_expires_at, id) > (${after.at}::timestamptz, ${after.id}::uuid)
      order by hold_expires_at, id limit ${pageSize}`.execute(db);
    const last = rows.at(-1);
    if (!last) return;
    after = last;
    await sql`
      update orders set payment_checked_at = 'epoch' where id in (
        select id from orders where id = any(${rows.map(({ id }) => id)}::uuid[]) and status = 'reserved'
        order by id for update skip locked
      )`.execute(db);
  }
}
