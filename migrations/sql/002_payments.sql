-- What is needed to follow an order's money through every crash: when an attempt was first sent, when it was last looked at, and whether
-- anything can still be paid under the order.

alter table orders
  -- An order that was cancelled while it was still in line never had a card looked at.
  alter column payment_method drop not null,
  -- How many cards the shopper has tried; payment_attempt may count further, since a key that was used up is replaced.
  add column payment_cards integer not null default 1 check (payment_cards >= 1),
  -- When the current attempt was first sent to the provider; null until then: such an order can be let go without asking anyone.
  add column payment_started_at timestamptz,
  -- When the sweeper last had the payment looked at, so that it takes turns.
  add column payment_checked_at timestamptz,
  -- When the provider said that nothing can be paid under this order any more, or that it was refunded; only for cancelled orders.
  add column payment_closed_at timestamptz,
  add constraint held_has_method check (status not in ('reserved', 'confirmed') or payment_method is not null);

-- What the sweeper looks for. Few orders are held at a time, and fewer are cancelled with a payment that is still open.
create index orders_held on orders (hold_expires_at) where status = 'reserved';
create index orders_open_after_cancel on orders (settled_at)
  where status = 'cancelled' and payment_intent_id is not null and payment_closed_at is null;

-- Each of the provider's events is processed once, however often it comes.
create table webhook_events (
  id text primary key check (length(id) between 1 and 255),
  type text not null,
  payment_intent_id text,
  received_at timestamptz not null default now(),
  processed_at timestamptz
);
-- Old ones are swept out: a provider sends an event for three days at most.
create index webhook_events_by_age on webhook_events (received_at);

-- A look at a payment changes nothing that anybody is shown, so it makes no new version.
drop trigger orders_version on orders;
create trigger orders_version before update on orders for each row
  when (
    old.payment_checked_at is not distinct from new.payment_checked_at
    or old.payment_started_at is distinct from new.payment_started_at
  )
  execute function count_version();
