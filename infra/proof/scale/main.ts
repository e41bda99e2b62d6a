import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { openDatabase } from "@holdfast/shared/database.ts";
import { reportStartFailure } from "@holdfast/shared/start-failure.ts";
import { sql } from "kysely";
import { type PrivateSystem, startPrivateSystem } from "../../local/private-system.ts";
import { processUsage } from "../../local/process-usage.ts";
import { openStorage, type Storage } from "../../local/storage.ts";
import { machine, opsClient, rush } from "../rush/rush.ts";
import { signedTokens } from "../rush/shopper-tokens.ts";
import {
  type CostModel,
  type Costs,
  costOf,
  fitCosts,
  type PartName,
  partNames,
  type RushCost,
  scaleOf,
} from "./cost-model.ts";

/** `npm run scale`: what an order costs in each part, and what a crowd takes in machines. */

const usage = `npm run scale -- [options]
  --shoppers 10000000     how many come
  --minutes 10            in what time
  --units 100000          how many units there are, of
  --items 20              items
  --looks 2               requests of each shopper beside the purchase
  --core-hour 0.05        what a core costs an hour, in any currency
  --measure               measures this machine anew first, five minutes; so it is where it was never measured
  --check                 holds the model against three kinds of rushes with 1, 2 and 3 API servers and workers; exit code 1
                          where one is off by more than a fifth`;

interface Kept {
  readonly measuredAt: string;
  readonly machine: string;
  readonly model: CostModel;
}

interface Size {
  readonly buyers: number;
  readonly units: number;
  readonly overMs?: number;
  /** For how long the lanes stand still, from the beginning on. */
  readonly heldBackMs?: number;
}

const keptFile = fileURLToPath(new URL("../../../.holdfast/scale.json", import.meta.url));
const say = (text: string) => process.stdout.write(`${text}\n`);
const chargesPerSecond = 400;
const laneCount = 4; // the usual number
const idleMs = 5_000;
const fullness = 0.6; // of a core: a crowd does not come evenly
const mostOff = 0.2;
// Many refused at the door; all accepted and few paid, since the lanes stand still until all have
// come; all accepted and paid.
const measured: readonly Size[] = [
  { buyers: 16_000, units: 20 },
  { buyers: 6_000, units: 20, heldBackMs: 2_500 },
  { buyers: 3_000, units: 3_000 },
  { buyers: 10_000, units: 50, heldBackMs: 4_000 },
  { buyers: 2_000, units: 2_000, overMs: 4_000 },
  { buyers: 16_000, units: 20 }, // once more: the cheapest of all, and it gets cheaper as long as processes are young
];
const counts = [1, 2, 3]; // of API servers, and of workers
// A sale with many units; nearly all refused at the door; all accepted and nearly none paid.
const checked: readonly (Size & { readonly name: string })[] = [
  { name: "a fifth gets a unit", buyers: 8_000, units: 1_600 },
  { name: "most are refused", buyers: 14_000, units: 30 },
  { name: "all are accepted", buyers: 7_000, units: 30, heldBackMs: 3_000 },
];

try {
  const option = (fallback: string) => ({ type: "string", default: fallback }) as const;
  const { values } = parseArgs({
    options: {
      shoppers: option("10000000"),
      minutes: option("10"),
      units: option("100000"),
      items: option("20"),
      looks: option("2"),
      "core-hour": option("0.05"),
      measure: { type: "boolean", default: false },
      check: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) say(usage);
  else {
    const number = (name: keyof typeof values) => positive(name, String(values[name]));
    const plan = {
      shoppers: number("shoppers"),
      minutes: number("minutes"),
      units: number("units"),
      items: number("items"),
      looksPerShopper: number("looks"),
      pricePerCoreHour: number("core-hour"),
      fullness,
    };
    const kept = (values.measure ? null : await readKept()) ?? (await measure());
    sayModel(kept);
    const { cores, price, ceiling, itemLoad } = scaleOf(kept.model, plan);
    say(
      `\n${plan.shoppers} shoppers in ${plan.minutes} minutes, ${plan.units} units of ${plan.items} items, ${plan.looksPerShopper} more requests each; cores ${100 * fullness} % full:\n`,
    );
    for (const part of partNames) say(`  ${part.padEnd(10)} ${cores[part].toFixed(1).padStart(8)} cores`);
    say(`\n  for ${plan.minutes} minutes: ${price.toFixed(2)} at ${plan.pricePerCoreHour} a core and hour`);
    say(
      `  one item, orders a second: ${rounded(ceiling.worker)} by its lane's worker, ${rounded(ceiling.postgres)} by Postgres, ${rounded(ceiling.redis)} by its Redis node`,
    );
    say(
      itemLoad <= 1
        ? `  each of ${plan.items} items takes ${(100 * itemLoad).toPrecision(2)} % of that while the crowd comes`
        : `  too much for ${plan.items} items: each would take ${Math.round(100 * itemLoad)} % of that`,
    );
    if (values.check) process.exitCode = (await check(kept.model)) ? 0 : 1;
  }
} catch (error) {
  reportStartFailure("scale", error);
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (value >= 0 && value <= 1e12) return value;
  throw new Error(`--${name} must be a number of 0 or more`);
}

async function readKept(): Promise<Kept | null> {
  try {
    const kept = JSON.parse(await readFile(keptFile, "utf8")) as Kept;
    return Array.isArray(kept.model) ? kept : null; // as another version wrote it
  } catch {
    return null;
  }
}

async function measure(): Promise<Kept> {
  say(`Measuring this machine: ${counts.length * measured.length} rushes, five minutes …`);
  const model: Costs[] = [];
  for (const count of counts) {
    const { idle, rushes } = await runRushes(count, measured);
    model.push(fitCosts(idle, rushes));
  }
  const kept = { measuredAt: new Date().toISOString(), machine: machine(), model };
  await mkdir(dirname(keptFile), { recursive: true });
  await writeFile(keptFile, JSON.stringify(kept, null, 1));
  return kept;
}

async function check(model: CostModel): Promise<boolean> {
  say("\nAgainst runs here, CPU time for each shopper, and what the model says of it:");
  let good = true;
  for (const count of counts) {
    const { rushes } = await runRushes(count, checked);
    for (const [i, run] of rushes.entries()) {
      const told = costOf(model, run);
      const off = offBy(sum(told), sum(run.cpuMs));
      good &&= Math.abs(off) <= mostOff;
      const took = sum(run.cpuMs) / (run.accepted + run.refused);
      const between =
        count === 2 ? `; by one and three alone ${percent(offBy(sum(between1and3(model, run)), sum(run.cpuMs)))}` : "";
      const parts = partNames.map((part) => `${part} ${percent(offBy(told[part], run.cpuMs[part]))}`).join(", ");
      say(
        `  ${Math.abs(off) <= mostOff ? "✓" : "✗"} ${count} of each, ${checked[i]?.name}: ${took.toFixed(3)} ms, the model ${percent(off)} (${parts})${between}`,
      );
    }
  }
  return good;
}

/** How well the number of servers that was not measured would be told: half way between the others. */
function between1and3(model: CostModel, run: RushCost): Record<PartName, number> {
  const [one, three] = [costOf(model, run, 1), costOf(model, run, 3)];
  return Object.fromEntries(partNames.map((part) => [part, (one[part] + three[part]) / 2])) as Record<PartName, number>;
}

function offBy(told: number, took: number): number {
  return (told - took) / took;
}

function percent(share: number): string {
  return `${share > 0 ? "+" : ""}${Math.round(100 * share)} %`;
}

/** Rushes on a system of so many API servers and workers, with what each part took. */
async function runRushes(
  count: number,
  sizes: readonly Size[],
): Promise<{ idle: Record<PartName, number>; rushes: RushCost[] }> {
  const directory = await mkdtemp(join(tmpdir(), "holdfast-scale-"));
  const storage = await openStorage(directory, {}, () => {});
  try {
    const env = {
      DATABASE_URL: storage.databaseUrl,
      REDIS_URL: storage.redisUrl,
      CHARGE_RATE_PER_SECOND: String(chargesPerSecond),
    };
    const system = await startPrivateSystem({ apis: count, workers: count, env, logDirectory: join(directory, "log") });
    const db = openDatabase(storage.databaseUrl, 1, () => {});
    try {
      const run = async ({ buyers, units, overMs = 0, heldBackMs = 0 }: Size): Promise<RushCost> => {
        const { n: ordersBefore } = await countOrders(db);
        const [before, beganMs] = [await cpuOf(system, storage), performance.now()];
        const resumed = holdBack(system, heldBackMs);
        await resumed.begun;
        const report = await rush({
          ...system,
          buyers,
          units,
          overMs,
          connections: 512,
          urls: system.apiUrls,
          tokenOf: signedTokens(system.jwtSecret),
          db: null,
        });
        await resumed.ended;
        if (!report.passed) throw new Error("The rush's audit did not pass: nothing is to be learned from it");
        const after = await cpuOf(system, storage);
        const { n: orders } = await countOrders(db);
        const accepted = orders - ordersBefore;
        const cpuMs = Object.fromEntries(partNames.map((part) => [part, after[part] - before[part]])) as Record<
          PartName,
          number
        >;
        const paid = report.outcomes.confirmed ?? 0;
        return {
          accepted,
          refused: buyers - accepted,
          paid,
          seconds: (performance.now() - beganMs) / 1_000,
          apis: count,
          workers: count,
          cpuMs,
        };
      };
      await run({ buyers: 5_000, units: 1_000 * count }); // so that all of it is compiled, in each process
      const [before, beganMs] = [await cpuOf(system, storage), performance.now()];
      await sleep(idleMs);
      const after = await cpuOf(system, storage);
      const perSecond = (part: PartName) => ((after[part] - before[part]) / (performance.now() - beganMs)) * 1_000;
      const idle = {
        api: perSecond("api") / count,
        worker: perSecond("worker") / count,
        postgres: perSecond("postgres") / (2 * count),
        redis: perSecond("redis") / (2 * count),
      };
      const rushes: RushCost[] = [];
      await run({ buyers: 4_000 * count, units: 600 * count }); // each process compiles what it does for the first time
      for (const size of sizes) {
        const cost = await run(size);
        say(
          `  ${size.buyers} shoppers, ${size.units} units: ${cost.accepted} accepted, ${partNames.map((part) => `${part} ${Math.round(cost.cpuMs[part])} ms`).join(", ")}`,
        );
        rushes.push(cost);
      }
      return { idle, rushes };
    } finally {
      await db.destroy();
      await system.stop();
    }
  } finally {
    for (const server of storage.servers) await server.stop();
    await rm(directory, { recursive: true, force: true });
  }
}

/** Pauses all lanes, and resumes them after a while. */
function holdBack(system: PrivateSystem, heldBackMs: number): { begun: Promise<unknown>; ended: Promise<unknown> } {
  if (heldBackMs === 0) return { begun: Promise.resolve(), ended: Promise.resolve() };
  const ops = opsClient(system.apiUrls[0] ?? "", system.opsPassword);
  const all = (action: string) =>
    Promise.all(Array.from({ length: laneCount }, (_, lane) => ops("POST", `lanes/${lane}/${action}`)));
  const begun = all("pause");
  return { begun, ended: begun.then(() => sleep(heldBackMs)).then(() => all("resume")) };
}

async function countOrders(db: ReturnType<typeof openDatabase>): Promise<{ n: number }> {
  const { rows } = await sql<{ n: number }>`select count(*) as n from orders`.execute(db);
  return rows[0] ?? { n: 0 };
}

async function cpuOf(system: PrivateSystem, storage: Storage): Promise<Record<PartName, number>> {
  const of = async (processes: readonly { readonly process: { readonly pid?: number | undefined } }[]) => {
    const used = await Promise.all(
      processes.map(async ({ process: { pid = 0 } }) => (await processUsage(pid))?.cpuMs ?? 0),
    );
    return used.reduce((total, ms) => total + ms, 0);
  };
  const named = (name: string) => storage.servers.filter((server) => server.name === name);
  return {
    api: await of(system.apis),
    worker: await of(system.workers),
    postgres: await of(named("postgres")),
    redis: await of(named("redis")),
  };
}

function sayModel({ model, measuredAt, machine: where }: Kept): void {
  say(`CPU time in µs, measured ${measuredAt.slice(0, 16)} on ${where}:`);
  for (const [i, costs] of model.entries()) {
    say(`\n  ${i + 1} of each     accepted   refused      paid   idle, a second`);
    for (const part of partNames) {
      const { perAcceptedMs, perRefusedMs, perPaidMs, idleMs: idle } = costs[part];
      const columns = [perAcceptedMs, perRefusedMs, perPaidMs].map((ms) => String(Math.round(1_000 * ms)).padStart(10));
      say(`  ${part.padEnd(10)}${columns.join("")}${String(Math.round(1_000 * idle)).padStart(17)}`);
    }
  }
}

function sum(cpuMs: Readonly<Record<PartName, number>>): number {
  return partNames.reduce((total, part) => total + cpuMs[part], 0);
}

function rounded(perSecond: number): string {
  return Number.isFinite(perSecond) ? String(Math.round(perSecond / 100) * 100) : "no limit seen";
}
