import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { endProcess, isRunning } from "./processes.ts";

/** Which processes a run consists of, noted on disk so that the next run can clear up after one that was killed. */
interface RunNote {
  readonly launcher: number;
  readonly parts: readonly number[];
}

const fileOf = (directory: string) => join(directory, "run.json");

/**
 * Ends what a killed run left behind. @throws where a run in the same folder is still going
 */
export async function clearLastRun(directory: string, mark: string): Promise<void> {
  const note = await readFile(fileOf(directory), "utf8")
    .then((text) => JSON.parse(text) as RunNote)
    .catch(() => null); // none, or torn by a crash
  if (note === null) return;
  if (note.launcher !== process.pid && (await isRunning(note.launcher, "infra/local/start"))) {
    throw new Error(`Holdfast is already running here (process ${note.launcher}). Stop it first.`);
  }
  // Newest first, as in an orderly stop: a Postgres that is asked to end waits for its clients.
  for (const pid of note.parts.toReversed()) {
    if (await isRunning(pid, mark)) await endProcess(pid, "SIGTERM");
  }
  await rm(fileOf(directory), { force: true });
}

export async function noteRun(directory: string, parts: readonly number[]): Promise<void> {
  await mkdir(directory, { recursive: true });
  const note: RunNote = { launcher: process.pid, parts };
  await writeFile(fileOf(directory), JSON.stringify(note));
}

export async function forgetRun(directory: string): Promise<void> {
  await rm(fileOf(directory), { force: true });
}
