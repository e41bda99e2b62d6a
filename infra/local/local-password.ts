import { randomBytes } from "node:crypto";
import { readFile, rename, writeFile } from "node:fs/promises";

/**
 * The password of a server that keeps its data in `directory`, made up the first time. It lies
 * beside, where the server cannot read it.
 */
export async function localPassword(directory: string): Promise<string> {
  const file = `${directory}.password`;
  const kept = await readFile(file, "utf8").catch(() => "");
  if (kept !== "") return kept;
  const password = randomBytes(24).toString("hex");
  await writeFile(`${file}.new`, password, { mode: 0o600 });
  await rename(`${file}.new`, file); // whole or not at all
  return password;
}
