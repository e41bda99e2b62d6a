-- Which life of Redis the record belongs to. An order in line is only in Redis, so a Redis that was emptied, or restored from an older
-- state, has lost orders that were promised: both sides know the epoch's token and count the same beats, and where Redis knows less than
-- stands here, it is not the Redis it was.

create table redis_epochs (
  epoch integer primary key check (epoch >= 1),
  -- Redis holds the token of the newest epoch.
  token uuid not null unique,
  -- Why it began: the system's first start, or what was found of the Redis of the epoch before.
  cause text not null check (cause in ('first_start', 'emptied', 'restored')),
  began_at timestamptz not null default now(),
  -- When the system was put right again after what was found; null while that is under way.
  recovered_at timestamptz,
  -- The last beat that Redis is known to have: counted there first, then here, so this is never ahead of a sound Redis.
  beat bigint not null default 0 check (beat >= 0),
  beat_at timestamptz,
  -- Orders in line at that beat: how many can have been lost at most of those accepted before it.
  in_line bigint not null default 0 check (in_line >= 0),
  -- Each epoch but the first has one before it.
  previous integer generated always as (nullif(epoch - 1, 0)) stored references redis_epochs (epoch)
);

-- The story of the epochs is only added to, and beats are only counted up.
create function refuse_epoch_change() returns trigger language plpgsql as $$
begin
  if tg_op = 'DELETE'
    or (old.epoch, old.token, old.cause, old.began_at) is distinct from (new.epoch, new.token, new.cause, new.began_at)
    or new.beat < old.beat
  then
    raise exception '% on redis_epochs is refused: an epoch only goes forward', tg_op using errcode = 'check_violation';
  end if;
  return new;
end $$;
create trigger redis_epochs_forward before update or delete on redis_epochs for each row execute function refuse_epoch_change();
