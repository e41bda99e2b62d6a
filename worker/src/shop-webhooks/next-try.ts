const leastTries = 8; // some four minutes: also for an event that waited for days behind another, or for a worker
const longestMs = 3_600_000; // a shop that is back gets its events within the hour

/**
 * When a failed event is tried again: after 1 s, 2 s, 4 s and so on up to an hour, a fifth more or
 * less, so that the events of an outage do not come all at once. Null where that was the last try.
 * @param tries how often it was tried
 * @param expired whether it has been tried for as long as we try
 * @param random from 0 to 1
 */
export function nextTryMs({ tries, expired }: { tries: number; expired: boolean }, random: number): number | null {
  if (expired && tries >= leastTries) return null;
  return Math.round(Math.min(1_000 * 2 ** (tries - 1), longestMs) * (0.8 + 0.4 * random));
}
