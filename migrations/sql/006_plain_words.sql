-- The field's words for what was here already: a generation of Redis and its heartbeats. And a state
-- goes that nothing ever produced: the waiting list comes back when it is built.

-- Begun anew, not renamed: Redis has the token and the heartbeats under new names, too, and an old
-- row would say that the Redis without them was emptied. The processes of the version before are
-- stopped meanwhile.
drop table redis_epochs;
drop function refuse_epoch_change();
create table redis_generations (
  generation integer primary key check (generation >= 1),
  -- Redis holds the token of the newest generation.
  token uuid not null unique,
  -- Why it began: the system's first start, or what was found of the Redis of the generation before.
  cause text not null check (cause in ('first_start', 'emptied', 'restored')),
  began_at timestamptz not null default now(),
  -- When the system was put right again after what was found; null while that is under way.
  recovered_at timestamptz,
  -- The last heartbeat that Redis is known to have: counted there first, then here, so this is
  -- never ahead of a sound Redis.
  heartbeats bigint not null default 0 check (heartbeats >= 0),
  heartbeat_at timestamptz,
  -- Orders in line at that heartbeat: how many can have been lost at most of those accepted before it.
  in_line bigint not null default 0 check (in_line >= 0),
  -- Each generation but the first has one before it.
  previous integer generated always as (nullif(generation - 1, 0)) stored references redis_generations (generation)
);

-- The story of the generations is only added to, and heartbeats are only counted up.
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
-- For every row that is written from now on; those that are there are checked afterwards (007), when
-- nobody has to wait for it.
alter table orders
  drop constraint orders_status_check,
  add constraint orders_status_check check (
    status in ('reserved', 'confirmed', 'refunded', 'cancelled', 'out_of_stock', 'rejected')
  ) not valid,
  drop constraint final_has_time,
  add constraint final_has_time check ((settled_at is null) = (status = 'reserved')) not valid;
