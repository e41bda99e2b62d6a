import type { Database } from "@holdfast/shared/database.ts";
import type { Logger } from "@holdfast/shared/log.ts";
import type { ChargeQueue, LaneQueue, WebhookQueue } from "@holdfast/shared/queues.ts";
import type { CheckReadiness } from "@holdfast/shared/readiness.ts";
import type { Store } from "@holdfast/shared/redis.ts";
import type { ItemCatalog } from "../items/item-catalog.ts";
import type { LockoutLimits } from "./ops-lockout.ts";
import type { OpsUser } from "./ops-users.ts";

/** What the routes under `/ops` are made of. */
export interface OpsParts extends Store {
  readonly db: Database;
  /**
   * Where orders are exported from, for a connection of one's own: the first that answers, a
   * standby before the primary.
   */
  readonly exportUrls: () => readonly string[];
  readonly lanes: readonly LaneQueue[];
  readonly charges: ChargeQueue;
  readonly webhooks: WebhookQueue;
  readonly items: ItemCatalog;
  readonly checkReadiness: CheckReadiness;
  /** Of the user `ops`. */
  readonly password: string;
  readonly users: readonly OpsUser[];
  /** How many requests of every kind the fleet sends to the provider in a second. */
  readonly chargesPerSecond: number;
  readonly lockout: LockoutLimits;
  readonly log: Logger;
}

export const opsSecurity = [{ operations: [] }];
/** What `guardOperations` may answer. */
export const opsRefusals = ["unauthenticated", "foreign_page"] as const;
/** And of what changes something. */
export const opsActRefusals = [...opsRefusals, "forbidden"] as const;
