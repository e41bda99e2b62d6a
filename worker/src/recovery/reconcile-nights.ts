import type { RaiseAlarm } from "@holdfast/shared/alarm.ts";
import type { Database } from "@holdfast/shared/database.ts";
import type Stripe from "stripe";
import { printDifferences, reconcile, type TimeWindow } from "./reconcile.ts";

const hourMs = 3_600_000;
const windowMs = 6 * hourMs; // what is compared at a time; the ids of what was paid in it are held in memory
const overlapMs = 6 * hourMs; // a payment made in the window before may have been paid or refunded in this one
const settlingMs = hourMs; // what is still under way is the next night's
const firstWindowMs = 24 * hourMs; // how far back the first night looks

export interface NightParts {
  readonly db: Database;
  readonly stripe: Stripe;
  readonly raiseAlarm: RaiseAlarm;
  /** Ends it between two requests; the next night goes on from there. */
  readonly closing?: AbortSignal;
}

/**
 * Compares everything since the last comparison with the provider, a window at a time. Each is
 * written down as done when it is: a night without workers is caught up, and one that was
 * interrupted goes on where it was.
 */
export async function reconcileNights(
  { db, stripe, raiseAlarm, closing }: NightParts,
  nowMs = Date.now(),
): Promise<void> {
  const endMs = nowMs - settlingMs;
  while (!closing?.aborted) {
    const window = await nextWindow(db, endMs);
    if (window === null) return;
    const listed = { fromMs: window.fromMs - overlapMs, toMs: window.toMs };
    const { differences } = await reconcile(db, stripe, listed, closing);
    if (differences.length > 0) {
      const night = new Date(window.fromMs).toISOString();
      raiseAlarm(`reconcile_differs:${night}`, `${differences.length} payments since ${night}.`, {
        differences: differences.slice(0, 100),
        table: printDifferences(differences.slice(0, 20)),
      });
    }
    const { fromMs, toMs } = window;
    const values = { from_time: new Date(fromMs), to_time: new Date(toMs), differences: differences.length };
    await db.insertInto("reconciliations").values(values).execute();
  }
}

/** From where the last one ended; null where nothing is left. */
async function nextWindow(db: Database, endMs: number): Promise<TimeWindow | null> {
  const last = await db
    .selectFrom("reconciliations")
    .select("to_time")
    .orderBy("to_time", "desc")
    .limit(1)
    .executeTakeFirst();
  const fromMs = last ? last.to_time.getTime() : endMs - firstWindowMs;
  return fromMs < endMs ? { fromMs, toMs: Math.min(fromMs + windowMs, endMs) } : null;
}
