import { type CpuPerPiece, cpuText } from "./cpu.ts";

/**
 * One way of doing a thing: how much of it gets done in a second, and the µs of CPU it takes each
 * process.
 */
export interface Way {
  readonly name: string;
  readonly run: () => Promise<{ readonly value: number; readonly cpuUs?: CpuPerPiece }>;
}

export interface Compared {
  readonly name: string;
  readonly median: number;
  readonly min: number;
  readonly max: number;
  /** To the first way, round by round: the median, and its spread. */
  readonly ratio: number;
  readonly ratioMin: number;
  readonly ratioMax: number;
  /** Of the last round. */
  readonly cpuUs: CpuPerPiece;
}

/**
 * Runs the ways in turn, round after round, so that a machine that is slow for a while is slow for
 * all of them. The first round warms up and does not count. Ratios are taken within a round, and
 * the median is told: figures of a shared machine mean little by themselves.
 */
export async function compare(rounds: number, ways: readonly Way[], say: (text: string) => void): Promise<Compared[]> {
  const values = ways.map((): number[] => []);
  const cpu = ways.map((): CpuPerPiece => ({}));
  for (let round = 0; round <= rounds; round++) {
    for (const [i, way] of ways.entries()) {
      const { value, cpuUs = {} } = await way.run();
      if (round > 0) values[i]?.push(value);
      cpu[i] = cpuUs;
    }
  }
  const compared = ways.map(({ name }, i) => {
    const own = values[i] ?? [];
    const ratios = own.map((value, round) => value / (values[0]?.[round] ?? Number.NaN));
    return {
      name,
      median: median(own),
      min: Math.min(...own),
      max: Math.max(...own),
      ratio: median(ratios),
      ratioMin: Math.min(...ratios),
      ratioMax: Math.max(...ratios),
      cpuUs: cpu[i] ?? {},
    };
  });
  for (const one of compared) {
    const spread = `(${figure(one.min)} … ${figure(one.max)})`;
    say(
      `    ${one.name.padEnd(62)}${`${figure(one.median)}/s`.padStart(10)}  ${spread.padEnd(20)}${one.ratio.toFixed(2)}×  ${cpuText(one.cpuUs)}`,
    );
  }
  return compared;
}

function figure(value: number): string {
  return value < 10 ? value.toFixed(2) : String(Math.round(value));
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
