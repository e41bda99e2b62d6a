const maxKeys = 100_000; // at some 150 bytes each 15 MB; past that all are forgotten, which lets a few pass too many

/**
 * Counts one more for a key. Null where it is within the limit, otherwise the milliseconds until
 * the window is over.
 */
export type CountInWindow = (key: string) => number | null;

/**
 * Counts in this process, in windows that begin for every key at the same moment: so what is
 * counted is thrown away as a whole, and nothing has to be looked through.
 */
export function windowCounter(
  max: number,
  windowMs: number,
  now: () => number = () => performance.now(),
): CountInWindow {
  let counts = new Map<string, number>();
  let endsAtMs = now() + windowMs;
  return (key) => {
    const nowMs = now();
    if (nowMs >= endsAtMs || counts.size >= maxKeys) {
      counts = new Map();
      if (nowMs >= endsAtMs) endsAtMs = nowMs + windowMs;
    }
    const count = (counts.get(key) ?? 0) + 1;
    counts.set(key, count);
    return count > max ? endsAtMs - nowMs : null;
  };
}
