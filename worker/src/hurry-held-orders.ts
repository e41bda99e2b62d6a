import type { Database, PaymentStage } from "@holdfast/shared/database.ts";
import { sql } from "kysely";

const pageSize = 1_000; // rows locked and written in one statement: some tens of milliseconds
const stages: readonly PaymentStage[] = ["unsent", "unanswered", "waiting"];

/**
 * Has the sweeper's next passes look at all held orders, within the provider's rate: the jobs about
 * their payments, and the provider's events that waited in Redis, may be gone. Page by page along the
 * index of what is due, so that no statement takes longer the more are held. One that somebody has
 * locked is being worked on, and is left out.
 */
export async function hurryHeldOrders(db: Database, signal: AbortSignal): Promise<void> {
  for (const stage of stages) {
    while ((await hurryPage(db, stage)) > 0) signal.throwIfAborted();
  }
}

async function hurryPage(db: Database, stage: PaymentStage): Promise<number> {
  const { numAffectedRows } = await sql`
    update orders set payment_due_at = now() where id in (
      select id from orders where payment_stage(status, payment_status, payment_started_at) = ${stage} and payment_due_at > now()
      order by payment_due_at limit ${pageSize} for update skip locked
    )`.execute(db);
  return Number(numAffectedRows ?? 0);
}
