import { randomUUID } from "node:crypto";
import type { Database } from "@holdfast/shared/database.ts";
import type { Store } from "@holdfast/shared/redis.ts";
import { redisScript } from "@holdfast/shared/redis-script.ts";
import type { Tables } from "@holdfast/shared/tables.ts";
import { sql, type Transaction } from "kysely";
import { appendAudit } from "./audit.ts";
import type { Operator } from "./ops-guard.ts";

export type Forgotten =
  | { readonly kind: "forgotten"; readonly orders: number; readonly shopperId: string }
  /** An order of theirs is in line or held: it needs its shopper still. */
  | { readonly kind: "open_orders" };

/**
 * How many of a shopper's live views are of orders that are not settled; a view's second field is
 * its status.
 */
const countLiveLua = `
local function is_live(view)
  local status = string.match(view, "^[^|]*|([^|]*)")
  return status == "queued" or status == "reserved"
end`;
const countLive = redisScript<number>(
  "countLiveViews",
  `${countLiveLua}
local live = 0
for _, view in ipairs(redis.call("HVALS", KEYS[1])) do if is_live(view) then live = live + 1 end end
return live`,
);
const dropSettled = redisScript<number>(
  "dropSettledViews",
  `${countLiveLua}
local views, dropped = redis.call("HGETALL", KEYS[1]), 0
for i = 1, #views, 2 do
  if not is_live(views[i + 1]) then dropped = dropped + redis.call("HDEL", KEYS[1], views[i]) end
end
return dropped`,
);

/**
 * Forgets a shopper: the orders stay, for the books, under an identity that stands for nobody, and
 * what the shop kept with them goes. *Dies after the commit:* the live views stay for a day at
 * most; asking again drops them. An order that is placed meanwhile is left alone.
 */
export async function forgetShopper(
  { db, redis, keys }: Store & { readonly db: Database },
  operator: Operator,
  shopperId: string,
): Promise<Forgotten> {
  const views = keys.shopperOrders(shopperId);
  if ((await countLive(redis, [views], [])) > 0) return { kind: "open_orders" };
  const replacement = `forgotten-${randomUUID()}`;
  const orders = await db.transaction().execute(async (trx) => {
    const rows = await trx
      .selectFrom("orders")
      .select(["id", "status"])
      .where("shopper_id", "=", shopperId)
      .forUpdate()
      .execute();
    if (rows.some(({ status }) => status === "reserved")) return null;
    const ids = rows.map(({ id }) => id);
    await replaceIdentity(trx, ids, replacement);
    const archived = await replaceArchived(trx, shopperId, replacement);
    // The trail names whom nobody knows any more: it would remember what is to be forgotten.
    const subject = `shopper ${replacement}`;
    const after = { orders: rows.length + archived };
    await appendAudit(trx, operator, { action: "shopper.forget", subject, before: null, after });
    return after.orders;
  });
  if (orders === null) return { kind: "open_orders" };
  await dropSettled(redis, [views], []);
  return { kind: "forgotten", orders, shopperId: replacement };
}

/**
 * Of these orders, which are locked: one that was reserved since is held, and its identity fixed.
 */
async function replaceIdentity(
  trx: Transaction<Tables>,
  orderIds: readonly string[],
  replacement: string,
): Promise<void> {
  await trx
    .updateTable("orders")
    .set({ shopper_id: replacement, metadata: null, fingerprint: null })
    .where("id", "=", sql<string>`any(${orderIds}::uuid[])`)
    .execute();
  const subjects = orderIds.map((id) => `order ${id}`);
  const change = sql`payload || jsonb_build_object('shopper_id', ${replacement}::text, 'metadata', null)`;
  // Each half has an index of its own.
  for (const half of [sql`outcome is null`, sql`outcome is not null`]) {
    await sql`update shop_events set payload = ${change} where subject = any(${subjects}::text[]) and ${half}`.execute(
      trx,
    );
  }
}

async function replaceArchived(trx: Transaction<Tables>, shopperId: string, replacement: string): Promise<number> {
  const { numUpdatedRows } = await trx
    .updateTable("archived_orders")
    .set({ shopper_id: replacement, metadata: null, fingerprint: null })
    .where("shopper_id", "=", shopperId)
    .executeTakeFirst();
  return Number(numUpdatedRows);
}
