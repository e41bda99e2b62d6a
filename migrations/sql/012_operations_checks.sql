-- no transaction

-- What 011 needs on a large table: each statement may run again after a crash.

-- Operations' lists, newest first: of an item, of a status, or of all, as one list for each item
-- and status.
create index concurrently if not exists orders_of_item on orders (item_id, status, placed_at desc, id desc);

-- Refunds that operations asked for and that are not done, and holds by their end: a few rows.
create index concurrently if not exists orders_refund_open on orders (refund_requested_at)
  where refund_requested_at is not null and status = 'confirmed';
create index concurrently if not exists orders_held_until on orders (hold_expires_at)
  where status = 'reserved' and hold_expires_at is not null;

-- The rule of 011 holds for the rows that were there before, too.
alter table orders validate constraint refund_is_whole;
