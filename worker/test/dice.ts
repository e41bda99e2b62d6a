import { mulberry32 } from "@holdfast/infra/stripe-simulator/faults.ts";

/** What a schedule leaves to chance, from one seed. */
export class Dice {
  readonly #random: () => number;

  constructor(seed: number) {
    this.#random = mulberry32(seed);
  }

  /** A whole number from 0 on that is below `n`. */
  below(n: number): number {
    return Math.floor(this.#random() * n);
  }

  /** True once in `n` times. */
  oneIn(n: number): boolean {
    return this.below(n) === 0;
  }

  pick<T>(list: readonly T[]): T | undefined {
    return list[this.below(list.length)];
  }
}
