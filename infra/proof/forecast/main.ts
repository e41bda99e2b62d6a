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
const measuredRate = 100; // charges a second
// Winners wait for their payment on connections of their own, so that nobody waits for theirs.
const connections = 1_000;
const timesEach = 2; // the quicker one counts: what else the machine has to do only makes it slower
// With few units, so that paying hardly matters, and with so many that it takes longer than
// knowing.
const knowing = [1_000, 4_000, 7_000].map((buyers) => ({ buyers, units: 20 }));
const paying = [
  { buyers: 3_000, units: 300 },
  { buyers: 7_000, units: 700 },
];
const calibration: Rushes = { chargesPerSecond: measuredRate, sizes: [...knowing, ...paying] };
// Of other sizes, and two of them at another rate.
const checked: readonly Rushes[] = [
  {
    chargesPerSecond: 25,
    sizes: [
      { buyers: 2_000, units: 60 },
      { buyers: 5_000, units: 150 },
    ],
  },
  { chargesPerSecond: 100, sizes: [{ buyers: 8_000, units: 800 }] },
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
      shared: false,
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

interface Rushes {
  readonly chargesPerSecond: number;
  readonly sizes: readonly { readonly buyers: number; readonly units: number }[];
}

/** Measures this machine by rushes of three sizes, and keeps what came out. */
async function measure(): Promise<Figures> {
  say("Measuring this machine: ten rushes, about a minute …");
  const about = { apis: measuredApis, workers: measuredWorkers, machine: machine() };
  const rushes = await measureRushes(calibration);
  const measuredAt = new Date().toISOString();
  const [few, many] = [rushes.filter(({ units }) => units === 20), rushes.filter(({ units }) => units !== 20)];
  const figures = fitFigures(few, many, measuredRate, { ...about, measuredAt });
  await mkdir(dirname(figuresFile), { recursive: true });
  await writeFile(figuresFile, JSON.stringify(figures, null, 1));
  return figures;
}

async function measureRushes({ chargesPerSecond, sizes }: Rushes): Promise<Measured[]> {
  const directory = await mkdtemp(join(tmpdir(), "holdfast-forecast-"));
  const storage = await openStorage(directory, process.env, () => {});
  try {
    const rate = String(chargesPerSecond);
    const env = { DATABASE_URL: storage.databaseUrl, REDIS_URL: storage.redisUrl, CHARGE_RATE_PER_SECOND: rate };
    const logDirectory = join(directory, "log");
    const system = await startPrivateSystem({ apis: measuredApis, workers: measuredWorkers, env, logDirectory });
    const db = openDatabase(storage.databaseUrl, 1, () => {});
    try {
      const processes = storage.servers.flatMap(({ name, process: { pid } }) =>
        pid === undefined ? [] : [{ name, pid }],
      );
      const run = (size: { buyers: number; units: number }) =>
        rush({
          ...size,
          ...system,
          connections,
          urls: system.apiUrls,
          tokenOf: signedTokens(system.jwtSecret),
          db,
          processes,
        });
      await run({ buyers: 3_000, units: 100 }); // so that all of it is compiled
      const measured: Measured[] = [];
      for (const size of sizes) {
        const runs: Measured[] = [];
        for (let time = 0; time < timesEach; time += 1) {
          const { lastAnswerMs, lastLoserMs, finalAnswerMs, processes: used } = await run(size);
          const knownMs = Math.max(lastAnswerMs, lastLoserMs ?? 0);
          const redisMs = used.find(({ name }) => name === "redis")?.cpuMs ?? null;
          runs.push({ ...size, knownMs, paidMs: finalAnswerMs.max, redisMs });
        }
        const [knownMs, paidMs] = [leastOf(runs, "knownMs"), leastOf(runs, "paidMs")];
        measured.push({ ...size, knownMs, paidMs, redisMs: runs[0]?.redisMs ?? null });
        say(
          `  ${size.buyers} shoppers, ${size.units} units: all knew after ${seconds(knownMs)}, all had paid after ${seconds(paidMs)}`,
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

function leastOf(runs: readonly Measured[], what: "knownMs" | "paidMs"): number {
  return Math.min(...runs.map((run) => run[what]));
}

/** Holds the forecast against rushes of sizes that it was not made from. */
async function check(figures: Figures, plan: Plan): Promise<boolean> {
  say("\nAgainst three rushes here:");
  const lines: { what: string; off: number }[] = [];
  for (const rushes of checked) {
    const { chargesPerSecond } = rushes;
    for (const { buyers, units, knownMs, paidMs } of await measureRushes(rushes)) {
      const { apis, workers } = figures;
      const told = forecast(figures, { ...plan, buyers, units, apis, workers, chargesPerSecond, shared: true });
      const what = `${buyers} × ${units} at ${chargesPerSecond} charges a second`;
      lines.push({ what: `${what}, all know`, off: offBy(told.knownMs, knownMs) });
      lines.push({ what: `${what}, all have paid`, off: offBy(told.paidMs, paidMs) });
    }
  }
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
