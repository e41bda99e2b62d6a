-- Orders of sales that are long over, out of the tables that a sale writes: those that never held a
-- unit, which are nearly all of a flash sale. What held one stays: its payment may be disputed for
-- months, and the books count it. (worker/src/recovery/archive-orders.ts)

-- Both tables get a column or a trigger: items first, as everywhere, and the strongest lock at once.
-- With a weaker one first, a batch that has read its item would wait for us, and we for it.
lock table items, orders in access exclusive mode;

-- When an item's orders were archived. It is over for good: no order of it is placed any more, so no
-- used key can become another order.
alter table items
  add column archived_at timestamptz,
  add constraint archived_is_over check (archived_at is null or (closes_at is not null and closes_at <= archived_at)) not valid;

-- Half the size of what they were: only what an order has that never held a unit.
create table archived_orders (
  id uuid primary key,
  settled_at timestamptz not null,
  placed_at timestamptz not null,
  amount_minor bigint not null,
  quantity integer not null,
  version integer not null,
  item_id text not null references items (id),
  shopper_id text not null,
  currency text not null,
  status text not null check (status in ('out_of_stock', 'rejected', 'cancelled')),
  reason text,
  fingerprint text,
  metadata jsonb,
  -- Null where it is the one event that says its status, of the time at which it was settled.
  events jsonb
);
create index archived_orders_of_shopper on archived_orders (shopper_id, placed_at desc);
create index archived_orders_of_item on archived_orders (item_id);

-- An order leaves only for the archive, which has it by then; or with its rehearsal.
create function refuse_order_delete() returns trigger language plpgsql as $$
begin
  if old.item_id like 'rehearsal-%'
    or exists (select from archived_orders where id = old.id and item_id = old.item_id and placed_at = old.placed_at)
  then
    return old;
  end if;
  raise exception '% on % is refused: the record is only added to', tg_op, tg_table_name using errcode = 'check_violation';
end $$;
drop trigger orders_kept on orders;
create trigger orders_kept before delete on orders for each row execute function refuse_order_delete();

create or replace function refuse_event_change() returns trigger language plpgsql as $$
begin
  if tg_op = 'DELETE' and (
    exists (select from orders where id = old.order_id and item_id like 'rehearsal-%')
    or exists (select from archived_orders where id = old.order_id)
  ) then
    return old;
  end if;
  raise exception '% on % is refused: the record is only added to', tg_op, tg_table_name using errcode = 'check_violation';
end $$;

-- In the archive nothing changes but a shopper's identity, and nothing leaves it.
create function refuse_archive_change() returns trigger language plpgsql as $$
begin
  if tg_op = 'UPDATE'
    and to_jsonb(old) - '{shopper_id,metadata,fingerprint}'::text[] = to_jsonb(new) - '{shopper_id,metadata,fingerprint}'::text[]
    and new.shopper_id like 'forgotten-%' and new.metadata is null and new.fingerprint is null
  then
    return new;
  end if;
  raise exception '% on % is refused: the record is only added to', tg_op, tg_table_name using errcode = 'check_violation';
end $$;
create trigger archived_orders_kept before update or delete on archived_orders
  for each row execute function refuse_archive_change();

-- Archived orders in the form of orders, as far as somebody is shown them.
create view archived_as_orders as
select
  id, shopper_id, item_id, quantity, amount_minor, currency, status, reason, null::text as payment_status,
  null::text as decline_code, fingerprint, metadata, placed_at, null::timestamptz as reserved_at, settled_at,
  null::timestamptz as hold_expires_at, version, null::text as payment_intent_id, 1 as payment_attempt,
  0::bigint as refunded_minor, false as disputed, null::timestamptz as refund_requested_at,
  null::boolean as refund_returns_units, null::text as refund_reason, true as archived
from archived_orders;

-- All orders there ever were, for whoever asks for some by their ids, or for all of an item. Not for a
-- page in an order: Postgres would sort all that match.
create view orders_ever as
select
  id, shopper_id, item_id, quantity, amount_minor, currency, status, reason, payment_status, decline_code, fingerprint,
  metadata, placed_at, reserved_at, settled_at, hold_expires_at, version, payment_intent_id, payment_attempt,
  refunded_minor, disputed, refund_requested_at, refund_returns_units, refund_reason, false as archived
from orders
union all
select * from archived_as_orders;
