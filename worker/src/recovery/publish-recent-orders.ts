import type { Database } from "@holdfast/shared/database.ts";
import { publishOrders, viewTtlMs } from "@holdfast/shared/order-view.ts";
import type { Store } from "@holdfast/shared/redis.ts";
import { findOrders } from "@holdfast/shared/rows.ts";
import { batchSize } from "./find-lost-orders.ts";

export interface PublishParts extends Store {
  readonly db: Database;
  readonly signal: AbortSignal;
}

const maxPublished = 100_000; // the orders somebody may be asking about right now; older ones are read from Postgres

/**
 * Live views of what was decided lately, newest first, so that a crowd's polls do not all fall on
 * Postgres. Ends at the first page that is older than a view lives: however many events there are,
 * it reads few more than it needs.
 * @returns how many orders were published
 */
export async function publishRecentOrders({ db, redis, keys, signal }: PublishParts): Promise<number> {
  const sinceMs = Date.now() - viewTtlMs;
  const published = new Set<string>();
  let before = Number.MAX_SAFE_INTEGER;
  while (published.size < maxPublished) {
    signal.throwIfAborted();
    const events = await eventsBefore(db, before).execute();
    const last = events.at(-1);
    if (!last) break;
    before = last.id;
    const ids = new Set(events.map((event) => event.order_id).filter((id) => !published.has(id)));
    const orders = await findOrders(db, [...ids]);
    await publishOrders({ redis, keys }, [...orders.values()]);
    for (const id of ids) published.add(id);
    if (last.at.getTime() < sinceMs) break;
  }
  return published.size;
}

/**
 * A page of events from the primary key, whose order is that of what happened but for the length of
 * a transaction. Asked by time, for which there is no index, the last page would be all events
 * ever.
 */
export function eventsBefore(db: Database, id: number) {
  return db
    .selectFrom("order_events")
    .select(["id", "order_id", "at"])
    .where("id", "<", id)
    .orderBy("id", "desc")
    .limit(batchSize);
}
