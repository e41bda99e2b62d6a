-- Events for the shop: an outbox. The database writes an event itself, in the transaction that
-- makes it true, so no process can forget one, and a transaction that is rolled back leaves none.
-- Workers deliver them afterwards (worker/src/shop-webhooks).

-- Both tables get triggers. Reserving and cancelling lock the item first and then orders: so do we,
-- or a sale and this migration wait for each other.
lock table items, orders in share row exclusive mode;

-- When a worker last said that it delivers to a shop. One row.
create table shop_webhook (
  only_one boolean primary key default true check (only_one),
  -- Null where no worker has a shop to deliver to.
  delivering_at timestamptz
);
insert into shop_webhook default values;

-- Where nobody delivers nothing is written: nobody has a shop, or nobody has said so for a week, so
-- that events which nobody fetches do not grow for ever.
create function shop_is_served() returns boolean language sql stable parallel safe
  return exists (select from shop_webhook where delivering_at > now() - interval '7 days');

create table shop_events (
  -- With msg_ before it the webhook-id, by which the shop recognises an event that it has already.
  id uuid primary key default gen_random_uuid(),
  -- An order's events come one after the other under its row's lock, and so do an item's: for one
  -- subject a higher number is later.
  seq bigint generated always as identity,
  type text not null check (
    type in ('order.reserved', 'order.confirmed', 'order.cancelled', 'order.refunded', 'item.sold_out', 'item.available')
  ),
  -- Whose events are delivered in order: 'order <id>' or 'item <id>'. No foreign key: the row is
  -- complete by itself, and a sale pays for no look at another table.
  subject text not null,
  -- The order or item as it was then, only what is shown of it: an event that is delivered late
  -- does not show what came after it.
  payload jsonb not null,
  -- Not now(), which is when the transaction began: an event would be older than the one that its
  -- transaction waited for.
  created_at timestamptz not null default clock_timestamp(),
  -- When it is looked at next; while it is being sent, when whoever sends it must be dead.
  due_at timestamptz not null default now(),
  -- Of the worker that sends it now: one that lost it to another changes nothing any more.
  lease uuid,
  tries integer not null default 0,
  -- The three days of tries begin here: neither while no worker runs nor behind another event.
  first_tried_at timestamptz,
  last_error text,
  outcome text check (outcome in ('delivered', 'dead')),
  finished_at timestamptz,
  constraint finished_has_time check ((outcome is null) = (finished_at is null))
);
-- What is due: a look that finds nothing reads one page.
create index shop_events_due on shop_events (due_at, seq) where outcome is null;
-- What came before an event; without the delivered ones, of which an item may have thousands.
create index shop_events_unfinished on shop_events (subject, seq) where outcome is null;
-- What of a subject is being sent: a few rows.
create index shop_events_leased on shop_events (subject) where lease is not null;
-- For how long the shop has not taken an event: rows only where something fails.
create index shop_events_failing on shop_events (first_tried_at) where outcome is null and first_tried_at is not null;
-- All events of an order that are over, to be sent again.
create index shop_events_of_subject on shop_events (subject) where outcome is not null;
-- What is old enough to be deleted, and the dead ones.
create index shop_events_finished on shop_events (outcome, finished_at, seq) where outcome is not null;

create function shop_order(o orders) returns jsonb language sql stable
  return jsonb_build_object(
    'id', o.id, 'shopper_id', o.shopper_id, 'item_id', o.item_id, 'quantity', o.quantity,
    'amount_minor', o.amount_minor, 'currency', o.currency, 'status', o.status, 'reason', o.reason,
    'payment_status', o.payment_status, 'decline_code', o.decline_code, 'metadata', o.metadata,
    'placed_at', o.placed_at, 'reserved_at', o.reserved_at, 'settled_at', o.settled_at,
    'hold_expires_at', o.hold_expires_at, 'version', o.version
  );

create function shop_item(i items) returns jsonb language sql stable
  return jsonb_build_object(
    'id', i.id, 'name', i.name, 'price_minor', i.price_minor, 'currency', i.currency,
    'inventory', i.inventory, 'opens_at', i.opens_at, 'closes_at', i.closes_at
  );

-- Once per statement: without a shop a batch of hundreds costs one look. Only reserved orders: the
-- shop knows nothing of one that was refused or cancelled in line, and needs no event of its end.
create function add_reserved_events() returns trigger language plpgsql as $$
begin
  if shop_is_served() then
    insert into shop_events (type, subject, payload)
      select 'order.reserved', 'order ' || a.id, shop_order(a) from added a where a.status = 'reserved';
  end if;
  return null;
end $$;
create trigger orders_reserved_event after insert on orders referencing new table as added
  for each statement execute function add_reserved_events();

create function add_status_event() returns trigger language plpgsql as $$
begin
  if shop_is_served() then
    insert into shop_events (type, subject, payload)
      values ('order.' || new.status, 'order ' || new.id, shop_order(new));
  end if;
  return null;
end $$;
create trigger orders_status_event after update on orders for each row
  when (old.status is distinct from new.status) execute function add_status_event();

create function add_stock_event() returns trigger language plpgsql as $$
begin
  if shop_is_served() then
    insert into shop_events (type, subject, payload)
      values (
        case when new.inventory = 0 then 'item.sold_out' else 'item.available' end, 'item ' || new.id, shop_item(new)
      );
  end if;
  return null;
end $$;
create trigger items_stock_event after update on items for each row
  when ((old.inventory = 0) is distinct from (new.inventory = 0)) execute function add_stock_event();
