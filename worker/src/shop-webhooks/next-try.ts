const leastTries = 8; // some four minutes: also for an event whose workers were stopped meanwhile
const longestMs = 3_600_000; // a shop that is back gets its events within the hour
const spread = 0.2; // so that the events of an outage do not come all at once

/** What a failed try is judged by. */
export interface FailedTry {
  /** How often the event was tried. */
  readonly tries: number;
  /** Whether it has been tried for as long as we try. */
  readonly expired: boolean;
  /** What the shop asked for with Retry-After; null where it did not. */
  readonly retryAfterMs: number | null;
}

/**
 * When a failed event is tried again: after 1 s, 2 s, 4 s and so on, a fifth more or less; later
 * where the shop asks for it; within an hour in any case. Null where that was the last try.
 * @param random from 0 to 1
 */
export function nextTryMs({ tries, expired, retryAfterMs }: FailedTry, random: number): number | null {
  if (expired && tries >= leastTries) return null;
  const backOffMs = Math.min(1_000 * 2 ** (tries - 1), longestMs / (1 + spread)) * (1 - spread + 2 * spread * random);
  return Math.min(Math.max(Math.round(backOffMs), retryAfterMs ?? 0), longestMs);
}
