import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { openDatabase } from "@holdfast/shared/database.ts";
import { laneQueueName } from "@holdfast/shared/lanes.ts";
import { lineLength } from "@holdfast/shared/line.ts";
import { connectRedis, redisKeys } from "@holdfast/shared/redis.ts";
import { reportStartFailure } from "@holdfast/shared/start-failure.ts";
import { startPrivateSystem } from "../../local/private-system.ts";
import { openStorage } from "../../local/storage.ts";
import type { Follow } from "./crowd.ts";
import { progressDisplay } from "./progress.ts";
import { cleanUp, rehearse } from "./rehearse.ts";
import { printReport, type Report } from "./report.ts";
import { reportPage } from "./report-page.ts";
import { type RushOptions, rush } from "./rush.ts";
import { fetchTokens, maxFetchedTokens, signedTokens } from "./shopper-tokens.ts";

/**
 * `npm run rush`: many shoppers at once against a system started for it, or a running one; then the
 * audit.
 */

const usage = `npm run rush -- [options]
  --buyers 5000      how many shoppers press Buy
  --units 100        how many units there are of each item
  --items 1          how many items; each shopper wants one of them
  --over 0           seconds over which they press, evenly; 0 for all at once
  --declines 0.1     which share of the cards is declined (0)
  --follow wait      how they learn of the outcome: wait (long poll), poll (once a second), hold (the purchase's own answer is held)
  --connections 256  keep-alive connections in all
  --apis 2           API servers of the private system
  --workers 2        workers of the private system
  --url URL          drive a running system instead; needs --simulator URL and --ops-password (or OPS_PASSWORD); shoppers get guest
                     sessions, or tokens signed with JWT_SECRET where it is set
  --rehearse         with --url: on items of a rehearsal, which nobody else sees and of which nothing is left; needs no --simulator,
                     and a system whose workers charge in test mode
  --clean            with --url: only deletes what a rehearsal that was killed has left, as the next one does, too
  --admin-url URL    where the running system's ADMIN_PORT is, for the plot of the line (not plotted without)
  --html FILE        where the report is written as a page (.holdfast/rush/…)
  --json FILE        where it is written as JSON (beside the page)`;

const say = (text: string) => process.stdout.write(`${text}\n`);
const root = fileURLToPath(new URL("../../../", import.meta.url));

try {
  const { values } = parseArgs({
    options: {
      buyers: { type: "string", default: "5000" },
      units: { type: "string", default: "100" },
      items: { type: "string", default: "1" },
      over: { type: "string", default: "0" },
      declines: { type: "string", default: "0" },
      follow: { type: "string", default: "wait" },
      connections: { type: "string", default: "256" },
      apis: { type: "string", default: "2" },
      workers: { type: "string", default: "2" },
      url: { type: "string" },
      "admin-url": { type: "string" },
      simulator: { type: "string" },
      rehearse: { type: "boolean", default: false },
      clean: { type: "boolean", default: false },
      "ops-password": { type: "string", default: process.env.OPS_PASSWORD ?? "" },
      html: { type: "string" },
      json: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    say(usage);
  } else if (values.clean) {
    if (values.url === undefined || !values["ops-password"]) throw new Error("--clean needs --url and --ops-password");
    await cleanUp(values.url.replace(/\/+$/, ""), values["ops-password"]);
    say("Nothing of a rehearsal is left.");
  } else {
    const crowd: Crowd = {
      buyers: wholeNumber("buyers", values.buyers, 1, 10_000_000),
      units: wholeNumber("units", values.units, 1, 10_000_000),
      items: wholeNumber("items", values.items, 1, 1_000),
      overMs: number("over", values.over, 0, 3_600) * 1_000,
      declines: number("declines", values.declines, 0, 1),
      follow: oneOf("follow", values.follow, ["wait", "poll", "hold"]),
      connections: wholeNumber("connections", values.connections, 1, 1_000),
      onProgress: progressDisplay(process.stdout),
    };
    if (values.rehearse && values.url === undefined)
      throw new Error("--rehearse needs --url, of the system to rehearse on");
    const report =
      values.url === undefined
        ? await rushPrivately(
            crowd,
            wholeNumber("apis", values.apis, 1, 16),
            wholeNumber("workers", values.workers, 1, 16),
          )
        : await rushRunning(
            { ...crowd, adminUrls: values["admin-url"] ? [values["admin-url"].replace(/\/+$/, "")] : [] },
            values.url.replace(/\/+$/, ""),
            values.simulator,
            values["ops-password"],
            values.rehearse,
          );
    say(`\n${printReport(report)}`);
    const html = resolve(
      values.html ?? join(root, ".holdfast/rush", `${report.beganAt.replaceAll(/[:.]/g, "-")}.html`),
    );
    await write(html, reportPage(report));
    await write(resolve(values.json ?? html.replace(/\.html$|$/, ".json")), JSON.stringify(report, null, 1));
    say(`\nThe report with its plots: ${html}`);
    process.exitCode = report.passed ? 0 : 1;
  }
} catch (error) {
  reportStartFailure("rush", error);
}

type Crowd = Omit<RushOptions, "urls" | "adminUrls" | "opsPassword" | "simulatorUrl" | "tokenOf" | "db" | "processes">;

async function rushPrivately(crowd: Crowd, apis: number, workers: number): Promise<Report> {
  const directory = await mkdtemp(join(tmpdir(), "holdfast-rush-"));
  say(`Starting a system of ${apis} API servers and ${workers} workers …`);
  const storage = await openStorage(directory, process.env, say);
  const env = { DATABASE_URL: storage.databaseUrl, REDIS_URL: storage.redisUrl };
  try {
    const system = await startPrivateSystem({ apis, workers, env, logDirectory: join(directory, "log") });
    const db = openDatabase(storage.databaseUrl, 1, () => {});
    const line = openLine(storage.redisUrl);
    try {
      const processes = [...system.apis, ...system.workers, ...storage.servers].flatMap(({ name, process: { pid } }) =>
        pid === undefined ? [] : [{ name, pid }],
      );
      const tokenOf = signedTokens(system.jwtSecret);
      return await rush({
        ...crowd,
        ...system,
        urls: system.apiUrls,
        tokenOf,
        db,
        processes,
        readLine: () => line.read(),
      });
    } finally {
      line.close();
      await db.destroy();
      await system.stop();
    }
  } finally {
    for (const server of storage.servers) await server.stop();
    await rm(directory, { recursive: true, force: true });
  }
}

/** The line as Redis has it, all lanes together. */
function openLine(redisUrl: string) {
  const redis = connectRedis(redisUrl, "failing", () => {});
  const keys = redisKeys(process.env.REDIS_PREFIX ?? "");
  const lanes = Array.from({ length: Number(process.env.PURCHASE_LANES ?? 4) }, (_, lane) => laneQueueName(lane));
  return {
    async read() {
      const lengths = await Promise.all(lanes.map((lane) => lineLength({ redis, keys }, lane)));
      return lengths.reduce((sum, length) => sum + length, 0);
    },
    close: () => redis.disconnect(),
  };
}

async function rushRunning(
  crowd: Crowd & Pick<RushOptions, "adminUrls">,
  url: string,
  simulatorUrl: string | undefined,
  opsPassword: string,
  rehearsing: boolean,
) {
  if (!opsPassword || !(simulatorUrl || rehearsing)) {
    throw new Error(
      "--url needs --simulator (but for --rehearse) and --ops-password: the audit asks both for the books",
    );
  }
  const secret = process.env.JWT_SECRET?.split(",")[0]?.trim(); // the first one signs
  if (!secret && crowd.buyers > maxFetchedTokens) {
    throw new Error(
      `More than ${maxFetchedTokens} buyers need JWT_SECRET: so many guest sessions would have to be kept`,
    );
  }
  const tokenOf = secret ? signedTokens(secret) : await fetchTokens(url, crowd.buyers);
  const options = { ...crowd, urls: [url], simulatorUrl: simulatorUrl ?? null, opsPassword, tokenOf, db: null };
  return rehearsing ? rehearse(options) : rush(options);
}

async function write(file: string, text: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, text);
}

function number(name: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (text.trim() !== "" && value >= min && value <= max) return value;
  throw new Error(`--${name} must be a number from ${min} to ${max}`);
}

function wholeNumber(name: string, text: string, min: number, max: number): number {
  const value = number(name, text, min, max);
  if (Number.isInteger(value)) return value;
  throw new Error(`--${name} must be a whole number`);
}

function oneOf(name: string, text: string, values: readonly Follow[]): Follow {
  const value = values.find((one) => one === text);
  if (value) return value;
  throw new Error(`--${name} must be one of ${values.join(", ")}`);
}
