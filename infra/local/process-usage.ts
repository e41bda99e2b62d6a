import { readFile } from "node:fs/promises";

export interface ProcessUsage {
  /** CPU time used so far, in user and kernel, its children's included, those that ended too. */
  readonly cpuMs: number;
  /** Resident memory of the process alone. */
  readonly rssBytes: number;
}

const msPerTick = 10; // USER_HZ is 100 on every Linux there is
const pageBytes = 4_096;

/**
 * What a process and its children have used, from /proc; null where there is none (macOS, Windows,
 * or the process is gone).
 */
export async function processUsage(pid: number): Promise<ProcessUsage | null> {
  const own = await readStat(pid);
  if (own === null) return null;
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8").catch(() => "");
  const usages = await Promise.all(
    children
      .trim()
      .split(" ")
      .filter(Boolean)
      .map((child) => processUsage(Number(child))),
  );
  const ofChildren = usages.reduce((sum, usage) => sum + (usage?.cpuMs ?? 0), 0);
  return { cpuMs: own.cpuMs + ofChildren, rssBytes: own.rssBytes };
}

async function readStat(pid: number): Promise<ProcessUsage | null> {
  const text = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => null);
  if (text === null) return null;
  // The name, in brackets, may hold anything; what follows is numbers: proc(5).
  const fields = text
    .slice(text.lastIndexOf(")") + 2)
    .split(" ")
    .map(Number);
  const [utime = 0, stime = 0, cutime = 0, cstime = 0] = fields.slice(11, 15);
  return { cpuMs: (utime + stime + cutime + cstime) * msPerTick, rssBytes: (fields[21] ?? 0) * pageBytes };
}
