-- no transaction

-- What 004 needs on a large table: indexes and checks for which nobody has to wait. Each statement
-- may run again after a crash.

-- What the sweeper looks for, each kind in the order in which it is due.
create index concurrently if not exists orders_due on orders (payment_stage(status, payment_status, payment_started_at), payment_due_at)
  where payment_due_at is not null;
-- Payments that nobody could settle for long: an alarm by age.
create index concurrently if not exists orders_in_question on orders (payment_unknown_since)
  where status = 'reserved' and payment_unknown_since is not null;
-- What reconciliation compares with the provider's list.
create index concurrently if not exists orders_paid_by_time on orders (settled_at, id) where status in ('confirmed', 'refunded');

alter table orders validate constraint orders_status_check;
alter table orders validate constraint confirmed_is_paid;
alter table orders validate constraint held_has_times;
alter table orders validate constraint held_has_method;
alter table orders validate constraint paid_has_payment;
alter table orders validate constraint released_by_shopper;
alter table orders validate constraint refunded_within_amount;
