import type { Logger } from "@holdfast/shared/log.ts";
import type { KnownGeneration } from "@holdfast/shared/redis-generation.ts";
import { type RecoverParts, recoverFromPostgres } from "./recover-from-postgres.ts";

export interface RecoveryParts extends RecoverParts {
  /** Makes the queues' rules and schedules anew. */
  readonly setUpQueues: () => Promise<void>;
  readonly log: Logger;
}

/**
 * What a worker does about a new generation of Redis. It may be done any number of times, by
 * several workers at once.
 */
export function generationRecovery(parts: RecoveryParts): (known: KnownGeneration) => Promise<void> {
  return async (known) => {
    await parts.setUpQueues();
    if (known.cause === "first_start") return;
    const found = await recoverFromPostgres(parts, known.beganAtMs);
    parts.log.info(
      { generation: known.generation, ...found },
      "what Redis says of orders is in line with Postgres again",
    );
  };
}
