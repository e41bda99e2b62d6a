import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { reportStartFailure } from "@holdfast/shared/start-failure.ts";
import { machine } from "../rush/rush.ts";
import { openBenchSystem } from "./bench-system.ts";
import { compareBesideCharges } from "./beside-charges.ts";
import { compareCrowds } from "./crowds.ts";
import { measureGrowth } from "./growth.ts";
import { compareHotItem } from "./hot-item.ts";
import { compareRates } from "./rates.ts";
import { compareReserving } from "./reserve-comparison.ts";
import { type BenchResults, printTargets, writeResults } from "./results.ts";
import { runRushes } from "./rushes.ts";
import { measureWaiting } from "./waiting.ts";

/**
 * `npm run bench`: the comparisons, side by side in one run. Whole, it takes under ten minutes and
 * writes docs/performance.json and the table in docs/performance.md; with --only it takes one part
 * and writes nothing.
 */

const usage = `npm run bench -- [options]
  --only PART     rushes, crowds, hot, rates, charges, growth, waiting or reserve; several with commas
  --rounds 3      how often each way is measured
  --depths 1000,10000,100000,1000000   orders in line, for growth`;

const say = (text: string) => process.stdout.write(`${text}\n`);
const parts = ["rushes", "crowds", "hot", "rates", "charges", "growth", "waiting", "reserve"] as const;

try {
  const { values } = parseArgs({
    options: {
      only: { type: "string" },
      rounds: { type: "string", default: "3" },
      depths: { type: "string", default: "1000,10000,100000,1000000" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) say(usage);
  else await bench(chosen(values.only), wholeNumber("rounds", values.rounds), values.depths.split(",").map(depth));
} catch (error) {
  reportStartFailure("bench", error);
}

async function bench(only: ReadonlySet<string>, rounds: number, depths: readonly number[]): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "holdfast-bench-"));
  const system = await openBenchSystem(directory, say);
  const results: BenchResults = { machine: machine(), measuredAt: new Date().toISOString(), rounds };
  try {
    say(
      `${results.machine}; medians of ${rounds} rounds that alternate, the spread in brackets, the ratio to the first way\n`,
    );
    // What leaves nothing behind comes first: the sweeper has reserved orders that nobody charged
    // looked after, and would do so in the others' time.
    const part = async <R>(name: (typeof parts)[number], run: () => Promise<R>, keep: (result: R) => void) => {
      if (!only.has(name)) return;
      const beganAtMs = performance.now();
      keep(await run());
      say(`    (${name}: ${Math.round((performance.now() - beganAtMs) / 1_000)} s)`);
    };
    await part(
      "rushes",
      () => runRushes(system, directory, Math.min(3, rounds), say),
      (result) => (results.rushes = result),
    );
    await part(
      "crowds",
      () => compareCrowds(system, rounds, say),
      (result) => (results.crowds = result),
    );
    await part(
      "growth",
      () => measureGrowth(system, depths, say),
      (result) => (results.growth = result),
    );
    await part(
      "rates",
      () => compareRates(system, rounds, say),
      (result) => (results.rates = result),
    );
    await part(
      "waiting",
      () => measureWaiting(system, say),
      (result) => (results.waiting = result),
    );
    await part(
      "hot",
      () => compareHotItem(system, rounds, say),
      (result) => (results.hot = result),
    );
    await part(
      "charges",
      () => compareBesideCharges(system, rounds, say),
      (result) => (results.charges = result),
    );
    await part(
      "reserve",
      () => compareReserving(system, rounds, say),
      (result) => (results.reserve = result),
    );
    say(`\n${printTargets(results)}`);
    if (only.size === parts.length) say(`\nWritten to ${await writeResults(results)}`);
  } finally {
    await system.close();
    await rm(directory, { recursive: true, force: true });
  }
}

function chosen(only: string | undefined): ReadonlySet<string> {
  const names = only === undefined ? parts : only.split(",");
  for (const name of names) {
    if (!parts.some((part) => part === name)) throw new Error(`--only knows ${parts.join(", ")}, and not ${name}`);
  }
  return new Set(names);
}

function wholeNumber(name: string, text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= 10_000_000) return value;
  throw new Error(`--${name} must be a whole number of at least 1`);
}

function depth(text: string): number {
  return wholeNumber("depths", text);
}
