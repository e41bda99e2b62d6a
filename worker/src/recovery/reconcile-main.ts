import { writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { openDatabase, requirePostgres } from "@holdfast/shared/database.ts";
import { reportStartFailure } from "@holdfast/shared/start-failure.ts";
import { readReconcileConfig } from "../config.ts";
import { connectStripe } from "../payment/connect-stripe.ts";
import { printDifferences, reconcile } from "./reconcile.ts";

/**
 * `npm run reconcile`: Postgres against the provider's list, for a window of time. Exit code 1
 * where they differ; repairs nothing.
 */

const usage = `npm run reconcile -- [options]     reads DATABASE_URL, STRIPE_SECRET_KEY, STRIPE_API_BASE
  --from TIME    the beginning of the window, ISO 8601 (a day before its end)
  --to TIME      its end (five minutes ago)
  --json FILE    write the JSON there instead of printing it below the table`;

const dayMs = 86_400_000;
const settlingMs = 300_000; // what was paid a moment ago may be about to be confirmed

try {
  const { values } = parseArgs({
    options: {
      from: { type: "string" },
      to: { type: "string" },
      json: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(`${usage}\n`);
  } else {
    const toMs = time("to", values.to, Date.now() - settlingMs);
    const fromMs = time("from", values.from, toMs - dayMs);
    if (fromMs >= toMs) throw new Error("--from must be before --to");
    await run({ fromMs, toMs }, values.json);
  }
} catch (error) {
  reportStartFailure("reconcile", error);
}

async function run(window: { fromMs: number; toMs: number }, jsonFile: string | undefined): Promise<void> {
  const config = readReconcileConfig(process.env);
  const db = openDatabase(config.DATABASE_URL, 2, () => {});
  try {
    await requirePostgres(db);
    const result = await reconcile(db, connectStripe(config), window);
    const json = `${JSON.stringify({ from: new Date(window.fromMs), to: new Date(window.toMs), ...result }, null, 2)}\n`;
    const table = `${result.payments} payments and ${result.orders} confirmed orders.\n${printDifferences(result.differences)}\n`;
    process.stdout.write(jsonFile === undefined ? `${table}\n${json}` : table);
    if (jsonFile !== undefined) await writeFile(jsonFile, json);
    process.exitCode = result.differences.length === 0 ? 0 : 1;
  } finally {
    await db.destroy();
  }
}

function time(name: string, text: string | undefined, fallback: number): number {
  if (text === undefined) return fallback;
  const ms = Date.parse(text);
  if (Number.isNaN(ms)) throw new Error(`--${name} must be a time, such as 2026-11-22T00:00:00Z`);
  return ms;
}
