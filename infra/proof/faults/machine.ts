import type { ChildProcess } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { childEnded } from "../../local/processes.ts";

/**
 * A process of the stage that can be ended in any way and started again, at the same address and
 * with the same data.
 */
export interface Machine {
  readonly name: string;
  /** The process that runs now, or ran last. */
  readonly pid: number;
  readonly isRunning: boolean;
  /** Resolves when it is serving. */
  start(): Promise<void>;
  /** kill -9, of its children too: nothing of it gets to say goodbye. */
  kill(): Promise<void>;
  signal(signal: NodeJS.Signals): void;
  /** Asks it to end, as a platform does. */
  terminate(): Promise<{ tookMs: number; exitCode: number | null }>;
  /** How often it ended without being asked to. */
  readonly deaths: number;
}

const terminateTimeoutMs = 15_000; // more than the 10 s it may take, so that a late end is seen as one

export function machine(
  name: string,
  launch: (run: number) => Promise<ChildProcess>,
  politeSignal: NodeJS.Signals = "SIGTERM",
): Machine {
  let child: ChildProcess | null = null;
  let runs = 0;
  let deaths = 0;
  const expected = new WeakSet<ChildProcess>();
  const current = () => {
    if (child === null) throw new Error(`${name} was never started`);
    return child;
  };
  const isRunning = () => child !== null && child.exitCode === null && child.signalCode === null;
  return {
    name,
    get pid() {
      return current().pid ?? 0;
    },
    get isRunning() {
      return isRunning();
    },
    get deaths() {
      return deaths;
    },
    async start() {
      if (isRunning()) return;
      runs += 1;
      const started = await launch(runs);
      child = started;
      started.once("exit", () => {
        if (!expected.has(started)) deaths += 1;
      });
    },
    async kill() {
      const killed = current();
      expected.add(killed);
      const children = await childrenOf(killed.pid ?? 0);
      killed.kill("SIGKILL");
      for (const pid of children) killIfThere(pid);
      await childEnded(killed, 5_000);
    },
    signal(signal) {
      current().kill(signal);
    },
    async terminate() {
      const ended = current();
      expected.add(ended);
      const askedAtMs = Date.now();
      ended.kill(politeSignal);
      await childEnded(ended, terminateTimeoutMs);
      return { tookMs: Date.now() - askedAtMs, exitCode: ended.exitCode };
    },
  };
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // ended with its parent
  }
}

/**
 * The numbers of a process' children. Without /proc none are found, and Postgres' own end when they
 * miss their parent.
 */
async function childrenOf(parent: number): Promise<number[]> {
  const names = await readdir("/proc").catch(() => []);
  const pids = names.map(Number).filter((pid) => pid > 0);
  const parents = await Promise.all(
    pids.map(async (pid) => {
      const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
      return Number(/\) \S (\d+)/.exec(stat)?.[1] ?? 0);
    }),
  );
  return pids.filter((_, i) => parents[i] === parent);
}

/**
 * A port to come back to: below those that systems give to outgoing connections, since one of these
 * could take it while its owner is down.
 */
export async function lastingPort(): Promise<number> {
  for (;;) {
    const port = 12_000 + Math.floor(Math.random() * 18_000);
    if (await isFree(port)) return port;
  }
}

function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}
