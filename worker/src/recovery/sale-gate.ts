import { isOutage, isRedisOutage } from "@holdfast/shared/outage.ts";
import type { GenerationState } from "@holdfast/shared/redis-generation.ts";

/**
 * Whether anything may be decided or settled now. A Postgres that was restored from an older state,
 * or failed over to a standby that lagged, has units on sale again that are sold, and knows nothing
 * of orders that were paid. It looks healthy. So after each loss of Postgres nothing is decided until
 * a look at the generation has found that it is not behind Redis; and where it is, until somebody
 * has run `npm run restore-check`.
 */
export interface SaleGate {
  /** Postgres did not answer, a connection to it broke, or leads to another one. */
  readonly noteOutage: () => void;
  /** The same where an error says so. */
  readonly noteError: (error: unknown) => void;
  /** What a look at the generation found, and when it began. */
  readonly noteLook: (state: GenerationState, beganAtMs: number) => void;
  /** Whether a look has to compare more than heartbeats: since Postgres was lost, none has found it sound. */
  readonly isUnsure: () => boolean;
  /** @throws SaleHalted while nothing may be decided */
  readonly require: () => void;
}

/** What is in hand keeps its place, and is tried again. */
export class SaleHalted extends Error {
  constructor(why: string) {
    super(why);
    this.name = "SaleHalted";
  }
}

export function saleGate(): SaleGate {
  let outageAtMs = performance.now(); // a process that starts knows nothing either
  let lookedAtMs = Number.NEGATIVE_INFINITY;
  let behind = false;
  const noteOutage = () => {
    outageAtMs = performance.now();
  };
  return {
    noteOutage,
    noteError(error) {
      if (isOutage(error) && !isRedisOutage(error) && !isBusy(error)) noteOutage();
    },
    noteLook(state, beganAtMs) {
      behind = state === "postgres_behind";
      lookedAtMs = beganAtMs;
    },
    isUnsure: () => behind || lookedAtMs < outageAtMs,
    require() {
      if (behind) throw new SaleHalted("Postgres is behind Redis: npm run restore-check");
      if (lookedAtMs < outageAtMs) throw new SaleHalted("Postgres was lost, and was not compared with Redis yet");
    },
  };
}

// serialization_failure, deadlock_detected, lock_not_available, query_canceled, unique_violation: a
// Postgres that answers.
const busyStates = ["40001", "40P01", "55P03", "57014", "23505"];

/** Whether an outage is one of a Postgres that has much to do, or of our own pool of connections. */
function isBusy(error: unknown): boolean {
  const { code, message } = error as { code?: unknown; message: string };
  return busyStates.includes(String(code)) || /timeout exceeded when trying to connect/i.test(message);
}
