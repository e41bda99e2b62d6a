import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";

const root = new URL("../../", import.meta.url);

test("every test that the security checklist names is there, under that title", async () => {
  const checklist = await readFile(new URL("docs/security.md", root), "utf8");
  // `file`: “title”, “title”; the file goes for all titles up to the next one.
  const named: { file: string; title: string }[] = [];
  let file = "";
  for (const [, path, title] of checklist.matchAll(/`([\w/.-]+\.test\.ts)`|“([^”]+)”/g)) {
    if (path !== undefined) file = path;
    else if (title !== undefined) named.push({ file, title });
  }
  expect(named.length).toBeGreaterThan(50);
  const missing = [];
  for (const { file, title } of named) {
    const source = await readFile(new URL(file, root), "utf8");
    if (!source.includes(`"${title}"`)) missing.push(`${file}: ${title}`);
  }
  expect(missing).toEqual([]);
});

test("every one of the ten risks has its lines in the checklist", async () => {
  const checklist = await readFile(new URL("docs/security.md", root), "utf8");
  const risks = [...checklist.matchAll(/^## API(\d+) .+\n\n- /gm)].map(([, number]) => Number(number));
  expect(risks).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
});
