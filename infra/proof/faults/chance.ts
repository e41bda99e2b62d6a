import { mulberry32 } from "../../stripe-simulator/faults.ts";

/**
 * Everything a run leaves to chance, from one seed: the same seed draws the same, as far as the
 * machine's timing lets it.
 */
export interface Chance {
  /** A number in [0, 1). */
  draw(): number;
  between(min: number, max: number): number;
  happens(share: number): boolean;
  pick<T>(values: readonly T[]): T;
  shuffled<T>(values: readonly T[]): T[];
  /** Another source, which draws on its own from here on. */
  fork(): Chance;
}

export function chanceOf(seed: number): Chance {
  const draw = mulberry32(seed);
  const between = (min: number, max: number) => min + draw() * (max - min);
  return {
    draw,
    between,
    happens: (share) => draw() < share,
    pick: (values) => values[Math.floor(draw() * values.length)] as (typeof values)[number],
    shuffled: (values) =>
      values
        .map((value) => ({ value, at: draw() }))
        .sort((a, b) => a.at - b.at)
        .map(({ value }) => value),
    fork: () => chanceOf(Math.floor(draw() * 2 ** 32)),
  };
}
