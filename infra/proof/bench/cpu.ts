import { processUsage } from "../../local/process-usage.ts";

/** A process whose CPU time is looked at. */
export interface Watched {
  readonly name: string;
  readonly pid: number;
}

export function watched(
  parts: readonly { readonly name: string; readonly process: { readonly pid?: number | undefined } }[],
) {
  return parts.map(({ name, process }): Watched => ({ name: name.replace(/-\d+$/, ""), pid: process.pid ?? 0 }));
}

/** Microseconds of CPU for each of `count` things done, by process. */
export type CpuPerPiece = Readonly<Record<string, number>>;

/**
 * Runs `work`, which says how many pieces it was, and tells what each cost every process, its
 * children included.
 */
export async function cpuPerPiece<T extends { readonly pieces: number }>(
  processes: readonly Watched[],
  work: () => Promise<T>,
): Promise<T & { readonly cpuUs: CpuPerPiece }> {
  const cpuMs = () => Promise.all(processes.map(async ({ pid }) => (await processUsage(pid))?.cpuMs ?? 0));
  const before = await cpuMs();
  const done = await work();
  const after = await cpuMs();
  const cpuUs = processes.map(({ name }, i) => [
    name,
    Math.round((((after[i] ?? 0) - (before[i] ?? 0)) * 1_000) / Math.max(1, done.pieces)),
  ]);
  return { ...done, cpuUs: Object.fromEntries(cpuUs) };
}

export function cpuText(cpuUs: CpuPerPiece): string {
  return Object.entries(cpuUs)
    .map(([name, us]) => `${name} ${us}`)
    .join(", ");
}
