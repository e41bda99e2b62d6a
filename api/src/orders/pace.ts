/** How fast a line moves, from looking at it now and then. */
export interface Pace {
  /**
   * Notes where the line stands.
   * @param done how many were ever done with
   * @param taken how many ever joined it
   */
  note(done: number, taken: number, atMs: number): void;
  /** How many are done with a second, as of late. */
  perSecond(): number;
}

const forgottenMs = 30_000; // as far apart as long polls: what lies between two looks says nothing any more
const halfLifeMs = 5_000; // of what was seen: the pace of a sale changes within seconds

/**
 * @param usualPerSecond taken until the line was seen moving, and weighed in with a second's worth
 *   of it, so that the first look at a burst does not decide alone
 */
export function createPace(usualPerSecond: number): Pace {
  let last: { done: number; taken: number; atMs: number } | null = null;
  let moved = usualPerSecond;
  let seconds = 1;
  return {
    note(done, taken, atMs) {
      const before = last;
      last = { done, taken, atMs };
      if (before === null || done < before.done) return;
      const elapsedMs = atMs - before.atMs;
      // Past those who were waiting then, it was empty for a while: its pace in between is unknown.
      if (elapsedMs <= 0 || elapsedMs > forgottenMs || done >= before.taken) return;
      const kept = 0.5 ** (elapsedMs / halfLifeMs);
      moved = moved * kept + (done - before.done);
      seconds = seconds * kept + elapsedMs / 1000;
    },
    // One a second at least: a line that stands still is not a matter of hours.
    perSecond: () => Math.max(1, moved / seconds),
  };
}
