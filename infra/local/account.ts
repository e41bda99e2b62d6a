import { lchown, lstat, readdir, readFile, stat } from "node:fs/promises";
import { dirname, join } from "node:path";

/** Whom a server runs as where this program is root: a server that is broken into should be nobody. */
export interface Account {
  readonly uid: number;
  readonly gid: number;
}

/** The account `nobody`; null where this program isn't root, and so cannot be another. */
export async function serverAccount(): Promise<Account | null> {
  if (process.getuid?.() !== 0) return null;
  const passwd = await readFile("/etc/passwd", "utf8").catch(() => "");
  const nobody = passwd
    .split("\n")
    .find((line) => line.startsWith("nobody:"))
    ?.split(":");
  return { uid: Number(nobody?.[2] ?? 65534), gid: Number(nobody?.[3] ?? 65534) };
}

/**
 * How to run a command as an account. It keeps no right of root's; only where its program or its data lie in a folder that nobody else
 * can look into (a clone in root's home) the one to pass through folders and read, never to write.
 * @param paths what it has to get to
 */
export async function asAccount(
  account: Account | null,
  command: string,
  args: readonly string[],
  paths: readonly string[],
) {
  if (account === null) return { command, args: [...args], identity: {} };
  const open = await Promise.all([command, ...paths].map((path) => isOpenToAll(dirname(path))));
  if (open.every(Boolean)) return { command, args: [...args], identity: account };
  const right = "+dac_read_search";
  const identity = [`--reuid=${account.uid}`, `--regid=${account.gid}`, "--clear-groups"];
  const rights = [`--inh-caps=-all,${right}`, `--ambient-caps=-all,${right}`, `--bounding-set=-all,${right}`];
  return { command: "setpriv", args: [...identity, ...rights, command, ...args], identity: {} };
}

/** Whether everybody may pass through a folder and all above it. */
export async function isOpenToAll(folder: string): Promise<boolean> {
  const { mode } = await stat(folder);
  if ((mode & 0o001) === 0) return false;
  const parent = dirname(folder);
  return parent === folder || isOpenToAll(parent);
}

/** Gives an account what is ours in a folder, the folder itself included. A second name of some other file is left alone. */
export async function giveTo(account: Account | null, path: string): Promise<void> {
  if (account === null) return;
  const found = await lstat(path);
  if (found.isDirectory()) {
    for (const name of await readdir(path)) await giveTo(account, join(path, name));
  }
  const onlyName = found.isDirectory() || (found.isFile() && found.nlink === 1);
  if (found.uid === process.getuid?.() && onlyName) await lchown(path, account.uid, account.gid);
}
