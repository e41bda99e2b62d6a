import { coalesce } from "@holdfast/api/coalesce.ts";
import { newOrderId } from "@holdfast/api/orders/order-id.ts";
import type { Order } from "@holdfast/shared/order.ts";
import { orderInLine } from "@holdfast/testing/purchases.ts";
import pg from "pg";

/**
 * What one would pick instead of a queue: each purchase is decided by ONE statement, a conditional
 * update and an insert, in a table of its own that has nothing but a primary key: no events, no
 * triggers, no other index. Statements are prepared, the pool is tuned.
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
const taken =
  "with taken as (update items set inventory = inventory - 1 where id = $1 and inventory >= 1 returning id)";
const columns = "(id, shopper_id, item_id, quantity, amount_minor, currency, payment_method, status)";

/** Every loser is a row too, as every accepted order is with us. */
const everyRow = `${taken}
insert into one_statement_orders ${columns}
values ($2, $3, $1, 1, 1999, 'eur', $4, case when exists (select from taken) then 'reserved' else 'out_of_stock' end)
returning status`;

/** Losers leave nothing behind: nobody can show afterwards what they were told. */
const winnersOnly = `${taken}
insert into one_statement_orders ${columns}
select $2, $3, $1, 1, 1999, 'eur', $4, 'reserved' from taken
returning status`;

/**
 * All purchases of a turn of the event loop in one statement: batching, without a queue. What was
 * not committed is lost.
 */
const batch = `
with item as (select inventory from items where id = $1 for no key update),
  wanted as (select *, row_number() over (order by n) as place
    from unnest($2::uuid[], $3::text[], $4::text[]) with ordinality as w (id, shopper_id, payment_method, n)),
  decided as (
    insert into one_statement_orders ${columns}
    select id, shopper_id, $1, 1, 1999, 'eur', payment_method,
      case when place <= (select inventory from item) then 'reserved' else 'out_of_stock' end
    from wanted returning id, status),
  taken as (update items set inventory = inventory - (select count(*) from decided where status = 'reserved')
    where id = $1 and exists (select from decided where status = 'reserved'))
select id, status from decided`;

const connections = 8; // tried 2, 4, 8, 16, 32: more only wait for the row's lock
const maxBatch = 500;

export type Decide = (itemId: string, shopperId: string, paymentMethod: string) => Promise<Order>;
export interface Opponents {
  readonly everyRow: Decide;
  readonly winnersOnly: Decide;
  readonly batching: Decide;
  close(): Promise<void>;
}

type Status = "reserved" | "out_of_stock";

export async function openOpponents(databaseUrl: string): Promise<Opponents> {
  const pool = new pg.Pool({ connectionString: databaseUrl, max: connections });
  await pool.query(table);
  const orderOf = (itemId: string, id: string, shopperId: string, status: Status): Order => {
    return { ...orderInLine({ itemId, orderId: id, shopperId }), status, place: null };
  };
  const one = (name: string, text: string): Decide => {
    return async (itemId, shopperId, paymentMethod) => {
      const id = newOrderId(Date.now());
      const values = [itemId, id, shopperId, paymentMethod];
      const { rows } = await pool.query<{ status: Status }>({ name, text, values });
      return orderOf(itemId, id, shopperId, rows[0]?.status ?? "out_of_stock");
    };
  };
  const decideBatch = coalesce<{ shopperId: string; paymentMethod: string }, Order>(
    { maxBatch, maxWaiting: 100_000, maxUnderWay: 2 },
    async (itemId, calls) => {
      const ids = calls.map(() => newOrderId(Date.now()));
      const values = [itemId, ids, calls.map((c) => c.shopperId), calls.map((c) => c.paymentMethod)];
      const { rows } = await pool.query<{ id: string; status: Status }>({ name: "batch", text: batch, values });
      const statuses = new Map(rows.map((row) => [row.id, row.status]));
      return calls.map(({ shopperId }, i) => {
        const id = ids[i] ?? "";
        return orderOf(itemId, id, shopperId, statuses.get(id) ?? "out_of_stock");
      });
    },
  );
  return {
    everyRow: one("every-row", everyRow),
    winnersOnly: one("winners-only", winnersOnly),
    batching: (itemId, shopperId, paymentMethod) => decideBatch(itemId, { shopperId, paymentMethod }),
    close: () => pool.end(),
  };
}
