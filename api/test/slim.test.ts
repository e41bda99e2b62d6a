import { readdir, readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { parseAst } from "vitest/node";
import { slim } from "../src/storefront/slim.ts";

const folders = [new URL("../web/", import.meta.url), new URL("../../shared/client/", import.meta.url)];

/** What a script does, wherever in its text it says so. */
const program = (source: string) =>
  JSON.stringify(parseAst(source), (key, value: unknown) => (key === "start" || key === "end" ? undefined : value));

describe("what is sent of a script", () => {
  test("has no comment lines and no indentation", () => {
    const source = "// One\n/** Two\n * lines. */\nconst a = 1;\n  // Three\n  f(a); // stays\n\n/* Four */ g();\n";
    expect(slim(source)).toBe("const a = 1;\nf(a); // stays\n\n/* Four */ g();\n");
  });

  test("is the same program, for every script of the page and of the client", async () => {
    let scripts = 0;
    for (const folder of folders) {
      for (const name of (await readdir(folder)).filter((file) => file.endsWith(".js"))) {
        const source = await readFile(new URL(name, folder), "utf8");
        expect(slim(source).length).toBeLessThanOrEqual(source.length);
        expect(program(slim(source))).toBe(program(source));
        scripts += 1;
      }
    }
    expect(scripts).toBeGreaterThan(10);
  });
});
