import { readFile } from "node:fs/promises";
import { describeRoutes } from "@holdfast/testing/describe-routes.ts";
import { expect, test } from "vitest";

const read = async (name: string) => readFile(new URL(`../../${name}`, import.meta.url), "utf8");

interface Description {
  readonly servers: readonly object[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, { operationId?: string; responses: object }>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, object>> };
}
const description = JSON.parse(await read("openapi.json")) as Description;
const operations = Object.values(description.paths).flatMap((path) => Object.values(path));

test("openapi.json is what the routes say; if not: npm run openapi", async () => {
  expect(await describeRoutes()).toEqual(description);
});

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
