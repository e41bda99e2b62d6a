import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { endProcess, isRunning } from "./processes.ts";

/**
 * What a run consists of, noted on disk so that the next run can clear up after one that was
 * killed, and commands beside it find its servers.
 */
interface RunNote {
  readonly launcher: number;
  readonly parts: readonly number[];
  /**
   * The variables that a command beside the run needs. They hold passwords: nobody else may read
   * the file.
   */
  readonly env: Readonly<Record<string, string>>;
}

const launcherMark = "infra/local/start";
const fileOf = (directory: string) => join(directory, "run.json");

/**
 * Ends what a killed run left behind. @throws where a run in the same folder is still going
 */
export async function clearLastRun(directory: string, mark: string): Promise<void> {
  const note = await readNote(directory);
  if (note === null) return;
  if (note.launcher !== process.pid && (await isRunning(note.launcher, launcherMark))) {
    throw new Error(`Holdfast is already running here (process ${note.launcher}). Stop it first.`);
  }
  // Newest first, as in an orderly stop: a Postgres that is asked to end waits for its clients.
  for (const pid of note.parts.toReversed()) {
    if (await isRunning(pid, mark)) await endProcess(pid, "SIGTERM");
  }
  await rm(fileOf(directory), { force: true });
}

export async function noteRun(directory: string, { parts, env }: Omit<RunNote, "launcher">): Promise<void> {
  await mkdir(directory, { recursive: true });
  const note: RunNote = { launcher: process.pid, parts, env };
  // Beside it first: what is there may have another mode, and nobody reads half of it.
  const fresh = `${fileOf(directory)}.new`;
  await rm(fresh, { force: true });
  await writeFile(fresh, JSON.stringify(note), { mode: 0o600 });
  await rename(fresh, fileOf(directory));
}

/** The variables of the run that goes on in this folder; null where there is none. */
export async function findRun(directory: string): Promise<Readonly<Record<string, string>> | null> {
  const note = await readNote(directory);
  if (note === null || !(await isRunning(note.launcher, launcherMark))) return null;
  return "STRIPE_API_BASE" in note.env ? note.env : null; // it is starting still
}

function readNote(directory: string): Promise<RunNote | null> {
  return readFile(fileOf(directory), "utf8")
    .then((text) => JSON.parse(text) as RunNote)
    .catch(() => null); // none, or torn by a crash
}

export async function forgetRun(directory: string): Promise<void> {
  await rm(fileOf(directory), { force: true });
}
