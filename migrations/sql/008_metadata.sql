-- What a shop keeps with an order (an address, a voucher): names and values of its own, written
-- with the order and never changed.
--
-- The workers of the version before go on with this schema, but cannot read the purchase jobs of
-- API servers of this one that have metadata, and take a confirmation token for a payment method.
-- So all workers are replaced before the first API server is.
alter table orders
  add column metadata jsonb,
  -- For every row that is written from now on; those that are there have none (009).
  add constraint metadata_is_object check (jsonb_typeof(metadata) = 'object') not valid;

drop trigger orders_fixed on orders;
create trigger orders_fixed before update on orders for each row
  when (
    (old.id, old.shopper_id, old.item_id, old.quantity, old.amount_minor, old.currency, old.placed_at, old.metadata)
    is distinct from
    (new.id, new.shopper_id, new.item_id, new.quantity, new.amount_minor, new.currency, new.placed_at, new.metadata)
  ) execute function refuse_change();

-- How many of the cards could not even be tried, such as a confirmation token that grew stale in
-- line: they do not count among those an item allows.
alter table orders
  add column payment_untried integer not null default 0,
  add constraint untried_counted check (payment_untried >= 0) not valid;
