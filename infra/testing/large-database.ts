import pg from "pg";

/**
 * How much there is in Postgres after some years of sales; most of it is over. TEST_ORDERS, for a run
 * by hand, is another number of orders.
 */
export const largeDatabase = {
  orders: Number(process.env.TEST_ORDERS ?? 2_000_000),
  /** Half of all orders are for this item. */
  bigItemId: "item_01",
  items: 20,
  /** Of sales before those, of which the archive has so many orders. */
  pastItems: 4,
  archived: 500_000,
  /**
   * Orders in each payment stage: unsent, unanswered, waiting, and paid with something open at the
   * provider. One in six is due.
   */
  perStage: 5_000,
  /** The newest orders, two events each. */
  ordersWithEvents: 250_000,
  /** The newest orders, two events each; of one in a hundred the shop has not taken the first. */
  ordersToldOf: 100_000,
  /** Has 5,000 orders for the big item. */
  heavyShopperId: "shopper-heavy",
} as const;

const { orders, perStage, ordersWithEvents, ordersToldOf, bigItemId, heavyShopperId, pastItems, archived } =
  largeDatabase;

/**
 * Fills an empty database with so many orders. As a dump is loaded: without triggers, and with
 * the indexes and keys made afterwards, each as the migrations made it.
 */
export async function fillLargeDatabase(databaseUrl: string): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    await client.query("set synchronous_commit = off; set maintenance_work_mem = '256MB'; set work_mem = '64MB'");
    const putBack = await putAside(client);
    for (const statement of [insertOrders, insertEvents, insertShopEvents, insertRest, insertItems, insertArchive])
      await client.query(statement);
    for (const statement of putBack) await client.query(statement);
    await client.query("vacuum (analyze)");
  } finally {
    await client.end();
  }
}

/**
 * Drops what makes loading slow.
 * @returns the statements that make it again
 */
async function putAside(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ drop: string; restore: string }>(`
    select drop, restore from (
      select 1 as step, format('alter table %s disable trigger user', t) as drop, format('alter table %s enable trigger user', t) as restore
      from unnest(array['orders', 'order_events']) t
      union all
      select 2, format('drop index %s', indexrelid::regclass), pg_get_indexdef(indexrelid) from pg_index
      where indrelid in ('orders'::regclass, 'order_events'::regclass) and not indisunique
      union all
      select case contype when 'f' then 3 else 4 end, format('alter table %s drop constraint %I', conrelid::regclass, conname),
        format('alter table %s add constraint %I %s', conrelid::regclass, conname, pg_get_constraintdef(oid))
      from pg_constraint
      where (contype = 'f' and conrelid in ('orders'::regclass, 'order_events'::regclass, 'unmatched_payments'::regclass, 'item_totals'::regclass))
        or (contype in ('p', 'u') and conrelid in ('orders'::regclass, 'order_events'::regclass))
    ) parts order by step`);
  for (const { drop } of rows) await client.query(drop);
  return rows.map(({ restore }) => restore).reverse();
}

// Order n is the n-th that was placed: one every eight seconds, the last a moment ago. `h` is as
// good as random. The last are held.
const insertOrders = `
insert into orders (
  id, shopper_id, item_id, quantity, amount_minor, currency, status, reason, payment_method, payment_status, payment_intent_id,
  payment_started_at, payment_unknown_since, payment_due_at, refunded_minor, placed_at, reserved_at, settled_at, hold_expires_at
)
select
  ('01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid,
  case when n % 400 = 0 then '${heavyShopperId}' else 'shopper-' || h % 500000 end,
  case when n % 2 = 0 then '${bigItemId}' else 'item_' || lpad((2 + h % 19)::text, 2, '0') end,
  1, 1999, 'eur', status,
  case status when 'cancelled' then 'payment_failed' when 'rejected' then 'limit_exceeded' end,
  'pm_card_visa',
  case status
    when 'reserved' then (array['pending', 'unknown', 'requires_action'])[1 + stage]
    when 'confirmed' then 'succeeded' when 'refunded' then 'refunded' when 'cancelled' then 'declined'
  end,
  case when status in ('confirmed', 'refunded', 'cancelled') or stage = 2 then 'pi_' || lpad(n::text, 8, '0') end,
  case when status in ('confirmed', 'refunded', 'cancelled') then placed_at + interval '1 second'
    when stage in (1, 2) then now() - interval '1 hour' + h % 3000 * interval '1 second' end,
  case when stage = 1 then now() - interval '1 hour' + h % 3000 * interval '1 second' end,
  case when stage is not null then now() + (h % 3600 - 600) * interval '1 second' end,
  case status when 'refunded' then 1999 else 0 end,
  placed_at,
  case when status in ('reserved', 'confirmed', 'refunded') then placed_at + interval '1 second' end,
  case when status <> 'reserved' then placed_at + interval '3 seconds' end,
  case when status in ('confirmed', 'refunded') then placed_at + interval '600 seconds'
    when stage = 2 then now() + (h % 600 - 60) * interval '1 second' end
from (
  select n, h, stage, now() - (${orders} - n) * interval '8 seconds' as placed_at,
    case
      when stage < 3 then 'reserved' when stage = 3 or h % 1000 < 400 then 'confirmed' when h % 1000 < 410 then 'refunded'
      when h % 1000 < 500 then 'cancelled' when h % 1000 < 980 then 'out_of_stock' else 'rejected'
    end as status
  from (
    select n, hashint4(n) & 2147483647 as h, case when n > ${orders - 4 * perStage} then n % 4 end as stage
    from generate_series(1, ${orders}) n
  ) numbered
) o`;

const insertEvents = `
insert into order_events (order_id, event, from_status, to_status, at)
select id, case k when 1 then 'reserved' else status end, case k when 1 then 'queued' else 'reserved' end,
  case k when 1 then 'reserved' else status end, placed_at + k * interval '1 second'
from (select * from orders order by id desc limit ${ordersWithEvents}) o
cross join generate_series(1, 2) k
order by placed_at, k`;

// Of a shop that fails for one order in a hundred: its first event waits for the next try or is
// due, the second waits behind it. The rest was delivered, some of it long ago.
const insertShopEvents = `
insert into shop_events (type, subject, payload, due_at, tries, first_tried_at, last_error, outcome, finished_at)
select case k when 1 then 'order.reserved' else 'order.confirmed' end, 'order ' || id, '{}',
  now() + case when k = 2 then interval '0' else (n % 3600 - 600) * interval '1 second' end,
  case k when 1 then 12 else 0 end, case k when 1 then now() - interval '1 hour' end, case k when 1 then 'HTTP 500' end, outcome,
  case when outcome is not null then now() - n * case outcome when 'dead' then interval '30 seconds' else interval '3 seconds' end end
from (
  select id, n, k, case when n % 100 = 0 then null when n % 100 = 1 then 'dead' else 'delivered' end as outcome
  from (select id, row_number() over (order by id desc) as n from orders order by id desc limit ${ordersToldOf}) o
  cross join generate_series(1, 2) k
) e
order by n desc, k`;

// 20,000 unmatched payments are open, as after a provider's bad night; far more were settled.
// Webhooks of 40 days, the first ten of which are to be forgotten.
const insertRest = `
insert into webhook_events (id, type, payment_intent_id, received_at, processed_at)
  select 'evt_' || n, 'payment_intent.succeeded', 'pi_' || n, at, at
  from (select n, now() - n * interval '10 seconds' as at from generate_series(1, 345600) n) e;
insert into unmatched_payments (order_id, payment_intent_id, next_step, sent_at, noticed_at, due_at, looks, outcome)
  select id, case when step <> 'search' then 'pi_other_' || n end, step, case step when 'search' then placed_at end, placed_at,
    case when open then now() + (n % 3600 - 1800) * interval '1 second' end, 3,
    case when not open then case step when 'search' then 'never_made' when 'cancel' then 'canceled' else 'refunded' end end
  from (
    select id, placed_at, n, n <= 20000 as open, (array['ask', 'cancel', 'refund', 'search'])[1 + n % 4] as step
    from (select id, placed_at, row_number() over (order by id desc) as n from orders where status = 'cancelled') o
    where n <= 60000
  ) u;
insert into reconciliations (from_time, to_time, differences)
  select to_time - interval '6 hours', to_time, 0
  from (select now() - interval '7 hours' - n * interval '6 hours' as to_time from generate_series(0, 4999) n) w`;

const insertItems = `
insert into item_totals (item_id, reserved, confirmed)
  select item_id, count(*) filter (where status = 'reserved'), count(*) filter (where status = 'confirmed') from orders group by item_id;
insert into items (id, name, price_minor, currency, stocked, inventory, hold_seconds, payment_retries, max_per_shopper)
  select item_id, item_id, 1999, 'eur', reserved + confirmed + 100000, 100000, 600, 1, case when item_id = 'item_02' then 5 end
  from item_totals`;

const insertArchive = `
insert into items (id, name, price_minor, currency, stocked, inventory, hold_seconds, payment_retries, closes_at, archived_at)
  select 'past_' || n, 'past_' || n, 1999, 'eur', 0, 0, 600, 1, now() - interval '1 year', now() - interval '300 days'
  from generate_series(0, ${pastItems - 1}) n;
insert into archived_orders (
  id, settled_at, placed_at, amount_minor, quantity, version, item_id, shopper_id, currency, status, events
)
select
  ('01800000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, placed_at + interval '3 seconds', placed_at, 1999, 1, 1,
  'past_' || n % ${pastItems}, case when n % 400 = 0 then '${heavyShopperId}' else 'shopper-' || (hashint4(n) & 2147483647) % 500000 end,
  'eur', 'out_of_stock', null
from (
  select n, now() - interval '2 years' + n * interval '8 seconds' as placed_at from generate_series(1, ${archived}) n
) o`;
