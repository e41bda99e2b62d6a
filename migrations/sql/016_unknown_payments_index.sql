-- no transaction

-- What 015 needs on a large table: each statement may run again after a crash. The processes of the
-- version before ask with the status, which this index serves too.
create index concurrently if not exists orders_payment_unknown on orders (payment_unknown_since)
  where payment_unknown_since is not null;
drop index concurrently if exists orders_in_question;
alter table orders validate constraint unknown_is_held;
