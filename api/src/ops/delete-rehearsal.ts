import type { Database } from "@holdfast/shared/database.ts";
import { isRehearsal } from "@holdfast/shared/item.ts";
import { laneOf } from "@holdfast/shared/lanes.ts";
import { readItemLine } from "@holdfast/shared/line.ts";
import type { LaneQueue } from "@holdfast/shared/queues.ts";
import type { Store } from "@holdfast/shared/redis.ts";
import { sql } from "kysely";
import { appendAudit } from "./audit.ts";
import type { Operator } from "./ops-guard.ts";

export type Deleted = "deleted" | "not_found" | "no_rehearsal" | "in_use";

const page = 1_000; // shoppers' views deleted at a time

/**
 * Deletes all of a rehearsal: its item, orders and events, what Redis has of them. The audit trail
 * keeps that there was one. *Dies after the commit:* views and places stay in Redis for a day at
 * most, and nobody looks at them.
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
  const shoppers = await db.transaction().execute(async (trx) => {
    const item = await trx.selectFrom("items").select("id").where("id", "=", itemId).forUpdate().executeTakeFirst();
    if (!item) return "not_found" as const;
    const orders = await trx
      .selectFrom("orders")
      .select(["shopper_id", "status"])
      .where("item_id", "=", itemId)
      .execute();
    if (orders.some(({ status }) => status === "reserved")) return "in_use" as const;
    const ofItem = sql`order_id in (select id from orders where item_id = ${itemId})`;
    await sql`delete from order_events where ${ofItem}`.execute(trx);
    await sql`delete from unmatched_payments where ${ofItem}`.execute(trx);
    await sql`delete from orders where item_id = ${itemId}`.execute(trx);
    await sql`delete from item_totals where item_id = ${itemId}`.execute(trx);
    await sql`delete from items where id = ${itemId}`.execute(trx);
    const subject = `item ${itemId}`;
    const before = { orders: orders.length };
    await appendAudit(trx, operator, { action: "item.delete_rehearsal", subject, before, after: null });
    return [...new Set(orders.map(({ shopper_id }) => shopper_id))];
  });
  if (typeof shoppers === "string") return shoppers;
  for (let start = 0; start < shoppers.length; start += page) {
    const some = shoppers.slice(start, start + page);
    await Promise.all(some.map((shopper) => redis.del(keys.shopperOrders(shopper))));
  }
  await redis.hdel(keys.items, itemId);
  await redis.hdel(keys.line(lane), ...["accepted", "decided", "pace"].map((field) => `${field}:${itemId}`));
  return "deleted";
}
