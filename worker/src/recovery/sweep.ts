import type { RaiseAlarm } from "@holdfast/shared/alarm.ts";
import { chargeQueueEntry } from "@holdfast/shared/charge-job.ts";
import type { Database } from "@holdfast/shared/database.ts";
import type { Logger } from "@holdfast/shared/log.ts";
import type { ChargeQueue } from "@holdfast/shared/queues.ts";
import type { PaymentStage } from "@holdfast/shared/tables.ts";
import { sql } from "kysely";
import type { WorkerMetrics } from "../metrics/worker-metrics.ts";

export interface SweepParts {
  readonly db: Database;
  readonly charges: ChargeQueue;
  readonly raiseAlarm: RaiseAlarm;
  readonly log: Logger;
  readonly metrics?: WorkerMetrics | undefined;
}

export interface SweepLimits {
  /**
   * Charges put in line again in one pass: they are to be sent anyway, so it only bounds the pass.
   */
  readonly unsent: number;
  /**
   * Other jobs in one pass, a share of the requests that the provider's rate limit lets through
   * until the next.
   */
  readonly asked: number;
}

type Kind = Exclude<PaymentStage, "unsent"> | "unmatched" | "searched";

/**
 * How the other jobs are shared out, so that many of one kind never starve the rest. What one kind
 * leaves, the others take.
 */
const shares: Readonly<Record<Kind, number>> = {
  unanswered: 0.35,
  waiting: 0.3,
  unmatched: 0.2,
  paid: 0.1,
  searched: 0.05,
};
const kinds = Object.keys(shares) as Kind[];

/**
 * One pass of the sweeper over what a crash, a silent provider or a shopper who walked away left
 * behind: everything that was due a while ago and was not looked at. It decides nothing about money
 * itself, it only gives out jobs. Bounded: what it does not get to is the next pass's.
 * @returns how many jobs were given out
 */
export async function sweepOnce(parts: SweepParts, limits: SweepLimits): Promise<number> {
  const { db, charges, log } = parts;
  // Added behind all others, and not at all where they wait already.
  const unsent = await takeOrders(db, "unsent", limits.unsent);
  await charges.addBulk(unsent.map(({ id, attempt }) => chargeQueueEntry("charge", id, attempt)));
  parts.metrics?.swept("unsent", unsent.length);

  let left = limits.asked;
  for (const share of [shares, null]) {
    for (const kind of kinds) {
      const quota = share === null ? left : Math.min(left, Math.max(1, Math.floor(limits.asked * share[kind])));
      if (quota <= 0) continue;
      const taken = await take(db, kind, quota);
      left -= taken.length;
      parts.metrics?.swept(kind, taken.length);
      // At the head: there are few of them, and each has waited its time already.
      const entries = taken.map(({ id }) => chargeQueueEntry("check", id, "sweep"));
      await charges.addBulk(entries.map((entry) => ({ ...entry, opts: { ...entry.opts, lifo: true } })));
    }
  }
  const asked = limits.asked - left;
  if (unsent.length + asked > 0) log.info({ unsent: unsent.length, asked }, "swept");
  return unsent.length + asked;
}

function take(db: Database, kind: Kind, limit: number): Promise<readonly Taken[]> {
  if (kind === "unmatched" || kind === "searched") return takeUnmatched(db, kind === "searched", limit);
  return takeOrders(db, kind, limit);
}

interface Taken {
  readonly id: string;
  readonly attempt: number;
}

const overdueMs = 3_000; // what is due is looked at by the job that knows of it; past this, nobody seems to

/**
 * Orders of a stage that are overdue, the longest first. They stay due, and come behind all others:
 * so those that cannot be settled, for whatever reason, only take their turn.
 */
async function takeOrders(db: Database, stage: PaymentStage, limit: number): Promise<readonly Taken[]> {
  const { rows } = await sql<Taken>`
    update orders set payment_due_at = now()
    where id = any(array(
      select id from orders
      where payment_stage(status, payment_status, payment_started_at) = ${stage} and payment_due_at <= now() - ${overdueMs} * interval '1 millisecond'
      order by payment_due_at limit ${limit}
      for update skip locked
    ))
    returning id, payment_attempt as attempt`.execute(db);
  return rows;
}

async function takeUnmatched(db: Database, searched: boolean, limit: number): Promise<readonly Taken[]> {
  const kind = searched ? sql`next_step = 'search'` : sql`next_step <> 'search'`; // each has an index
  const { rows } = await sql<Taken>`
    update unmatched_payments set due_at = now()
    where id = any(array(
      select id from unmatched_payments
      where outcome is null and ${kind} and due_at <= now() - ${overdueMs} * interval '1 millisecond'
      order by due_at limit ${limit}
      for update skip locked
    ))
    returning order_id as id, 1 as attempt`.execute(db);
  return rows;
}
