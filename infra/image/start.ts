/**
 * What the image runs: `docker run holdfast <program> [options]`. One image has all programs, so
 * that they are of one version.
 */
const programs: Readonly<Record<string, string>> = {
  api: "../../api/src/main.ts",
  worker: "../../worker/src/main.ts",
  migrations: "../../migrations/src/main.ts",
  reconcile: "../../worker/src/recovery/reconcile-main.ts",
  "restore-check": "../../worker/src/recovery/restore-check-main.ts",
  archive: "../../worker/src/recovery/archive-main.ts",
  replay: "../../worker/src/recovery/replay-main.ts",
  "shop-webhooks": "../../worker/src/shop-webhooks/shop-webhooks-main.ts",
  "ops-user": "../../api/src/ops/ops-user-main.ts",
};

const [name = "", ...options] = process.argv.slice(2);
const program = programs[name];
if (program === undefined) {
  process.stderr.write(`The image runs ${Object.keys(programs).join(", ")}, and not ${name || "nothing"}.\n`);
  process.exit(1);
}
process.argv.splice(2, process.argv.length, ...options);
await import(program);
