-- The field's words for what was here already: a generation of Redis and its heartbeats. And a state goes that nothing ever
-- produced: the waiting list comes back when it is built.

alter table redis_epochs rename to redis_generations;
alter table redis_generations rename column epoch to generation;
alter table redis_generations rename column beat to heartbeats;
alter table redis_generations rename column beat_at to heartbeat_at;

drop trigger redis_epochs_forward on redis_generations;
drop function refuse_epoch_change();
create function refuse_generation_change() returns trigger language plpgsql as $$
begin
  if tg_op = 'DELETE'
    or (old.generation, old.token, old.cause, old.began_at)
      is distinct from (new.generation, new.token, new.cause, new.began_at)
    or new.heartbeats < old.heartbeats
  then
    raise exception '% on redis_generations is refused: a generation only goes forward', tg_op
      using errcode = 'check_violation';
  end if;
  return new;
end $$;
create trigger redis_generations_forward before update or delete on redis_generations
  for each row execute function refuse_generation_change();

delete from legal_transitions where 'waitlisted' in (from_status, to_status);
-- For every row that is written from now on; those that are there are checked afterwards (007), when nobody has to wait for it.
alter table orders
  drop constraint orders_status_check,
  add constraint orders_status_check check (
    status in ('reserved', 'confirmed', 'refunded', 'cancelled', 'out_of_stock', 'rejected')
  ) not valid,
  drop constraint final_has_time,
  add constraint final_has_time check ((settled_at is null) = (status = 'reserved')) not valid;
