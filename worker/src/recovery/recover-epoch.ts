import type { Logger } from "@holdfast/shared/log.ts";
import type { KnownEpoch } from "@holdfast/shared/redis-epoch.ts";
import { type RecoverParts, recoverFromRecord } from "./recover-from-record.ts";

export interface RecoveryParts extends RecoverParts {
  /** Makes the queues' rules and schedules anew. */
  readonly setUpQueues: () => Promise<void>;
  readonly log: Logger;
}

/** What a worker does about a new epoch of Redis. It may be done any number of times, by several workers at once. */
export function epochRecovery(parts: RecoveryParts): (known: KnownEpoch) => Promise<void> {
  return async (known) => {
    await parts.setUpQueues();
    if (known.cause === "first_start") return;
    const found = await recoverFromRecord(parts, known.beganAtMs);
    parts.log.info({ epoch: known.epoch, ...found }, "what Redis says of orders is in line with Postgres again");
  };
}
