import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { findRun } from "./run-file.ts";

/**
 * `node infra/local/beside-start.ts <program> [arguments]`: runs a command with the addresses of
 * what `npm start` has running, so that it works without setting any. Variables that are set come
 * first.
 */

const root = fileURLToPath(new URL("../../", import.meta.url));
const program = process.argv[2] ?? "";
const wanted = ["DATABASE_URL", "REDIS_URL", "STRIPE_SECRET_KEY", "STRIPE_API_BASE"];
const missing = wanted.filter((name) => !process.env[name]);
// Somebody who names one server means theirs: a mixture of two systems would compare what never
// belonged together.
if (missing.length === wanted.length) {
  const found = await findRun(join(root, ".holdfast"));
  for (const [name, value] of Object.entries(found ?? {})) process.env[name] = value;
  if (found) process.stderr.write(`Of the system that npm start has running: ${shown(found)}\n`);
}
process.argv.splice(1, 2, resolve(root, program)); // as if it had been started itself
await import(resolve(root, program));

/** Hosts and ports, without passwords. */
function shown(env: Readonly<Record<string, string>>): string {
  return Object.entries(env)
    .filter(([, value]) => URL.canParse(value))
    .map(([name, value]) => `${name} ${new URL(value).host}`)
    .join(", ");
}
