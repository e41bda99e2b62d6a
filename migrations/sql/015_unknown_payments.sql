-- Only an order that is held has a payment in question: so one look at the column finds them all,
-- and the planner has one figure to go by. Together with the status it took them for a hundredth of
-- what they are, and read all of them, sorted, where the oldest thousand were asked for.

lock table items, orders in access exclusive mode; -- as in 013
alter table orders add constraint unknown_is_held
  check (payment_unknown_since is null or status = 'reserved') not valid;
