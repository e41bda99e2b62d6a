import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";

interface Lock {
  packages: Record<
    string,
    { optionalDependencies?: Record<string, string>; link?: boolean; integrity?: string; optional?: boolean }
  >;
}

test("the lock file knows every package, those of other kinds of machine too: npm ci refuses it otherwise", async () => {
  const lock = JSON.parse(await readFile(new URL("../../package-lock.json", import.meta.url), "utf8")) as Lock;
  const missing = Object.entries(lock.packages).flatMap(([path, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies).filter(
      (name) => !lock.packages[`node_modules/${name}`] && !lock.packages[`${path}/node_modules/${name}`],
    ),
  );
  expect(missing).toEqual([]);
});
