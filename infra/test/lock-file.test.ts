import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";

interface Lock {
  packages: Record<
    string,
    { optionalDependencies?: Record<string, string>; link?: boolean; integrity?: string; resolved?: string }
  >;
}

const lock = JSON.parse(await readFile(new URL("../../package-lock.json", import.meta.url), "utf8")) as Lock;
const entries = Object.entries(lock.packages);

test("the lock file knows every package, those of other kinds of machine too: npm ci refuses it otherwise", () => {
  const missing = entries.flatMap(([path, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies).filter(
      (name) => !lock.packages[`node_modules/${name}`] && !lock.packages[`${path}/node_modules/${name}`],
    ),
  );
  expect(missing).toEqual([]);
});

test("the lock file has a SHA-512 for every package, those of other kinds of machine too: npm ci installs nothing else", () => {
  const unlocked = entries
    .filter(([path, { link }]) => path.includes("node_modules/") && !link)
    .filter(([, { integrity = "" }]) => !/^sha512-[A-Za-z0-9+/]{86}==$/.test(integrity))
    .map(([path]) => path);
  expect(unlocked).toEqual([]);
});

test("every package comes from the registry, by name and version: none from an address of its own, none from Git", () => {
  const workspaces = entries.map(([path]) => path).filter((path) => path !== "" && !path.startsWith("node_modules/"));
  const elsewhere = entries
    .filter(([, { resolved, link }]) => resolved !== undefined && !(link && workspaces.includes(resolved)))
    .map(([path, { resolved }]) => `${path}: ${resolved}`);
  expect(elsewhere).toEqual([]);
});
