import { readFile } from "node:fs/promises";
import { createWorld, type World } from "@holdfast/testing/world.ts";
import { sql } from "kysely";
import { afterAll, beforeAll, expect, test } from "vitest";

const root = new URL("../../", import.meta.url);
const runbook = await readFile(new URL("docs/runbook.md", root), "utf8");
const openapi = JSON.parse(await readFile(new URL("openapi.json", root), "utf8")) as {
  paths: Record<string, Record<string, { parameters?: { in: string; name: string }[] }>>;
};
const { scripts } = JSON.parse(await readFile(new URL("package.json", root), "utf8")) as {
  scripts: Record<string, string>;
};

const statements = runbook
  .split("\n")
  .filter((line) => line.trim().startsWith("psql "))
  .flatMap((line) => [...line.matchAll(/ -c (["'])(.+?)\1(?= |$)/g)].map(([, , statement]) => statement ?? ""));
const requests = [...runbook.matchAll(/curl -u \S+ (?:-X (\w+) )?"\$URL([^"?]+)(?:\?(\w+)=)?[^"]*"/g)];

let world: World;
beforeAll(async () => {
  world = await createWorld();
});
afterAll(() => world?.close());

test.each(statements)("Postgres takes what the runbook says to type: %s", async (statement) => {
  expect((await sql.raw(statement).execute(world.db)).rows).toBeInstanceOf(Array);
});

test.each(requests.map(([, method = "GET", path, query]) => ({ method, path, query })))(
  "the runbook's $method $path is a route of the API",
  ({ method, path = "", query }) => {
    const template = Object.keys(openapi.paths).find((one) =>
      new RegExp(`^${one.replace(/\{\w+\}/g, "<\\w+>")}$`).test(path),
    );
    const operation = openapi.paths[template ?? ""]?.[method.toLowerCase()];
    expect(operation).toBeDefined();
    const names = operation?.parameters?.filter((one) => one.in === "query").map(({ name }) => name) ?? [];
    if (query !== undefined) expect(names).toContain(query);
  },
);

test("every script that the runbook names is there, and nothing was overlooked", () => {
  const named = [...runbook.matchAll(/npm run ([\w-]+)/g)].map(([, name]) => name ?? "");
  expect(named.filter((name) => !(name in scripts))).toEqual([]);
  expect(statements).toHaveLength((runbook.match(/ -c ["']/g) ?? []).length);
  expect(requests).toHaveLength((runbook.match(/curl -u/g) ?? []).length);
});
