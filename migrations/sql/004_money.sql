-- An order's money to the last case. Three things are new:
--
-- 1. Everything that is open at the payment provider has a time at which it is looked at next, in
--   the row itself. Who sets a step in motion writes that time first, so a job that gets lost is
--   only late: the sweeper goes by these columns alone.
-- 2. A payment that its order does not go by is a row of its own, written before anything is tried
--   about it, and open until it was cancelled, refunded, or turned out to be the order's after all.
-- 3. The units held and sold of each item are counted as they change, so the books cost one row per
--   item, however many orders there are.

-- What reads the orders comes first, under a lock that only writers wait for.
lock table orders in share row exclusive mode;

-- The units held and sold of every item, counted by the database itself in the transaction that
-- changes an order.
create table item_totals (
  item_id text primary key references items (id),
  reserved bigint not null default 0 check (reserved >= 0),
  confirmed bigint not null default 0 check (confirmed >= 0)
);
insert into item_totals (item_id, reserved, confirmed)
  select item_id, coalesce(sum(quantity) filter (where status = 'reserved'), 0), coalesce(sum(quantity) filter (where status = 'confirmed'), 0)
  from orders where status in ('reserved', 'confirmed') group by item_id;

-- A payment at the provider that its order does not go by: of an order that ended without it, or
-- has another one.
create table unmatched_payments (
  id bigint generated always as identity primary key,
  order_id uuid not null references orders (id),
  -- Null where one may exist: of an attempt whose answer is lost for good and which was replaced by
  -- another. It is searched for.
  payment_intent_id text unique,
  -- When the attempt that may have made it was last sent; only where it is searched for.
  sent_at timestamptz,
  -- What is to be done next: ask the provider what it is, cancel it, refund it, or search for it.
  next_step text not null check (next_step in ('ask', 'cancel', 'refund', 'search')),
  noticed_at timestamptz not null default now(),
  -- When that is to be done; null once it is settled.
  due_at timestamptz default now(),
  -- How often it was looked at, and how often somebody said that there is something to look at.
  looks integer not null default 0,
  hints integer not null default 0,
  -- What it came to: it was the order's after all, can never be paid any more, was refunded in
  -- full, was never made, or the bank takes the money back itself.
  outcome text check (outcome in ('matched', 'canceled', 'refunded', 'never_made', 'disputed')),
  constraint open_until_settled check ((outcome is null) = (due_at is not null)),
  constraint known_or_searched check ((next_step = 'search') = (payment_intent_id is null)),
  constraint search_has_start check (next_step <> 'search' or sent_at is not null)
);
create index unmatched_payments_of_order on unmatched_payments (order_id);
-- A search is for all payments of an order, so one at a time is enough.
create unique index one_search_per_order on unmatched_payments (order_id) where outcome is null and next_step = 'search';
create index unmatched_payments_due on unmatched_payments (due_at) where outcome is null and next_step <> 'search';
create index unmatched_payments_searched on unmatched_payments (due_at) where outcome is null and next_step = 'search';
create index unmatched_payments_by_age on unmatched_payments (noticed_at) where outcome is null and next_step <> 'search';

-- What was open before this migration goes on.
insert into unmatched_payments (order_id, payment_intent_id, next_step)
  select id, payment_intent_id, 'ask' from orders
  where status = 'cancelled' and payment_intent_id is not null and payment_closed_at is null;

drop trigger orders_version on orders;
drop index orders_held, orders_open_after_cancel;

alter table orders
  -- When the payment is to be looked at next; null where nothing about it is open.
  add column payment_due_at timestamptz,
  -- How often it was looked at since something last changed: each look waits longer than the one
  -- before.
  add column payment_looks integer not null default 0,
  -- How often somebody said that there is something to look at. Who settles by an older answer sees
  -- here that one came meanwhile, and leaves the payment due.
  add column payment_hints integer not null default 0,
  -- When the current attempt was last sent: a payment that it made may be that young.
  add column payment_sent_at timestamptz,
  -- Since when nobody knows what became of the payment, over all attempts to find out.
  add column payment_unknown_since timestamptz,
  -- The provider only repeats a failure that it saved under the current attempt's key.
  add column payment_key_exhausted boolean not null default false,
  -- Why the hold is being released before its end: the shopper asked for it.
  add column release_reason text,
  -- What was refunded of a paid order so far, in the currency's minor unit.
  add column refunded_minor bigint not null default 0,
  -- Whether the shopper's bank has disputed the payment.
  add column disputed boolean not null default false;

-- A confirmed order can be refunded: by operations, here or at the provider. Each rule holds for
-- every row that is written from now on; the rows that are there are checked afterwards (005), when
-- nobody has to wait for it.
alter table orders
  drop constraint orders_status_check,
  add constraint orders_status_check check (
    status in ('waitlisted', 'reserved', 'confirmed', 'refunded', 'cancelled', 'out_of_stock', 'rejected')
  ) not valid,
  drop constraint confirmed_is_paid,
  add constraint confirmed_is_paid check (
    case status when 'confirmed' then payment_status = 'succeeded' when 'refunded' then payment_status = 'refunded' else true end
  ) not valid,
  -- The hold's clock starts with the provider's first answer about the shopper's payment: until
  -- then it has no end.
  drop constraint hold_has_times,
  add constraint held_has_times check (
    status not in ('reserved', 'confirmed', 'refunded') or (reserved_at is not null and payment_status is not null)
  ) not valid,
  drop constraint held_has_method,
  add constraint held_has_method check (
    status not in ('reserved', 'confirmed', 'refunded') or payment_method is not null
  ) not valid,
  add constraint paid_has_payment check (
    status not in ('confirmed', 'refunded') or payment_intent_id is not null
  ) not valid,
  add constraint released_by_shopper check (release_reason in ('by_shopper')) not valid,
  add constraint refunded_within_amount check (refunded_minor between 0 and amount_minor) not valid;
insert into legal_transitions values ('confirmed', 'refunded');

update orders set payment_due_at = now() where status = 'reserved';
alter table orders drop column payment_checked_at, drop column payment_closed_at;

-- Where a payment stands for whoever looks after it: charges that were not sent yet, those without
-- an answer, those that wait for the shopper or the bank, and paid ones with a refund under way.
-- The sweeper takes each kind by itself, so that many of one never hide another.
create function payment_stage(status text, payment_status text, payment_started_at timestamptz) returns text
  language sql immutable parallel safe
  return case
    when status <> 'reserved' then 'paid'
    when payment_status = 'pending' and payment_started_at is null then 'unsent'
    when payment_status in ('pending', 'unknown') then 'unanswered'
    else 'waiting'
  end;

-- A new version is one that somebody is shown; a look at a payment is none.
create trigger orders_version before update on orders for each row
  when (
    (old.status, old.reason, old.payment_status, old.decline_code, old.payment_attempt, old.hold_expires_at, old.settled_at, old.refunded_minor)
    is distinct from
    (new.status, new.reason, new.payment_status, new.decline_code, new.payment_attempt, new.hold_expires_at, new.settled_at, new.refunded_minor)
  )
  execute function count_version();

-- Whoever locks an item's row too does that first, and comes to its totals here: so nobody waits in
-- a circle.
create function count_new_units() returns trigger language plpgsql as $$
begin
  insert into item_totals as t (item_id, reserved, confirmed)
    select item_id, coalesce(sum(quantity) filter (where status = 'reserved'), 0), coalesce(sum(quantity) filter (where status = 'confirmed'), 0)
    from added where status in ('reserved', 'confirmed') group by item_id order by item_id
  on conflict (item_id) do update
    set reserved = t.reserved + excluded.reserved, confirmed = t.confirmed + excluded.confirmed;
  return null;
end $$;
create trigger orders_counted after insert on orders referencing new table as added
  for each statement execute function count_new_units();

create function count_moved_units() returns trigger language plpgsql as $$
begin
  update item_totals set
    reserved = reserved + new.quantity * ((new.status = 'reserved')::integer - (old.status = 'reserved')::integer),
    confirmed = confirmed + new.quantity * ((new.status = 'confirmed')::integer - (old.status = 'confirmed')::integer)
  where item_id = new.item_id;
  return null;
end $$;
create trigger orders_moved after update on orders for each row
  when (old.status is distinct from new.status) execute function count_moved_units();

-- The books of every item, true at every moment: stocked = inventory + reserved + confirmed.
create or replace view item_books as
select
  i.id as item_id,
  i.stocked,
  i.inventory,
  coalesce(t.reserved, 0)::integer as reserved,
  coalesce(t.confirmed, 0)::integer as confirmed,
  i.stocked = i.inventory + coalesce(t.reserved, 0) + coalesce(t.confirmed, 0) as balanced
from items i
left join item_totals t on t.item_id = i.id;

-- How far the record was compared with the provider's list: each window begins where the one before
-- ended.
create table reconciliations (
  id bigint generated always as identity primary key,
  from_time timestamptz not null,
  to_time timestamptz not null,
  differences integer not null check (differences >= 0),
  finished_at timestamptz not null default now(),
  constraint window_has_length check (from_time < to_time)
);
create index reconciliations_by_time on reconciliations (to_time);
