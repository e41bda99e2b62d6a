import type { Database } from "@holdfast/shared/database.ts";
import { isRehearsal } from "@holdfast/shared/item.ts";
import { laneOf } from "@holdfast/shared/lanes.ts";
import { readItemLine } from "@holdfast/shared/line.ts";
import type { LaneQueue } from "@holdfast/shared/queues.ts";
import type { Store } from "@holdfast/shared/redis.ts";
import { shortenId } from "@holdfast/shared/short-id.ts";
import type { Tables } from "@holdfast/shared/tables.ts";
import { sql, type Transaction } from "kysely";
import { appendAudit } from "./audit.ts";
import type { Operator } from "./ops-guard.ts";

export type Deleted = "deleted" | "not_found" | "no_rehearsal" | "in_use";

// Deleted by one statement, half a second's work: 60,000 at once took five, and at ten a statement
// is cancelled.
const page = 5_000;

/**
 * Deletes all of a rehearsal: its item, orders and events, what Redis has of them. The audit trail
 * keeps that there was one. Redis first, then the commit: whoever dies in between has deleted
 * nothing for good, and the next one deletes all.
 *
 * The last statement makes Postgres look for orders of the item by a column without an index, some
 * half a second for each million of orders: an index would make every insert of an order a tenth
 * dearer (measured).
 */
export async function deleteRehearsal(
  { db, redis, keys, lanes }: Store & { readonly db: Database; readonly lanes: readonly LaneQueue[] },
  operator: Operator,
  itemId: string,
): Promise<Deleted> {
  if (!isRehearsal(itemId)) return "no_rehearsal";
  const lane = lanes[laneOf(itemId, lanes.length)]?.name ?? "";
  const [line, accepted] = await Promise.all([
    readItemLine({ redis, keys }, lane, itemId),
    redis.hget(keys.line(lane), `accepted:${itemId}`),
  ]);
  if (Number(accepted ?? 0) > line.decidedPlace) return "in_use";
  return db.transaction().execute(async (trx) => {
    const item = await trx.selectFrom("items").select("id").where("id", "=", itemId).forUpdate().executeTakeFirst();
    if (!item) return "not_found";
    const ofItem = trx.selectFrom("orders").select(["id", "shopper_id"]).where("item_id", "=", itemId);
    if (await ofItem.where("status", "=", "reserved").executeTakeFirst()) return "in_use";
    let orders = 0;
    for (;;) {
      const some = await ofItem.limit(page).execute();
      if (some.length === 0) break;
      await deleteOrders(
        trx,
        some.map(({ id }) => id),
      );
      await Promise.all(some.map(({ id, shopper_id }) => redis.hdel(keys.shopperOrders(shopper_id), shortenId(id))));
      orders += some.length;
    }
    await redis.hdel(keys.items, itemId);
    await redis.hdel(keys.line(lane), ...["accepted", "decided", "pace"].map((field) => `${field}:${itemId}`));
    await sql`delete from item_totals where item_id = ${itemId}`.execute(trx);
    await sql`delete from items where id = ${itemId}`.execute(trx);
    const subject = `item ${itemId}`;
    await appendAudit(trx, operator, { action: "item.delete_rehearsal", subject, before: { orders }, after: null });
    return "deleted";
  });
}

async function deleteOrders(trx: Transaction<Tables>, ids: readonly string[]): Promise<void> {
  await sql`delete from order_events where order_id = any(${ids}::uuid[])`.execute(trx);
  await sql`delete from unmatched_payments where order_id = any(${ids}::uuid[])`.execute(trx);
  await sql`delete from orders where id = any(${ids}::uuid[])`.execute(trx);
}
