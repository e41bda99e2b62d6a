import { chmod, lstat, mkdir } from "node:fs/promises";

/**
 * A folder that only we, or the account given, can have put something into; made where there is
 * none.
 * @param mode what everybody else may do with it from now on
 * @throws one line where it belongs to somebody else, or everybody may write to it
 */
export async function ownFolder(
  path: string,
  account: { readonly uid: number } | null = null,
  mode = 0o700,
): Promise<void> {
  await mkdir(path, { recursive: true });
  const found = await lstat(path);
  if (!found.isDirectory()) throw new Error(`${path} is not a folder: remove it, or choose another one`);
  const own = process.getuid?.();
  if (own === undefined) return; // Windows has no such owners
  if (found.uid !== own && found.uid !== account?.uid) {
    throw new Error(`${path} belongs to another user (uid ${found.uid}): remove it, or choose another one`);
  }
  if ((found.mode & 0o002) !== 0) {
    throw new Error(`Everybody may write to ${path}: take that away (chmod o-w) once its content is to be trusted`);
  }
  await chmod(path, mode);
}
