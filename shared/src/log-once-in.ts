const maxKinds = 1_000; // kept at most, those of a longer silence aside

/**
 * Lets one line of a kind through in so many ms, and counts the others: a fault that thousands of
 * requests meet is a line now and then.
 * @returns how many were left out since the last line of this kind; null where this one is, too
 */
export function onceIn(ms: number, nowMs: () => number = () => performance.now()) {
  const last = new Map<string, { atMs: number; leftOut: number }>(); // oldest first
  return (kind: string): number | null => {
    const known = last.get(kind);
    const atMs = nowMs();
    if (known !== undefined && atMs - known.atMs < ms) {
      known.leftOut += 1;
      return null;
    }
    last.delete(kind);
    last.set(kind, { atMs, leftOut: 0 });
    for (const [oldest, one] of last) {
      if (last.size <= maxKinds || atMs - one.atMs < ms) break;
      last.delete(oldest);
    }
    return known?.leftOut ?? 0;
  };
}
