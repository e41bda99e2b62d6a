-- Until when a Redis without an epoch's token is one that was not given it yet: from stamped_at on, it
-- has lost it, be it while an earlier loss is still put right.
alter table redis_epochs add column stamped_at timestamptz;
update redis_epochs set stamped_at = recovered_at;
