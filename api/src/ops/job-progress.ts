import type { Database } from "@holdfast/shared/database.ts";
import { sql } from "kysely";

/**
 * How far jobs have come, in percent, from what Postgres has of their orders: the sale writes
 * nothing for whoever looks at a queue. A purchase job's orders count once decided, a payment's
 * order half once it was tried, and whole once it is settled.
 * @param jobs their data, as `readable` makes them
 * @returns one figure for each; null where a job names no order
 */
export async function jobProgress(db: Database, jobs: readonly unknown[]): Promise<(number | null)[]> {
  const ordersOf = jobs.map(orderIdsOf);
  const wanted = [...new Set(ordersOf.flatMap(({ ids }) => ids))];
  if (wanted.length === 0) return jobs.map(() => null);
  const rows = await db
    .selectFrom("orders")
    .select(["id", "status", "payment_started_at"])
    .where("id", "=", sql<string>`any(${wanted}::uuid[])`)
    .execute();
  const known = new Map(rows.map((row) => [row.id, row]));
  return ordersOf.map(({ ids, paid }) => {
    if (ids.length === 0) return null;
    const done = ids.reduce((sum, id) => {
      const row = known.get(id);
      if (!row) return sum;
      if (!paid || row.status !== "reserved") return sum + 1;
      return sum + (row.payment_started_at !== null ? 0.5 : 0);
    }, 0);
    return Math.floor((100 * done) / ids.length);
  });
}

const isId = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i; // a job may hold anything

/** @returns the orders of a job, and whether it is about their payment */
function orderIdsOf(data: unknown): { readonly ids: readonly string[]; readonly paid: boolean } {
  const { orderId, orders } = (data ?? {}) as { orderId?: unknown; orders?: unknown };
  if (typeof orderId === "string") return { ids: isId.test(orderId) ? [orderId] : [], paid: true };
  if (!Array.isArray(orders)) return { ids: [], paid: false };
  const ids = orders.map((order: { orderId?: unknown } | null) => String(order?.orderId));
  return { ids: ids.filter((id) => isId.test(id)), paid: false };
}
