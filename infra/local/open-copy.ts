import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { chmod, cp, lstat, mkdtemp, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { type Account, isOpenToAll } from "./account.ts";
import { ownFolder } from "./own-folder.ts";

interface Programs {
  /** What is copied, the program's libraries included. */
  readonly folder: string;
  /** Its path within the folder. It answers `--version`. */
  readonly program: string;
  readonly name: string;
  /** The environment it needs to run from `folder`. */
  readonly env?: (folder: string) => Promise<NodeJS.ProcessEnv>;
}

/**
 * A copy of programs for an account that cannot get to them, as in a clone in root's home: in the
 * folder for temporary files, once per version.
 * @param places where it may lie; the first is taken from which the account can run it
 * @throws one line where there is none
 */
export async function openCopy(
  account: Account,
  programs: Programs,
  places: readonly string[] = [tmpdir(), "/tmp", "/var/tmp"],
): Promise<string> {
  const { folder, program, name, env } = programs;
  const hash = createHash("sha256").update(await readFile(join(folder, program)));
  const copyName = `holdfast-${name}-${hash.digest("hex").slice(0, 16)}`;
  let reason = "";
  for (const place of new Set(places)) {
    try {
      if (!(await isOpenToAll(place))) throw new Error(`${place} is closed to others`);
      const copy = join(place, copyName);
      await copyOnce(folder, copy);
      const options = { ...account, cwd: "/", env: { ...process.env, ...(await env?.(copy)) }, timeout: 10_000 };
      await promisify(execFile)(join(copy, program), ["--version"], options); // no exec is allowed on some
      return copy;
    } catch (error) {
      reason = (error as Error).message.trim().split("\n")[0] ?? "";
    }
  }
  throw new Error(
    `Started by root, ${name} runs as nobody, who can run it neither in ${folder} nor from a copy (${reason}): ` +
      "move Holdfast to a folder that everybody may pass through",
  );
}

async function copyOnce(folder: string, copy: string): Promise<void> {
  if (await exists(copy)) {
    await ownFolder(copy, null, 0o755); // its name is known to everybody, and what is in it is run
    const [wanted, found] = await Promise.all([folder, copy].map((path) => readdir(path, { recursive: true })));
    if (wanted?.length === found?.length) return;
    await rm(copy, { recursive: true, force: true }); // old temporary files are cleared away on some systems
  }
  const unfinished = await mkdtemp(`${copy}-`);
  try {
    await cp(folder, unfinished, { recursive: true, verbatimSymlinks: true });
    await openForReading(unfinished);
    // Whoever else copied at the same time may have been first.
    await rename(unfinished, copy).catch(() => ownFolder(copy, null, 0o755));
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
}

/** Under a strict umask the originals were unpacked for root alone. */
async function openForReading(folder: string): Promise<void> {
  await chmod(folder, 0o755);
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const { mode } = await lstat(path);
    if (!entry.isSymbolicLink()) await chmod(path, mode | ((mode & 0o100) === 0 ? 0o444 : 0o555));
  }
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
