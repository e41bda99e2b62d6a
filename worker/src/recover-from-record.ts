import { type Database, itemFromRow, orderColumns, orderFromRow } from "@holdfast/shared/database.ts";
import { publishItems } from "@holdfast/shared/item-view.ts";
import type { OrderRecord } from "@holdfast/shared/order.ts";
import { decodeView, encodeView, publishOrders, viewTtlMs } from "@holdfast/shared/order-view.ts";
import type { LaneQueue } from "@holdfast/shared/queues.ts";
import type { RedisClient, RedisKeys } from "@holdfast/shared/redis.ts";
import { restoreId, shortenId } from "@holdfast/shared/short-id.ts";
import { Cluster } from "ioredis";
import { sql } from "kysely";

/**
 * What follows where Redis was emptied or restored from an older state: what it says of orders is brought in line with the record, and
 * what it says of orders that are nowhere else is taken back. All of it may be done twice.
 */

export interface RecoverParts {
  readonly db: Database;
  readonly redis: RedisClient;
  readonly keys: RedisKeys;
  readonly lanes: readonly LaneQueue[];
}

const batchSize = 500; // orders read, compared and published in one go: some ten milliseconds on either side
const shortId = /^[\w-]{22}$/; // nothing else can be an order's id
const maxPublished = 100_000; // the orders somebody may be asking about right now; older ones are read from the record
const jobsPerPage = 50; // up to 25,000 orders

/**
 * Held orders need nothing here, though the jobs about their payments may be gone: the sweeper goes
 * by Postgres alone and makes new ones within half a minute.
 * @param noticedAtMs when the loss was noticed: what was placed later is in the Redis that is there now
 */
export async function recoverFromRecord(parts: RecoverParts, noticedAtMs: number) {
  const items = await parts.db.selectFrom("items").selectAll().execute();
  await publishItems(parts.redis, parts.keys, items.map(itemFromRow));
  const published = await publishRecent(parts);
  const { corrected, lost } = await mendViews(parts, noticedAtMs);
  return { published, corrected, lostViews: lost };
}

/**
 * Live views of what was decided lately, newest first, so that a crowd's polls do not all fall on
 * Postgres. Goes back by the events' ids, which are in the order of what happened but for a
 * transaction's length, so that each page is read from the primary key, and ends at the first page
 * that is older than a view lives: however many events there are, it reads few more than it needs.
 */
async function publishRecent({ db, redis, keys }: RecoverParts): Promise<number> {
  const sinceMs = Date.now() - viewTtlMs;
  const published = new Set<string>();
  let before = Number.MAX_SAFE_INTEGER;
  while (published.size < maxPublished) {
    const events = await db
      .selectFrom("order_events")
      .select(["id", "order_id", "at"])
      .where("id", "<", before)
      .orderBy("id", "desc")
      .limit(batchSize)
      .execute();
    const last = events.at(-1);
    if (!last) break;
    before = last.id;
    const ids = new Set(events.map((event) => event.order_id).filter((id) => !published.has(id)));
    const orders = await findOrders(db, [...ids]);
    await publishOrders(redis, keys, [...orders.values()]);
    for (const id of ids) published.add(id);
    if (last.at.getTime() < sinceMs) break;
  }
  return published.size;
}

/**
 * Goes through all live views. One that is older than the record is replaced. One that waits in line without being there, and was never
 * decided, is of an order that is lost: it is taken away, so that nobody waits for it.
 */
async function mendViews(parts: RecoverParts, noticedAtMs: number): Promise<{ corrected: number; lost: number }> {
  const { db, redis, keys } = parts;
  const inDoubt = new Map<string, OrderRecord>();
  let corrected = 0;
  for await (const views of viewsInBatches(redis, keys)) {
    const records = await findOrders(
      db,
      views.map((view) => view.id),
    );
    const newer = views.flatMap((view) => {
      const record = records.get(view.id);
      return record && record.version > view.version ? [record] : [];
    });
    await publishOrders(redis, keys, newer);
    corrected += newer.length;
    for (const view of views) {
      const undecided = view.status === "queued" && !records.has(view.id);
      if (undecided && view.placedAtMs < noticedAtMs) inDoubt.set(view.id, view);
    }
  }
  const lost = await findLost(parts, inDoubt);
  let taken = 0;
  for (const view of lost) {
    taken += Number(
      await redis.eval(takeBackScript, 1, keys.shopperOrders(view.shopperId), shortenId(view.id), encodeView(view)),
    );
  }
  return { corrected, lost: taken };
}

// Only as it was seen: its shopper may have bought again under the same key meanwhile.
const takeBackScript = `
if redis.call("HGET", KEYS[1], ARGV[1]) == ARGV[2] then return redis.call("HDEL", KEYS[1], ARGV[1]) end
return 0`;

/** Which of these orders are neither in a lane nor in the record. Looked at twice: a job can move while the lane is read. */
async function findLost({ db, lanes }: RecoverParts, inDoubt: Map<string, OrderRecord>): Promise<OrderRecord[]> {
  for (let look = 0; look < 2 && inDoubt.size > 0; look++) {
    for (const lane of lanes) await strikeOutOrdersIn(lane, inDoubt);
  }
  const ids = [...inDoubt.keys()];
  for (let i = 0; i < ids.length; i += batchSize) {
    for (const id of (await findOrders(db, ids.slice(i, i + batchSize))).keys()) inDoubt.delete(id);
  }
  return [...inDoubt.values()];
}

async function strikeOutOrdersIn(lane: LaneQueue, inDoubt: Map<string, OrderRecord>): Promise<void> {
  // From the newest on: a lane grows at that end, so nothing is passed over meanwhile.
  for (const state of ["waiting", "delayed", "prioritized", "active", "failed"] as const) {
    for (let start = 0; ; start += jobsPerPage) {
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

async function* viewsInBatches(redis: RedisClient, keys: RedisKeys): AsyncGenerator<OrderRecord[]> {
  const prefix = keys.shopperOrders("");
  const pattern = `${prefix.replace(/[\\*?[\]]/g, "\\$&")}*`;
  for (const server of redis instanceof Cluster ? redis.nodes("master") : [redis]) {
    let cursor = "0";
    do {
      const [next, found] = await server.scan(cursor, "MATCH", pattern, "COUNT", batchSize);
      cursor = next;
      const views = await Promise.all(
        found.map(async (key) => {
          const entries = Object.entries(await redis.hgetall(key)).filter(([id]) => shortId.test(id));
          return entries.map(([id, text]) => decodeView(key.slice(prefix.length), restoreId(id), text));
        }),
      );
      if (found.length > 0) yield views.flat();
    } while (cursor !== "0");
  }
}

async function findOrders(db: Database, ids: readonly string[]): Promise<Map<string, OrderRecord>> {
  const rows = await db
    .selectFrom("orders")
    .select(orderColumns)
    .where("id", "=", sql<string>`any(${ids}::uuid[])`)
    .execute();
  return new Map(rows.map((row) => [row.id, orderFromRow(row)]));
}
