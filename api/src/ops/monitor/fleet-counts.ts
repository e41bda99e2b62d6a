import { decisionBounds, type MemberFigures, type MemberReport } from "@holdfast/shared/fleet-report.ts";

/** What the fleet has counted in the last minute, all processes together. */
export interface FleetCounts {
  readonly orders: Record<string, number>;
  readonly charges: Record<string, number>;
  readonly providerErrors: Record<string, number>;
  /** By the bounds of `decisionBounds`; the last of what took longer. */
  readonly decisionSeconds: readonly number[];
  readonly requests: number;
  readonly shed: number;
  /** In how many seconds that was: fewer than sixty for whoever has just begun to look. */
  readonly seconds: number;
  /** Charges per second since the count before this one, by what they came to. */
  readonly chargesPerSecond: Record<string, number>;
}

interface Sample {
  readonly atMs: number;
  readonly members: ReadonlyMap<string, MemberFigures>;
}

const windowMs = 60_000;

/**
 * Processes count from their start, each for itself: the last minute of the fleet is the sum of
 * what each has counted since the sample a minute ago. A process that started since then counted
 * from zero; one that is gone no longer counts.
 */
export function fleetCounter() {
  const samples: Sample[] = []; // oldest first, a minute's
  return {
    /** Takes the newest reports, and counts. @param atMs now, by any steady clock */
    count(reports: readonly MemberReport[], atMs: number): FleetCounts {
      while (samples[1] !== undefined && atMs - samples[1].atMs >= windowMs) samples.shift();
      const oldest = samples[0];
      const last = samples.at(-1);
      const members = new Map(reports.map(({ id, figures }) => [id, figures]));
      samples.push({ atMs, members });
      // Before the first sample nothing is known, also not of those that started just before it.
      const base = oldest ?? { atMs, members };
      return {
        ...sumOf(members, base.members),
        seconds: secondsBetween(base, atMs),
        chargesPerSecond: last === undefined ? {} : ratesOf(sumOf(members, last.members).charges, last, atMs),
      };
    },
  };
}

function secondsBetween({ atMs }: Sample, nowMs: number): number {
  return Math.max(1, (nowMs - atMs) / 1000);
}

function ratesOf(counts: Record<string, number>, since: Sample, nowMs: number): Record<string, number> {
  const rates = Object.entries(counts).map(([name, count]) => [name, count / secondsBetween(since, nowMs)] as const);
  return Object.fromEntries(rates);
}

function sumOf(now: ReadonlyMap<string, MemberFigures>, then: ReadonlyMap<string, MemberFigures>) {
  const sum = {
    orders: {} as Record<string, number>,
    charges: {} as Record<string, number>,
    providerErrors: {} as Record<string, number>,
    decisionSeconds: Array.from({ length: decisionBounds.length + 1 }, () => 0),
    requests: 0,
    shed: 0,
  };
  for (const [id, figures] of now) {
    const before = then.get(id);
    for (const kind of ["orders", "charges", "providerErrors"] as const) {
      for (const [name, count] of Object.entries(figures[kind])) {
        const more = count - (before?.[kind][name] ?? 0);
        if (more > 0) sum[kind][name] = (sum[kind][name] ?? 0) + more;
      }
    }
    for (const [index, known] of sum.decisionSeconds.entries()) {
      sum.decisionSeconds[index] =
        known + Math.max(0, (figures.decisionSeconds[index] ?? 0) - (before?.decisionSeconds[index] ?? 0));
    }
    sum.requests += Math.max(0, figures.requests - (before?.requests ?? 0));
    sum.shed += Math.max(0, figures.shed - (before?.shed ?? 0));
  }
  return sum;
}

/**
 * A quantile of counts by bounds, as far as the bounds tell: between them it is taken to be evenly
 * spread; what took longer than the last bound is that bound.
 * @param quantile 0 … 1
 */
export function quantileOf(counts: readonly number[], bounds: readonly number[], quantile: number): number | null {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total === 0) return null;
  let left = quantile * total;
  for (const [index, bound] of bounds.entries()) {
    const count = counts[index] ?? 0;
    const lower = bounds[index - 1] ?? 0;
    if (left <= count) return count === 0 ? lower : lower + ((bound - lower) * left) / count;
    left -= count;
  }
  return bounds.at(-1) ?? null;
}
