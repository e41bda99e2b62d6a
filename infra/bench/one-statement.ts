import type { OrderRecord } from "@holdfast/shared/order.ts";
import pg from "pg";
import { newOrderId } from "../../api/src/order-id.ts";
import { queuedOrder } from "./orders.ts";

/**
 * What one would pick instead of a queue: each purchase is decided by ONE statement, a conditional update and an insert, in a table of its
 * own that has nothing but a primary key: no events, no triggers, no other index.
 */
const table = `
create table if not exists one_statement_orders (
  id uuid primary key,
  shopper_id text not null,
  item_id text not null,
  quantity integer not null,
  amount_minor bigint not null,
  currency text not null,
  payment_method text not null,
  status text not null,
  placed_at timestamptz not null default now()
)`;
const reserveSql = `
with taken as (
  update items set inventory = inventory - 1 where id = $1 and inventory >= 1 returning id
)
insert into one_statement_orders (id, shopper_id, item_id, quantity, amount_minor, currency, payment_method, status)
values ($2, $3, $1, 1, 1999, 'eur', $4, case when exists (select from taken) then 'reserved' else 'out_of_stock' end)
returning status`;

const connections = 8; // tried 2, 4, 8, 16, 32: more only wait for the row's lock

export type ReserveOne = (itemId: string, shopperId: string, paymentMethod: string) => Promise<OrderRecord>;

/** @returns a function that decides one purchase, and one that closes its connections */
export async function openOneStatement(databaseUrl: string): Promise<{ reserve: ReserveOne; close(): Promise<void> }> {
  const pool = new pg.Pool({ connectionString: databaseUrl, max: connections });
  await pool.query(table);
  const reserve: ReserveOne = async (itemId, shopperId, paymentMethod) => {
    const id = newOrderId(Date.now());
    const values = [itemId, id, shopperId, paymentMethod];
    const { rows } = await pool.query<{ status: "reserved" | "out_of_stock" }>({
      name: "reserve",
      text: reserveSql,
      values,
    });
    return { ...queuedOrder(itemId), id, shopperId, status: rows[0]?.status ?? "out_of_stock", place: null };
  };
  return { reserve, close: () => pool.end() };
}
