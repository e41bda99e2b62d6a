import { readdir, readFile } from "node:fs/promises";

export interface MigrationFile {
  readonly name: string;
  readonly text: string;
  /** False where the first line is `-- no transaction`. */
  readonly inTransaction: boolean;
}

/** Every `.sql` file of a folder, in the order of its name. */
export async function readMigrations(directory: URL): Promise<MigrationFile[]> {
  const names = (await readdir(directory)).filter((name) => name.endsWith(".sql")).sort();
  return Promise.all(
    names.map(async (name) => {
      const text = await readFile(new URL(name, directory), "utf8");
      return {
        name: name.replace(/\.sql$/, ""),
        text,
        inTransaction: !/^-- no transaction\s*$/.test(text.split("\n")[0] ?? ""),
      };
    }),
  );
}
