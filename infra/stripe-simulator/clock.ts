/** The simulator's time: the machine's own, moved ahead by as much as it was told to. */
export class Clock {
  #aheadMs = 0;

  /** Milliseconds since 1970. */
  nowMs(): number {
    return Date.now() + this.#aheadMs;
  }

  /** Seconds since 1970, as Stripe's objects carry them. */
  nowSeconds(): number {
    return Math.floor(this.nowMs() / 1000);
  }

  /**
   * @throws RangeError for anything but a whole number of milliseconds, 0 or more: time never goes
   *   back
   */
  advance(byMs: number): void {
    if (!Number.isSafeInteger(byMs) || byMs < 0) throw new RangeError(`advanceMs: ${byMs}`);
    this.#aheadMs += byMs;
  }

  snapshot(): { aheadMs: number } {
    return { aheadMs: this.#aheadMs };
  }

  restore(snapshot: { aheadMs: number }): void {
    this.#aheadMs = snapshot.aheadMs;
  }
}
