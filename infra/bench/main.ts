import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { reportStartFailure } from "@holdfast/shared/start-failure.ts";
import { machine } from "../rush/rush.ts";
import { compareAcceptAndRead } from "./accept-and-read.ts";
import { openBenchSystem } from "./bench-system.ts";
import { compareCrowds } from "./crowds.ts";
import { measureGrowth } from "./growth.ts";
import { compareReserving } from "./reserve-comparison.ts";
import { type BenchResults, printTargets, writeResults } from "./results.ts";
import { runRushes } from "./rushes.ts";
import { measureWaiting } from "./waiting.ts";

/**
 * `npm run bench`: the comparisons, side by side in one run. Whole, it takes about a quarter of an hour and writes docs/performance.json and
 * the table in docs/performance.md; with --only it takes one part and writes nothing.
 */

const usage = `npm run bench -- [options]
  --only PART     rushes, crowds, growth, accept, waiting or reserve; several with commas
  --rounds 5      how often each way is measured
  --depths 1000,10000,100000,1000000   orders in line, for growth`;

const say = (text: string) => process.stdout.write(`${text}\n`);
const parts = ["rushes", "crowds", "growth", "accept", "waiting", "reserve"] as const;

try {
  const { values } = parseArgs({
    options: {
      only: { type: "string" },
      rounds: { type: "string", default: "5" },
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
    // What leaves nothing behind comes first: the sweeper has reserved orders that nobody charged looked after, and would do so in the others' time.
    if (only.has("rushes")) results.rushes = await runRushes(system, directory, Math.min(3, rounds), say);
    if (only.has("crowds")) results.crowds = await compareCrowds(system, rounds, say);
    if (only.has("growth")) results.growth = await measureGrowth(system, depths, say);
    if (only.has("accept")) Object.assign(results, await compareAcceptAndRead(system, rounds, say));
    if (only.has("waiting")) results.waiting = await measureWaiting(system, say);
    if (only.has("reserve")) results.reserve = await compareReserving(system, rounds, say);
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
