import type { TestProject } from "vitest/node";
import { debianProgram } from "./debian-program.ts";
import type {} from "./provided.ts";

const places = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/** Provides a browser for the tests; `npm ci` brings none. @throws with what to do where there is none */
export default async function setup(project: TestProject): Promise<void> {
  const chromium = await debianProgram(places, "chromium", "browser tests");
  if (chromium === null)
    throw new Error(`The browser tests need Chromium (looked for ${places.join(", ")}): apt-get install chromium`);
  project.provide("chromium", chromium);
}
