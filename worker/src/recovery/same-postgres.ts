import type { CheckConnection } from "@holdfast/shared/database.ts";
import type { Logger } from "@holdfast/shared/log.ts";
import { isOutage } from "@holdfast/shared/outage.ts";
import type { SaleGate } from "./sale-gate.ts";

/** An outage by its code, connection_failure: what is in hand waits, and is tried again. */
class OtherPostgres extends Error {
  readonly code = "08006";

  constructor() {
    super("Postgres was replaced by another one, its standby or a restored one, which nobody has looked at yet");
    this.name = "OtherPostgres";
  }
}

/**
 * Notices a connection that leads to another Postgres than those before. A standby that is promoted
 * begins a timeline of its own, and one that was restored has its own too, or another identity. A
 * primary that loses its power says nothing on the connections to it: a new one may lead to its
 * standby before anybody has missed an answer. The first connection of a process says which Postgres
 * it is.
 * @returns a check for the connections that decide and settle, which refuses them from then on until
 *   a look has found the new one sound: what has passed the gate by then has none yet. And one for
 *   the connections of the looks, which only notices it.
 */
export function samePostgres(
  gate: Pick<SaleGate, "noteOutage" | "isUnsure">,
  log: Pick<Logger, "warn">,
): { readonly forWork: CheckConnection; readonly forLooks: CheckConnection } {
  let known: string | null = null;
  let replaced = false;
  let isTold = true;
  const notice: CheckConnection = async (client) => {
    if (!isTold) return;
    const identity = await readIdentity(client).catch((error: Error) => {
      if (isOutage(error)) throw error;
      isTold = false; // no such function there, or not for this role
      log.warn({ err: error }, "Postgres does not tell which server it is: only a lost connection shows a failover");
      return null;
    });
    if (identity === null || identity === known) return;
    const isFirst = known === null;
    known = identity;
    if (isFirst) return;
    replaced = true;
    gate.noteOutage();
  };
  return {
    forLooks: notice,
    async forWork(client) {
      await notice(client);
      if (replaced && gate.isUnsure()) throw new OtherPostgres();
      replaced = false;
    },
  };
}

/** Null of a standby, which decides nothing. */
async function readIdentity(client: Parameters<CheckConnection>[0]): Promise<string | null> {
  const text = `select case when not pg_is_in_recovery() then
    (select system_identifier from pg_control_system()) || ' ' || left(pg_walfile_name(pg_current_wal_lsn()), 8)
  end as identity`;
  const { rows } = await client.query<{ identity: string | null }>(text);
  return rows[0]?.identity ?? null;
}
