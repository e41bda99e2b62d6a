-- Items on sale, the orders for them, and the story of every order.
--
-- The database is the referee: whatever code runs above it, it refuses a unit sold twice (inventory below zero), a second
-- order under one id, and a transition that order.ts does not allow. Money is an integer in the currency's minor unit;
-- every time has its zone.

create table items (
  id text primary key check (id ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$'),
  name text not null check (length(name) between 1 and 200),
  price_minor bigint not null check (price_minor between 1 and 99999999),
  currency text not null check (currency ~ '^[a-z]{3}$'),
  -- All units ever placed on sale, less those withdrawn.
  stocked integer not null check (stocked between 0 and 100000000),
  -- Units left to reserve. Taking one that is not there fails here, whatever else went wrong.
  inventory integer not null check (inventory >= 0),
  opens_at timestamptz,
  closes_at timestamptz,
  hold_seconds integer not null check (hold_seconds between 1 and 604800),
  payment_retries integer not null check (payment_retries between 0 and 20),
  max_per_shopper integer check (max_per_shopper >= 1),
  version bigint not null default 1,
  constraint inventory_within_stock check (inventory <= stocked),
  constraint opens_before_it_closes check (opens_at < closes_at)
);

-- One row per accepted order, the refused ones too: what was answered 202 can be counted.
create table orders (
  -- Derived from shopper and Idempotency-Key, or a UUIDv7: a repeat of an order meets its own row.
  id uuid primary key,
  shopper_id text not null check (length(shopper_id) between 1 and 255),
  item_id text not null,
  -- An order for an item that does not exist is recorded too; every other one must name a real item.
  known_item_id text generated always as (case when reason = 'item_not_found' then null else item_id end) stored
    references items (id),
  quantity integer not null check (quantity >= 1),
  amount_minor bigint not null check (amount_minor >= 1),
  currency text not null check (currency ~ '^[a-z]{3}$'),
  status text not null check (
    status in ('waitlisted', 'reserved', 'confirmed', 'cancelled', 'out_of_stock', 'rejected')
  ),
  reason text,
  -- The provider's name for a card (pm_…), never the card.
  payment_method text not null,
  payment_status text check (
    payment_status in ('pending', 'requires_action', 'processing', 'succeeded', 'declined', 'unknown', 'refunded')
  ),
  -- Which charge attempt is under way or was the last: part of the provider's idempotency key.
  payment_attempt integer not null default 1 check (payment_attempt >= 1),
  payment_intent_id text,
  decline_code text,
  -- What was asked under an Idempotency-Key.
  fingerprint text,
  placed_at timestamptz not null,
  reserved_at timestamptz,
  settled_at timestamptz,
  hold_expires_at timestamptz,
  version integer not null default 1,

  constraint one_order_per_payment unique (payment_intent_id),
  constraint reason_fits_status check (
    case status
      when 'rejected' then reason is not null and reason in ('limit_exceeded', 'sale_not_open', 'item_not_found')
      when 'cancelled' then reason is not null and reason in ('payment_failed', 'hold_expired', 'by_shopper')
      else reason is null
    end
  ),
  constraint confirmed_is_paid check (status <> 'confirmed' or payment_status in ('succeeded', 'refunded')),
  constraint hold_has_times check (
    status not in ('reserved', 'confirmed')
    or (reserved_at is not null and hold_expires_at is not null and payment_status is not null)
  ),
  constraint final_has_time check ((settled_at is null) = (status in ('waitlisted', 'reserved')))
);

-- Units held or sold per item, and per shopper of an item: the books and the limit per shopper.
create index orders_with_units on orders (item_id, shopper_id) include (status, quantity)
  where status in ('reserved', 'confirmed');
-- A shopper's own orders, newest first.
create index orders_of_shopper on orders (shopper_id, placed_at desc);

-- The same set as legalTransitions in order.ts.
create table legal_transitions (
  from_status text not null,
  to_status text not null,
  primary key (from_status, to_status)
);
insert into legal_transitions values
  ('queued', 'waitlisted'), ('queued', 'reserved'), ('queued', 'out_of_stock'), ('queued', 'rejected'), ('queued', 'cancelled'),
  ('waitlisted', 'reserved'), ('waitlisted', 'out_of_stock'), ('waitlisted', 'cancelled'),
  ('reserved', 'confirmed'), ('reserved', 'cancelled');

-- Every transition of every order, and later everything that happened to its money, in the order it was committed.
create table order_events (
  id bigint generated always as identity primary key,
  order_id uuid not null references orders (id),
  event text not null,
  from_status text not null,
  to_status text not null,
  detail jsonb not null default '{}',
  at timestamptz not null default now()
);
create index events_of_order on order_events (order_id);

create function count_version() returns trigger language plpgsql as $$
begin
  new.version := old.version + 1;
  return new;
end $$;

create trigger items_version before update on items for each row execute function count_version();
create trigger orders_version before update on orders for each row execute function count_version();

create function refuse_illegal_transition() returns trigger language plpgsql as $$
begin
  if not exists (
    select from legal_transitions where from_status = old.status and to_status = new.status
  ) then
    raise exception 'order % cannot go from % to %', old.id, old.status, new.status using errcode = 'check_violation';
  end if;
  return new;
end $$;

create trigger orders_transition before update on orders for each row
  when (old.status is distinct from new.status) execute function refuse_illegal_transition();

-- A new row is a transition from queued. Once per statement: a batch of hundreds is checked in one look.
create function refuse_illegal_start() returns trigger language plpgsql as $$
declare
  wrong record;
begin
  select a.id, a.status into wrong from added a
    where not exists (select from legal_transitions where from_status = 'queued' and to_status = a.status) limit 1;
  if found then
    raise exception 'order % cannot go from queued to %', wrong.id, wrong.status using errcode = 'check_violation';
  end if;
  return null;
end $$;

create trigger orders_start after insert on orders referencing new table as added
  for each statement execute function refuse_illegal_start();

-- What was ordered, by whom and for how much never changes, and an order is never deleted.
create function refuse_change() returns trigger language plpgsql as $$
begin
  raise exception '% on % is refused: the record is only added to', tg_op, tg_table_name using errcode = 'check_violation';
end $$;

create trigger orders_fixed before update on orders for each row
  when (
    (old.id, old.shopper_id, old.item_id, old.quantity, old.amount_minor, old.currency, old.placed_at)
    is distinct from (new.id, new.shopper_id, new.item_id, new.quantity, new.amount_minor, new.currency, new.placed_at)
  ) execute function refuse_change();
create trigger orders_kept before delete on orders for each row execute function refuse_change();
create trigger order_events_kept before update or delete on order_events for each row execute function refuse_change();

-- The books of every item, true at every moment: stocked = inventory + reserved + confirmed.
create view item_books as
select
  i.id as item_id,
  i.stocked,
  i.inventory,
  coalesce(o.reserved, 0)::integer as reserved,
  coalesce(o.confirmed, 0)::integer as confirmed,
  i.stocked = i.inventory + coalesce(o.reserved, 0) + coalesce(o.confirmed, 0) as balanced
from items i
left join lateral (
  select
    sum(quantity) filter (where status = 'reserved') as reserved,
    sum(quantity) filter (where status = 'confirmed') as confirmed
  from orders
  where item_id = i.id and status in ('reserved', 'confirmed')
) o on true;
