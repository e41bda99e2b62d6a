-- What operations need: to pause an item, to refund an order, to forget a shopper, to see an item's
-- money without reading its orders, and a trail of who changed what.

-- Both get triggers or columns. Reserving and cancelling lock the item first and then orders: so do
-- we, or a sale and this migration wait for each other.
lock table items, orders in share row exclusive mode;

-- Since when nobody may buy it, at operations' word; what is in line or held goes on.
alter table items add column paused_at timestamptz;

-- The item as events for the shop show it, with what its status follows from.
create or replace function shop_item(i items) returns jsonb language sql stable
  return jsonb_build_object(
    'id', i.id, 'name', i.name, 'price_minor', i.price_minor, 'currency', i.currency,
    'inventory', i.inventory, 'opens_at', i.opens_at, 'closes_at', i.closes_at, 'paused_at', i.paused_at
  );

alter table orders
  -- When operations asked for the refund of this order; its worker goes by it until the order is
  -- refunded, or the provider has refused for good.
  add column refund_requested_at timestamptz,
  -- Whether its units are put on sale again then, or leave the stock.
  add column refund_returns_units boolean,
  add column refund_reason text,
  add constraint refund_is_whole check (
    (refund_requested_at is null) = (refund_returns_units is null)
    and (refund_requested_at is not null or refund_reason is null)
  ) not valid;

-- An item's money, counted like its units. Taken: of all orders that were ever confirmed. Refunded:
-- of the money what went back, also of a part; of the units those of refunded orders.
alter table item_totals
  add column refunded bigint not null default 0 check (refunded >= 0),
  add column taken_minor bigint not null default 0 check (taken_minor >= 0),
  add column refunded_minor bigint not null default 0 check (refunded_minor >= 0);
update item_totals t set refunded = o.refunded, taken_minor = o.taken_minor, refunded_minor = o.refunded_minor
  from (
    select
      item_id,
      coalesce(sum(quantity) filter (where status = 'refunded'), 0) as refunded,
      sum(amount_minor) as taken_minor,
      sum(refunded_minor) as refunded_minor
    from orders where status in ('confirmed', 'refunded') group by item_id
  ) o
  where o.item_id = t.item_id;

create or replace function count_moved_units() returns trigger language plpgsql as $$
begin
  update item_totals set
    reserved = reserved + new.quantity * ((new.status = 'reserved')::integer - (old.status = 'reserved')::integer),
    confirmed = confirmed + new.quantity * ((new.status = 'confirmed')::integer - (old.status = 'confirmed')::integer),
    refunded = refunded + new.quantity * ((new.status = 'refunded')::integer - (old.status = 'refunded')::integer),
    taken_minor = taken_minor
      + case when new.status = 'confirmed' and old.status <> 'confirmed' then new.amount_minor else 0 end,
    refunded_minor = refunded_minor + new.refunded_minor - old.refunded_minor
  where item_id = new.item_id;
  return null;
end $$;
drop trigger orders_moved on orders;
create trigger orders_moved after update on orders for each row
  when ((old.status, old.refunded_minor) is distinct from (new.status, new.refunded_minor))
  execute function count_moved_units();

-- What was ordered, by whom and for how much never changes, with one exception: of a settled order
-- the shopper's identity may be replaced by one that stands for nobody, and with it goes what the
-- shop kept there.
drop trigger orders_fixed on orders;
create trigger orders_fixed before update on orders for each row
  when (
    (old.id, old.item_id, old.quantity, old.amount_minor, old.currency, old.placed_at)
    is distinct from
    (new.id, new.item_id, new.quantity, new.amount_minor, new.currency, new.placed_at)
    or (
      (old.shopper_id, old.metadata) is distinct from (new.shopper_id, new.metadata)
      and not (old.status <> 'reserved' and new.shopper_id like 'forgotten-%' and new.metadata is null)
    )
  ) execute function refuse_change();

-- Who changed what, when and from where. Written in the transaction of the change, or before it
-- where the change is not in Postgres.
create table operations_audit (
  id bigint generated always as identity primary key,
  at timestamptz not null default now(),
  operator text not null,
  address text not null,
  -- Such as item.restock, order.refund, lane.pause.
  action text not null check (action ~ '^[a-z]+\.[a-z_]+$'),
  -- What it was done to: 'item <id>', 'order <id>', 'lane <n>', 'job <id>', 'shopper <id>'.
  subject text not null,
  before jsonb,
  after jsonb
);
create index operations_audit_of_subject on operations_audit (subject, id);
create trigger operations_audit_kept before update or delete on operations_audit
  for each row execute function refuse_change();

-- Items whose ids begin with rehearsal- are for trying out a sale on a system that is like
-- production: their orders are no sales, the shop is not told of them, and all of it can be deleted
-- again.
drop trigger orders_kept on orders;
create trigger orders_kept before delete on orders for each row
  when (old.item_id not like 'rehearsal-%') execute function refuse_change();

create function refuse_event_change() returns trigger language plpgsql as $$
begin
  if tg_op = 'DELETE'
    and exists (select from orders where id = old.order_id and item_id like 'rehearsal-%')
  then
    return old;
  end if;
  raise exception '% on % is refused: the record is only added to', tg_op, tg_table_name using errcode = 'check_violation';
end $$;
drop trigger order_events_kept on order_events;
create trigger order_events_kept before update or delete on order_events
  for each row execute function refuse_event_change();

create or replace function add_reserved_events() returns trigger language plpgsql as $$
begin
  if shop_is_served() then
    insert into shop_events (type, subject, payload)
      select 'order.reserved', 'order ' || a.id, shop_order(a) from added a
      where a.status = 'reserved' and a.item_id not like 'rehearsal-%';
  end if;
  return null;
end $$;
drop trigger orders_status_event on orders;
create trigger orders_status_event after update on orders for each row
  when (old.status is distinct from new.status and new.item_id not like 'rehearsal-%')
  execute function add_status_event();
drop trigger items_stock_event on items;
create trigger items_stock_event after update on items for each row
  when ((old.inventory = 0) is distinct from (new.inventory = 0) and new.id not like 'rehearsal-%')
  execute function add_stock_event();
