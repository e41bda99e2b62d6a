import type { CheckConnection } from "@holdfast/shared/database.ts";
import { isOutage } from "@holdfast/shared/outage.ts";

/** An outage by its code, connection_failure: what is in hand waits, and is tried again. */
class OtherPostgres extends Error {
  readonly code = "08006";

  constructor() {
    super("Postgres was replaced by another one: its standby, or a restored one");
    this.name = "OtherPostgres";
  }
}

/**
 * Notices a connection that leads to another Postgres than those before. A standby that is promoted
 * begins a timeline of its own, and one that was restored has its own too, or another identity. A
 * primary that loses its power says nothing on the connections to it: a new one may lead to its
 * standby before anybody has missed an answer.
 * @param onOther told of it before the connection is refused
 * @returns for each new connection of a process; the first of them says which Postgres it is
 */
export function samePostgres(onOther: () => void): CheckConnection {
  let known: string | null = null;
  return async (client) => {
    const identity = await readIdentity(client);
    if (identity === null || identity === known) return;
    const isFirst = known === null;
    known = identity;
    if (isFirst) return;
    onOther();
    throw new OtherPostgres();
  };
}

/** Null of a standby, which decides nothing, and where a service does not tell. */
async function readIdentity(client: Parameters<CheckConnection>[0]): Promise<string | null> {
  const text = `select case when not pg_is_in_recovery() then
    (select system_identifier from pg_control_system()) || ' ' || left(pg_walfile_name(pg_current_wal_lsn()), 8)
  end as identity`;
  try {
    const { rows } = await client.query<{ identity: string | null }>(text);
    return rows[0]?.identity ?? null;
  } catch (error) {
    if (isOutage(error)) throw error;
    return null; // no such function there, or not for this role: a lost connection is all that tells
  }
}
