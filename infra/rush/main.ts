import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { openDatabase } from "@holdfast/shared/database.ts";
import { reportStartFailure } from "@holdfast/shared/start-failure.ts";
import { startPrivateSystem } from "../local/private-system.ts";
import { openStorage } from "../local/storage.ts";
import { printReport, type Report } from "./report.ts";
import { fetchTokens, type RushOptions, rush, signTokens } from "./rush.ts";

/** `npm run rush`: many shoppers at once against a system started for it, or a running one; then the audit. */

const usage = `npm run rush -- [options]
  --buyers 5000      how many shoppers press Buy at once
  --units 100        how many units there are
  --declines 0.1     which share of the cards is declined (0)
  --apis 2           API servers of the private system
  --workers 2        workers of the private system
  --url URL          drive a running system instead; needs --ops-password (or OPS_PASSWORD) and --simulator URL
  --json FILE        write the report there too`;

const say = (text: string) => process.stdout.write(`${text}\n`);

try {
  const { values } = parseArgs({
    options: {
      buyers: { type: "string", default: "5000" },
      units: { type: "string", default: "100" },
      declines: { type: "string", default: "0" },
      apis: { type: "string", default: "2" },
      workers: { type: "string", default: "2" },
      url: { type: "string" },
      simulator: { type: "string" },
      "ops-password": { type: "string", default: process.env.OPS_PASSWORD ?? "" },
      json: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    say(usage);
  } else {
    const crowd = {
      buyers: number("buyers", values.buyers, 1, 1_000_000),
      units: number("units", values.units, 1, 1_000_000),
      declines: number("declines", values.declines, 0, 1),
      onFare: progress(Number(values.buyers)),
    };
    const report =
      values.url === undefined
        ? await rushPrivately(crowd, number("apis", values.apis, 1, 16), number("workers", values.workers, 1, 16))
        : await rushRunning(crowd, values.url, values.simulator, values["ops-password"]);
    say(`\n${printReport(report)}`);
    if (values.json) await writeFile(values.json, JSON.stringify(report, null, 2));
    process.exitCode = report.passed ? 0 : 1;
  }
} catch (error) {
  reportStartFailure("rush", error);
}

type Crowd = Pick<RushOptions, "buyers" | "units" | "declines"> & { onFare: () => void };

async function rushPrivately(crowd: Crowd, apis: number, workers: number): Promise<Report> {
  const directory = await mkdtemp(join(tmpdir(), "holdfast-rush-"));
  say(`Starting a system of ${apis} API servers and ${workers} workers …`);
  const storage = await openStorage(directory, process.env, say);
  const env = { DATABASE_URL: storage.databaseUrl, REDIS_URL: storage.redisUrl };
  try {
    const logDirectory = join(directory, "log");
    const system = await startPrivateSystem({ apis, workers, env, logDirectory });
    const db = openDatabase(storage.databaseUrl, 1, () => {});
    const countOrderRows = async (itemId: string) => {
      const { count } = await db
        .selectFrom("orders")
        .select((eb) => eb.fn.countAll<number>().as("count"))
        .where("item_id", "=", itemId)
        .executeTakeFirstOrThrow();
      return count;
    };
    try {
      const tokens = await signTokens(system.jwtSecret, crowd.buyers);
      return await rush({ ...crowd, ...system, urls: system.apiUrls, tokens, countOrderRows });
    } finally {
      await db.destroy();
      await system.stop();
    }
  } finally {
    for (const server of storage.servers) await server.stop();
    await rm(directory, { recursive: true, force: true });
  }
}

async function rushRunning(crowd: Crowd, url: string, simulatorUrl: string | undefined, opsPassword: string) {
  if (!simulatorUrl || !opsPassword) {
    throw new Error("--url needs --simulator and --ops-password too: the audit asks both for the books");
  }
  const tokens = await fetchTokens(url, crowd.buyers);
  return rush({ ...crowd, urls: [url], simulatorUrl, opsPassword, tokens, countOrderRows: null });
}

function number(name: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (text !== "" && value >= min && value <= max && (max === 1 || Number.isInteger(value))) return value;
  throw new Error(`--${name} must be a number from ${min} to ${max}`);
}

/** A line that counts the final answers, rewritten in place at most ten times a second; only for people. */
function progress(buyers: number): () => void {
  let answered = 0;
  let shownAtMs = 0;
  return () => {
    answered += 1;
    const due = performance.now() - shownAtMs > 100 || answered === buyers;
    if (!process.stdout.isTTY || !due) return;
    shownAtMs = performance.now();
    process.stdout.write(`\r  ${answered} of ${buyers} have their final answer`);
  };
}
