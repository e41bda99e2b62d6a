import type { Database } from "@holdfast/shared/database.ts";
import type { PaymentStage } from "@holdfast/shared/tables.ts";
import { sql } from "kysely";

const pageSize = 1_000; // rows locked and written in one statement: some tens of milliseconds
const stages: readonly PaymentStage[] = ["unsent", "unanswered", "waiting"];

/**
 * Has the sweeper's next passes look at all held orders, within the provider's rate: the jobs about
 * their payments, and the provider's events that waited in Redis, may be gone. Page by page along
 * the index of what is due, so that no statement takes longer the more are held. One that somebody
 * has locked is being worked on, and is left out.
 */
export async function hurryHeldOrders(db: Database, signal: AbortSignal): Promise<void> {
  for (const stage of stages) {
    for (let last: string | null = "-infinity"; last !== null; ) {
      last = await hurryPage(db, stage, last);
      signal.throwIfAborted();
    }
  }
}

/**
 * @param from when the last order of the page before was due. Without it each page would begin with
 *   what the pages before have moved: while a backup runs, say, those stay in the index.
 * @returns when the last order of this page was due; null where there was none
 */
async function hurryPage(db: Database, stage: PaymentStage, from: string): Promise<string | null> {
  const { rows } = await sql<{ last: string | null }>`
    with page as (
      select id, payment_due_at from orders
      where payment_stage(status, payment_status, payment_started_at) = ${stage}
        and payment_due_at > now() and payment_due_at >= ${from}::timestamptz
      order by payment_due_at limit ${pageSize} for update skip locked
    ), hurried as (
      update orders set payment_due_at = now() from page where orders.id = page.id
    )
    select max(payment_due_at)::text as last from page`.execute(db);
  return rows[0]?.last ?? null;
}
