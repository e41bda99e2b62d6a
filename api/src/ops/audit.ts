import type { Database } from "@holdfast/shared/database.ts";
import type { Operator } from "./ops-guard.ts";

/** What was done to what, and how that was before and after; null where there is nothing to say. */
export interface Change {
  /** Such as `item.restock`, `order.refund`, `lane.pause`. */
  readonly action: string;
  /** `item <id>`, `order <id>`, `lane <n>`, `job <id>`, `shopper <id>`. */
  readonly subject: string;
  readonly before: object | null;
  readonly after: object | null;
}

/**
 * Adds an entry to the audit trail: in the transaction that makes the change, or before a change
 * that is not in Postgres.
 */
export async function appendAudit(
  db: Database,
  { name, address }: Pick<Operator, "name" | "address">,
  { action, subject, before, after }: Change,
): Promise<void> {
  const entry = { before: asJson(before), after: asJson(after) };
  await db
    .insertInto("operations_audit")
    .values({ operator: name, address, action, subject, ...entry })
    .execute();
}

/** The driver would take an array for one of Postgres' own. */
function asJson(value: object | null): string | null {
  return value === null ? null : JSON.stringify(value);
}
