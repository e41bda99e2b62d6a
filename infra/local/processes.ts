import type { ChildProcess } from "node:child_process";
import { readFile, readlink, realpath } from "node:fs/promises";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** A port of the loopback interface that nothing listens on now. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("No free port on 127.0.0.1");
  return address.port;
}

/**
 * Asks again and again until the answer is true; fails with what it was waiting for after
 * `timeoutMs`.
 */
export async function waitUntil(
  timeoutMs: number,
  what: string,
  ask: () => Promise<boolean>,
  everyMs = 50,
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await ask())) {
    if (Date.now() > deadline) throw new Error(`Waited ${timeoutMs / 1000} s in vain for ${what}`);
    await sleep(everyMs);
  }
}

/** Waits for a child to end; after `timeoutMs` it is killed. */
export async function childEnded(child: ChildProcess, timeoutMs: number): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const timer = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
  await ended;
  clearTimeout(timer);
}

/**
 * Whether a process runs whose command line contains `mark`. The mark keeps us from ending a
 * stranger that got the number of a process long gone.
 */
export async function isRunning(pid: number, mark: string): Promise<boolean> {
  if (!isAlive(pid)) return false;
  const commandLine = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => null);
  // Without /proc (macOS, Windows) the number alone has to do.
  return commandLine === null || commandLine.replaceAll("\0", " ").includes(mark);
}

/**
 * Whether a process runs whose working folder is `directory`, for one that does not keep its
 * command line.
 */
export async function isRunningIn(pid: number, directory: string): Promise<boolean> {
  if (!isAlive(pid)) return false;
  const [cwd, wanted] = await Promise.all([readlink(`/proc/${pid}/cwd`), realpath(directory)]).catch(() => [
    null,
    null,
  ]);
  return cwd === null || cwd === wanted; // without /proc the number alone has to do
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** Ends a process by its number: politely, and after ten seconds for good. */
export async function endProcess(pid: number, signal: NodeJS.Signals): Promise<void> {
  process.kill(pid, signal);
  try {
    await waitUntil(10_000, `process ${pid} to end`, async () => !isAlive(pid));
  } catch {
    process.kill(pid, "SIGKILL");
    await waitUntil(5_000, `process ${pid} to be gone`, async () => !isAlive(pid));
  }
}
