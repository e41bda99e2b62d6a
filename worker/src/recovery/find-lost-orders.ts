import type { Order } from "@holdfast/shared/order.ts";
import { decodeView } from "@holdfast/shared/order-view-text.ts";
import type { LaneQueue } from "@holdfast/shared/queues.ts";
import type { Store } from "@holdfast/shared/redis.ts";
import { restoreId } from "@holdfast/shared/short-id.ts";
import { Cluster } from "ioredis";

/**
 * Orders whose live view says that they wait in line, though they are in no purchase job and were
 * never decided.
 */

export const maxInDoubt = 50_000; // orders held against the lanes' jobs in one go: some tens of megabytes
export const batchSize = 500; // orders read, compared and published in one go: some ten milliseconds on either side
const shortId = /^[\w-]{22}$/; // nothing else can be an order's id
const jobsPerPage = 50; // up to 25,000 orders

/**
 * Which of these orders are in no job of these lanes. Looked at twice: a job can move while the
 * lane is read.
 */
export async function findWithoutJob(
  lanes: readonly LaneQueue[],
  inDoubt: ReadonlyMap<string, Order>,
  signal: AbortSignal,
): Promise<Order[]> {
  const left = new Map(inDoubt);
  for (let look = 0; look < 2 && left.size > 0; look++) {
    for (const lane of lanes) await strikeOutOrdersIn(lane, left, signal);
  }
  return [...left.values()];
}

async function strikeOutOrdersIn(lane: LaneQueue, inDoubt: Map<string, Order>, signal: AbortSignal): Promise<void> {
  // From the newest on: a lane grows at that end, so nothing is passed over meanwhile.
  for (const state of ["waiting", "delayed", "prioritized", "active", "failed"] as const) {
    for (let start = 0; inDoubt.size > 0; start += jobsPerPage) {
      signal.throwIfAborted();
      const jobs = await lane.getJobs([state], start, start + jobsPerPage - 1);
      for (const job of jobs) {
        const orders: unknown = job?.data?.orders;
        if (Array.isArray(orders))
          for (const order of orders) inDoubt.delete(restoreId(String((order as unknown[])[0])));
      }
      if (jobs.length < jobsPerPage) break;
    }
  }
}

/** All live views, some hundreds at a time. */
export async function* viewsInBatches({ redis, keys }: Store, signal: AbortSignal): AsyncGenerator<Order[]> {
  const prefix = keys.shopperOrders("");
  const pattern = `${prefix.replace(/[\\*?[\]]/g, "\\$&")}*`;
  for (const server of redis instanceof Cluster ? redis.nodes("master") : [redis]) {
    let cursor = "0";
    do {
      signal.throwIfAborted();
      const [next, found] = await server.scan(cursor, "MATCH", pattern, "COUNT", batchSize);
      cursor = next;
      const views = await Promise.all(
        found.map(async (key) => {
          const entries = Object.entries(await redis.hgetall(key)).filter(([id]) => shortId.test(id));
          return entries.flatMap(([id, text]) => decodeView(key.slice(prefix.length), restoreId(id), text) ?? []);
        }),
      );
      // A shopper may have any number of them, and Postgres is asked about a batch in one
      // statement.
      const all = views.flat();
      for (let i = 0; i < all.length; i += batchSize) yield all.slice(i, i + batchSize);
    } while (cursor !== "0");
  }
}
