import type { Database } from "@holdfast/shared/database.ts";
import { publishItems } from "@holdfast/shared/item-view.ts";
import type { Order } from "@holdfast/shared/order.ts";
import { publishOrders } from "@holdfast/shared/order-view.ts";
import type { LaneQueue } from "@holdfast/shared/queues.ts";
import type { Store } from "@holdfast/shared/redis.ts";
import { findOrders, itemFromRow } from "@holdfast/shared/rows.ts";
import type { WorkerMetrics } from "../metrics/worker-metrics.ts";
import { cancelLostOrders } from "./cancel-lost-orders.ts";
import { findWithoutJob, maxInDoubt, viewsInBatches } from "./find-lost-orders.ts";
import { hurryHeldOrders } from "./hurry-held-orders.ts";
import { publishRecentOrders } from "./publish-recent-orders.ts";

/**
 * What follows where Redis was emptied or restored from an older state: what it says of orders is
 * brought in line with Postgres, and orders that it says are in line without being there are
 * cancelled. All of it may be done twice.
 */

export interface RecoverParts extends Store {
  readonly db: Database;
  readonly lanes: readonly LaneQueue[];
  readonly metrics?: Pick<WorkerMetrics, "settled"> | undefined;
  /** Aborted when the process ends: whoever comes next begins anew. */
  readonly signal: AbortSignal;
}

/**
 * @param noticedAtMs when the loss was noticed: what was placed later is in the Redis that is there
 *   now
 * @param atOnce orders held against the lanes' jobs in one go
 */
export async function recoverFromPostgres(parts: RecoverParts, noticedAtMs: number, atOnce = maxInDoubt) {
  await hurryHeldOrders(parts.db, parts.signal);
  const items = await parts.db.selectFrom("items").selectAll().execute();
  await publishItems(parts, items.map(itemFromRow));
  const published = await publishRecentOrders(parts);
  const { corrected, cancelled } = await mendViews(parts, noticedAtMs, atOnce);
  return { published, corrected, cancelled };
}

/**
 * Goes through all live views. One that is older than Postgres is replaced. One that waits in line
 * without being there, and was never decided, is of an order that is lost: it is cancelled. Its
 * view is never just taken away, since its shopper may repeat it meanwhile and have their 202 for
 * it: with a row, that repeat's job finds it decided.
 */
async function mendViews(parts: RecoverParts, noticedAtMs: number, atOnce: number) {
  const { db, redis, keys, lanes, signal } = parts;
  const inDoubt = new Map<string, Order>();
  let corrected = 0;
  let cancelled = 0;
  const settle = async () => {
    cancelled += await cancelLostOrders(parts, await findWithoutJob(lanes, inDoubt, signal));
    inDoubt.clear();
  };
  for await (const views of viewsInBatches({ redis, keys }, signal)) {
    const rows = await findOrders(
      db,
      views.map((view) => view.id),
    );
    const newer = views.flatMap((view) => {
      const record = rows.get(view.id);
      return record && record.version > view.version ? [record] : [];
    });
    await publishOrders({ redis, keys }, newer);
    corrected += newer.length;
    for (const view of views) {
      const undecided = view.status === "queued" && !rows.has(view.id);
      if (undecided && view.placedAtMs < noticedAtMs) inDoubt.set(view.id, view);
    }
    if (inDoubt.size >= atOnce) await settle();
  }
  await settle();
  return { corrected, cancelled };
}
