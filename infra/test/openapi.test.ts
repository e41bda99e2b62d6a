import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const run = promisify(execFile);
const read = async (name: string) => readFile(new URL(`../../${name}`, import.meta.url), "utf8");

interface Description {
  readonly servers: readonly object[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, { operationId?: string; responses: object }>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, object>> };
}
const description = JSON.parse(await read("openapi.json")) as Description;
const operations = Object.values(description.paths).flatMap((path) => Object.values(path));

test("openapi.json and the client's types are what the routes say, and the linter finds nothing in them", async () => {
  const script = new URL("../openapi/main.ts", import.meta.url).pathname;
  await expect(run(process.execPath, [script, "--check"])).resolves.toMatchObject({ stderr: "" });
}, 30_000);

test("every operation has a name of its own, and every answer says what it is", () => {
  const names = operations.map(({ operationId }) => operationId);
  expect(names).not.toContain(undefined);
  expect(new Set(names).size).toBe(names.length);
  const answers = operations.flatMap(({ responses }) => Object.values(responses) as { description: string }[]);
  for (const answer of answers) expect(answer.description).not.toBe("Default Response");
});

test("what a client imports has a name", () => {
  for (const name of ["Item", "Order", "OrderPage", "Problem", "Purchase", "Session"]) {
    expect(Object.keys(description.components.schemas)).toContain(name);
  }
  const inline = JSON.stringify(description.paths).match(/"title"/g);
  expect(inline).toBeNull();
});
