import { lchown, lstat, readdir, readFile, realpath, stat } from "node:fs/promises";
import { dirname, join } from "node:path";

/**
 * Whom a server runs as where this program is root: a server that is broken into should be nobody.
 */
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
 * How a program that works in `folder` names it. Where the account may not pass through the folders
 * above (a clone in root's home), it starts there all the same: the working folder is entered
 * before root's rights are given up, and this name leads back to it. So no right of root's is
 * passed on, which a container may not even have.
 */
export async function workingFolder(account: Account | null, folder: string): Promise<string> {
  if (account === null || (await isOpenToAll(dirname(folder)))) return folder;
  if (process.platform === "linux") return "/proc/self/cwd";
  throw new Error(`${folder} is closed to the servers, which run as nobody: choose another one with --data`);
}

/** Whether everybody may pass through a folder and all above it. */
export async function isOpenToAll(folder: string): Promise<boolean> {
  let path = await realpath(folder);
  while (((await stat(path)).mode & 0o001) !== 0) {
    if (dirname(path) === path) return true;
    path = dirname(path);
  }
  return false;
}

/**
 * Gives an account a folder of ours and what is ours in it, such as data that root has copied here;
 * one that it has already is not looked into. The folder itself goes last: until then nobody else
 * can get in and change a name for a link to some other file. A second name of a file is left
 * alone.
 */
export async function giveTo(account: Account | null, path: string): Promise<void> {
  if (account === null) return;
  const found = await lstat(path);
  if (found.uid !== process.getuid?.()) return;
  if (found.isDirectory()) {
    for (const name of await readdir(path)) await giveTo(account, join(path, name));
  }
  const onlyName = found.isDirectory() || (found.isFile() && found.nlink === 1);
  if (onlyName) await lchown(path, account.uid, account.gid);
}
