-- A version may be raised by more than one: after a restore, above what shoppers and API servers were
-- shown before it (worker/src/recovery/restore-check.ts). It never goes down.
create or replace function count_version() returns trigger language plpgsql as $$
begin
  new.version := greatest(old.version + 1, new.version);
  return new;
end $$;
