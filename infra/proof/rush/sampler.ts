import { type ProcessUsage, processUsage } from "../../local/process-usage.ts";

/** The system as it was at a moment of the rush. */
export interface Sample {
  readonly atMs: number;
  /** Orders waiting in all lanes; null where nobody tells. */
  readonly inLine: number | null;
  /** Units not yet reserved, of all items of the rush. */
  readonly unitsLeft: number;
}

export interface LineSample {
  readonly atMs: number;
  readonly inLine: number;
}

export interface WatchedProcess {
  readonly name: string;
  readonly pid: number;
}

/** What a process used in the rush. */
export interface UsedByProcess {
  readonly name: string;
  readonly cpuMs: number;
  readonly startMb: number;
  readonly peakMb: number;
  readonly endMb: number;
}

export interface Sampler {
  readonly samples: readonly Sample[];
  /** The line alone, finely; nothing where it could only be seen with the rest. */
  line(): readonly LineSample[];
  /** The newest sample. */
  latest(): Sample | null;
  stop(): Promise<UsedByProcess[]>;
}

const everyMs = 200; // a look costs the servers one metrics page and one item page
const lineEveryMs = 25; // where Redis can be asked itself: a line of thousands is gone within a second
const maxSamples = 1_000; // of the line; past it every other one goes, and half as many are taken

/**
 * Looks at the line, the units and the processes now and then, on connections of its own.
 * @param readLine reads the line where it is kept, far oftener; otherwise it is what `adminUrl`
 *   says
 */
export async function startSampling(
  url: string,
  adminUrl: string | null,
  itemIds: readonly string[],
  processes: readonly WatchedProcess[],
  readLine: (() => Promise<number>) | null = null,
): Promise<Sampler> {
  const began = performance.now();
  const samples: Sample[] = [];
  const line = readLine === null ? null : sampleLine(readLine, began);
  const first = await usages(processes);
  const peaks = first.map((usage) => usage?.rssBytes ?? 0);
  const look = async () => {
    const [inLine, left] = await Promise.all([
      line === null ? ordersInLine(adminUrl) : line.latest(),
      Promise.all(itemIds.map((id) => unitsLeft(url, id))),
    ]);
    samples.push({ atMs: performance.now() - began, inLine, unitsLeft: left.reduce((sum, units) => sum + units, 0) });
    for (const [i, usage] of (await usages(processes)).entries()) {
      peaks[i] = Math.max(peaks[i] ?? 0, usage?.rssBytes ?? 0);
    }
  };
  await look();
  let looking: Promise<void> | null = null;
  const timer = setInterval(() => {
    looking ??= look()
      .catch(() => {}) // a server that restarts is missing from the plot
      .finally(() => {
        looking = null;
      });
  }, everyMs);
  return {
    samples,
    line: () => line?.samples() ?? [],
    latest: () => samples.at(-1) ?? null,
    async stop() {
      clearInterval(timer);
      await line?.stop();
      await looking;
      await look().catch(() => {});
      const last = await usages(processes);
      return processes.map(({ name }, i) => ({
        name,
        cpuMs: (last[i]?.cpuMs ?? 0) - (first[i]?.cpuMs ?? 0),
        startMb: megabytes(first[i]?.rssBytes),
        peakMb: megabytes(peaks[i]),
        endMb: megabytes(last[i]?.rssBytes),
      }));
    },
  };
}

function sampleLine(readLine: () => Promise<number>, beganMs: number) {
  let samples: LineSample[] = [];
  let everyMs = lineEveryMs;
  let stopped = false;
  const running = (async () => {
    while (!stopped) {
      const inLine = await readLine().catch(() => null);
      if (inLine !== null) samples.push({ atMs: performance.now() - beganMs, inLine });
      if (samples.length > maxSamples) {
        samples = samples.filter((_, i) => i % 2 === 0);
        everyMs *= 2;
      }
      await new Promise((resolve) => setTimeout(resolve, everyMs));
    }
  })();
  return {
    samples: () => samples,
    latest: () => samples.at(-1)?.inLine ?? null,
    async stop() {
      stopped = true;
      await running;
    },
  };
}

function usages(processes: readonly WatchedProcess[]): Promise<(ProcessUsage | null)[]> {
  return Promise.all(processes.map(({ pid }) => processUsage(pid)));
}

async function ordersInLine(adminUrl: string | null): Promise<number | null> {
  if (adminUrl === null) return null;
  const text = await (await fetch(`${adminUrl}/metrics`)).text();
  const lanes = [...text.matchAll(/^holdfast_line_orders\{[^}]*\} (\d+)$/gm)];
  return lanes.reduce((sum, [, orders]) => sum + Number(orders), 0);
}

async function unitsLeft(url: string, itemId: string): Promise<number> {
  return ((await (await fetch(`${url}/items/${itemId}`)).json()) as { available: number }).available;
}

function megabytes(bytes: number | undefined): number {
  return Math.round((bytes ?? 0) / 1_048_576);
}
