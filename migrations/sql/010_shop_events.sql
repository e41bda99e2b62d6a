-- What the shop is to be told: an outbox. The database writes an event itself, in the transaction
-- that makes it true, so no process can forget one, and a transaction that is rolled back tells
-- nothing. Workers deliver them afterwards (worker/src/shop-webhooks).

-- When a worker last said that it delivers to a shop. One row.
create table shop_webhook (
  only_one boolean primary key default true check (only_one),
  -- Null where there is no shop to tell.
  listened_at timestamptz
);
insert into shop_webhook default values;

-- Where no shop listens nothing is written; nor where nobody has delivered for a week, so that
-- events which nobody fetches do not grow for ever.
create function shop_listens() returns boolean language sql stable parallel safe
  return exists (select from shop_webhook where listened_at > now() - interval '7 days');

create table shop_events (
  -- With msg_ before it the webhook-id, by which the shop knows what it has had already.
  id uuid primary key default gen_random_uuid(),
  -- An order's events come one after the other under its row's lock, and so do an item's: for one
  -- subject a higher number is later.
  seq bigint generated always as identity,
  type text not null check (
    type in ('order.reserved', 'order.confirmed', 'order.cancelled', 'order.refunded', 'item.sold_out', 'item.available')
  ),
  -- Whose events are told in order: 'order <id>' or 'item <id>'. No foreign key: the row says all
  -- by itself, and a sale pays for no look at another table.
  subject text not null,
  -- The order or item as it was then, only what is shown of it: an event that is delivered late
  -- does not say what came after it.
  payload jsonb not null,
  created_at timestamptz not null default now(),
  -- When it is looked at next; while it is being sent, when whoever sends it must be dead.
  due_at timestamptz not null default now(),
  -- Of the worker that sends it now: one that lost it to another changes nothing any more.
  lease uuid,
  tries integer not null default 0,
  -- From then on a failed try is the last one.
  give_up_at timestamptz not null default now() + interval '3 days',
  last_error text,
  outcome text check (outcome in ('delivered', 'dead')),
  finished_at timestamptz,
  constraint finished_has_time check ((outcome is null) = (finished_at is null))
);
-- What is due: a look that finds nothing reads one page.
create index shop_events_due on shop_events (due_at, seq) where outcome is null;
-- What came before an event, and all events of an order.
create index shop_events_of_subject on shop_events (subject, seq);
-- What is old enough to be deleted.
create index shop_events_finished on shop_events (outcome, finished_at) where outcome is not null;

create function shop_order(o orders) returns jsonb language sql stable
  return jsonb_build_object(
    'id', o.id, 'shopper_id', o.shopper_id, 'item_id', o.item_id, 'quantity', o.quantity,
    'amount_minor', o.amount_minor, 'currency', o.currency, 'status', o.status, 'reason', o.reason,
    'payment_status', o.payment_status, 'decline_code', o.decline_code, 'metadata', o.metadata,
    'placed_at', o.placed_at, 'reserved_at', o.reserved_at, 'settled_at', o.settled_at,
    'hold_expires_at', o.hold_expires_at, 'version', o.version
  );

-- Once per statement: without a shop a batch of hundreds costs one look. Only reserved orders: of
-- one that was refused or cancelled in line the shop has never heard, so it need not hear of its
-- end.
create function tell_reserved() returns trigger language plpgsql as $$
begin
  if shop_listens() then
    insert into shop_events (type, subject, payload)
      select 'order.reserved', 'order ' || a.id, shop_order(a) from added a where a.status = 'reserved';
  end if;
  return null;
end $$;
create trigger orders_told_reserved after insert on orders referencing new table as added
  for each statement execute function tell_reserved();

create function tell_settled() returns trigger language plpgsql as $$
begin
  if shop_listens() then
    insert into shop_events (type, subject, payload)
      values ('order.' || new.status, 'order ' || new.id, shop_order(new));
  end if;
  return null;
end $$;
create trigger orders_told_settled after update on orders for each row
  when (old.status is distinct from new.status) execute function tell_settled();

create function tell_available() returns trigger language plpgsql as $$
begin
  if shop_listens() then
    insert into shop_events (type, subject, payload)
      values (
        case when new.inventory = 0 then 'item.sold_out' else 'item.available' end, 'item ' || new.id, to_jsonb(new)
      );
  end if;
  return null;
end $$;
create trigger items_told after update on items for each row
  when ((old.inventory = 0) is distinct from (new.inventory = 0)) execute function tell_available();
