import { readFile, writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { describeRoutes } from "../testing/describe-routes.ts";
import { lintDescription } from "./lint-description.js";
import { writeTypes } from "./write-types.js";

/**
 * `npm run openapi`: writes the API's description and the client's types, which are committed. With
 * `--check`, ends with an error where they are not what the routes say, or the linter finds
 * something. A package of its own, with a lock file of its own: openapi-typescript needs TypeScript
 * 5.9, and everything else is checked by 7.
 */
const { values } = parseArgs({ options: { check: { type: "boolean", default: false } } });

const descriptionFile = new URL("../../openapi.json", import.meta.url);
const typesFile = new URL("../../shared/client/api.d.ts", import.meta.url);

const description = `${JSON.stringify(await describeRoutes(), null, 2)}\n`;
const files = [
  { url: descriptionFile, text: description },
  { url: typesFile, text: await writeTypes(description) },
];
const findings = await lintDescription(description);

if (values.check) {
  for (const { url, text } of files) {
    const committed = await readFile(url, "utf8").catch(() => "");
    if (committed !== text) findings.push(`${url.pathname.split("/").at(-1)} is out of date: npm run openapi`);
  }
} else {
  await Promise.all(files.map(({ url, text }) => writeFile(url, text)));
}
for (const finding of findings) process.stderr.write(`${finding}\n`);
process.exit(findings.length === 0 ? 0 : 1); // BullMQ's queues were never connected, and wait to be
