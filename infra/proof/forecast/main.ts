import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { openDatabase } from "@holdfast/shared/database.ts";
import { reportStartFailure } from "@holdfast/shared/start-failure.ts";
import { startPrivateSystem } from "../../local/private-system.ts";
import { openStorage } from "../../local/storage.ts";
import { machine, rush } from "../rush/rush.ts";
import { signedTokens } from "../rush/shopper-tokens.ts";
import { type Figures, type Forecast, fitFigures, forecast, type Measured, offBy, type Plan } from "./forecast.ts";

/**
 * `npm run forecast`: what a sale will be like, from rushes that were measured on this machine.
 */

const usage = `npm run forecast -- [options]
  --buyers 200000        how many shoppers press Buy at once
  --units 5000           how many units there are
  --api-servers 2        how many API servers there will be, and
  --workers 2            workers, each on cores of its own
  --charge-rate 25       CHARGE_RATE_PER_SECOND
  --lanes 4              PURCHASE_LANES
  --hold-seconds 600     of the item
  --max-line 1000000     MAX_LINE
  --address-rate 1200    ADDRESS_RATE_PER_MINUTE
  --measure              measures this machine anew first, in a minute; so it is where it was never measured
  --check                holds the forecast against three rushes; exit code 1 where one is off by more than a fifth`;

const figuresFile = fileURLToPath(new URL("../../../.holdfast/forecast.json", import.meta.url));
const say = (text: string) => process.stdout.write(`${text}\n`);
const measuredApis = 2;
const measuredWorkers = 2;
const measuredRate = 100; // charges a second, so that measuring takes seconds
const calibration = [
  { buyers: 1_000, units: 50 },
  { buyers: 4_000, units: 100 },
  { buyers: 7_000, units: 200 },
];
const checked = [
  { buyers: 2_000, units: 40 },
  { buyers: 5_000, units: 100 },
  { buyers: 8_000, units: 400 },
];
const mostOff = 0.2;

try {
  const option = (fallback: string) => ({ type: "string", default: fallback }) as const;
  const { values } = parseArgs({
    options: {
      buyers: option("200000"),
      units: option("5000"),
      "api-servers": option("2"),
      workers: option("2"),
      "charge-rate": option("25"),
      lanes: option("4"),
      "hold-seconds": option("600"),
      "max-line": option("1000000"),
      "address-rate": option("1200"),
      measure: { type: "boolean", default: false },
      check: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    say(usage);
  } else {
    const plan: Plan = {
      buyers: whole("buyers", values.buyers, 1),
      units: whole("units", values.units, 1),
      apis: whole("api-servers", values["api-servers"], 1),
      workers: whole("workers", values.workers, 1),
      lanes: whole("lanes", values.lanes, 1),
      chargesPerSecond: whole("charge-rate", values["charge-rate"], 1),
      holdSeconds: whole("hold-seconds", values["hold-seconds"], 1),
      maxLine: whole("max-line", values["max-line"], 1),
      addressRatePerMinute: whole("address-rate", values["address-rate"], 0),
    };
    const known = values.measure ? null : await readFigures();
    const figures = known ?? (await measure());
    say(printForecast(figures, plan, forecast(figures, plan)));
    if (values.check) process.exitCode = (await check(figures, plan)) ? 0 : 1;
  }
} catch (error) {
  reportStartFailure("forecast", error);
}

function whole(name: string, text: string, least: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= least && value <= 1e9) return value;
  throw new Error(`--${name} must be a whole number of ${least} or more`);
}

async function readFigures(): Promise<Figures | null> {
  try {
    return JSON.parse(await readFile(figuresFile, "utf8")) as Figures;
  } catch {
    return null;
  }
}

/** Measures this machine by rushes of three sizes, and keeps what came out. */
async function measure(): Promise<Figures> {
  say("Measuring this machine: three rushes, about a minute …");
  const about = { apis: measuredApis, workers: measuredWorkers, chargesPerSecond: measuredRate, machine: machine() };
  const rushes = await measureRushes(calibration);
  const figures = fitFigures(rushes, { ...about, measuredAt: new Date().toISOString() });
  await mkdir(dirname(figuresFile), { recursive: true });
  await writeFile(figuresFile, JSON.stringify(figures, null, 1));
  return figures;
}

async function measureRushes(sizes: readonly { buyers: number; units: number }[]): Promise<Measured[]> {
  const directory = await mkdtemp(join(tmpdir(), "holdfast-forecast-"));
  const storage = await openStorage(directory, process.env, () => {});
  try {
    const rate = String(measuredRate);
    const env = { DATABASE_URL: storage.databaseUrl, REDIS_URL: storage.redisUrl, CHARGE_RATE_PER_SECOND: rate };
    const logDirectory = join(directory, "log");
    const system = await startPrivateSystem({ apis: measuredApis, workers: measuredWorkers, env, logDirectory });
    const db = openDatabase(storage.databaseUrl, 1, () => {});
    try {
      const tokenOf = signedTokens(system.jwtSecret);
      const run = (size: { buyers: number; units: number }) =>
        rush({ ...size, ...system, urls: system.apiUrls, tokenOf: signedTokens(system.jwtSecret), db });
      await rush({ buyers: 500, units: 20, ...system, urls: system.apiUrls, tokenOf, db }); // so that all of it is compiled
      const measured: Measured[] = [];
      for (const size of sizes) {
        const { lastAnswerMs, lastLoserMs, finalAnswerMs } = await run(size);
        const knownMs = Math.max(lastAnswerMs, lastLoserMs ?? 0);
        measured.push({ ...size, knownMs, paidMs: finalAnswerMs.max });
        say(
          `  ${size.buyers} shoppers, ${size.units} units: all knew after ${seconds(knownMs)}, all had paid after ${seconds(finalAnswerMs.max)}`,
        );
      }
      return measured;
    } finally {
      await db.destroy();
      await system.stop();
    }
  } finally {
    for (const server of storage.servers) await server.stop();
    await rm(directory, { recursive: true, force: true });
  }
}

/** Holds the forecast against rushes of sizes that it was not made from. */
async function check(figures: Figures, plan: Plan): Promise<boolean> {
  say("\nAgainst three rushes here:");
  const measured = await measureRushes(checked);
  const lines = measured.flatMap(({ buyers, units, knownMs, paidMs }) => {
    const own = { ...plan, buyers, units, apis: figures.apis, workers: figures.workers };
    const told = forecast(figures, { ...own, chargesPerSecond: figures.chargesPerSecond });
    return [
      { what: `${buyers} × ${units}, all know`, off: offBy(told.knownMs, knownMs) },
      { what: `${buyers} × ${units}, all have paid`, off: offBy(told.paidMs, paidMs) },
    ];
  });
  for (const { what, off } of lines) {
    say(
      `  ${Math.abs(off) <= mostOff ? "✓" : "✗"} ${what}: the forecast was ${Math.round(Math.abs(off) * 100)} % ${off > 0 ? "over" : "under"}`,
    );
  }
  return lines.every(({ off }) => Math.abs(off) <= mostOff);
}

function printForecast(figures: Figures, { buyers, units, apis, workers }: Plan, told: Forecast): string {
  const of = `${buyers} shoppers, ${units} units, ${apis} API servers and ${workers} workers`;
  return [
    "",
    of,
    "",
    `  everybody knows after      ${seconds(told.knownMs)}`,
    `  everybody has paid after   ${seconds(told.paidMs)}`,
    `  so that all know in 10 s   ${told.apis} API servers and ${told.workers} workers, each on cores of its own as fast as those measured`,
    "",
    ...told.breaks.map((sentence, i) => `  ${i === 0 ? "First to break: " : ""}${sentence}`),
    ...(told.breaks.length === 0 ? ["  Nothing breaks by these figures."] : []),
    "",
    `  From rushes of ${figures.measuredAt.slice(0, 16)} with ${figures.apis} API servers and ${figures.workers} workers, the crowd and the servers on`,
    `  ${figures.machine}: --measure makes them anew. The crowd's own work is in them.`,
  ].join("\n");
}

function seconds(ms: number): string {
  if (ms < 120_000) return `${(ms / 1_000).toFixed(1)} s`;
  return `${(ms / 60_000).toFixed(1)} min`;
}
