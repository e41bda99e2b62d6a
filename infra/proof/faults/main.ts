import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { reportStartFailure } from "@holdfast/shared/start-failure.ts";
import { markdownTable, printFailure, printRun, printTable } from "./report.ts";
import type { RunResult } from "./run-scenario.ts";
import { runSuite } from "./run-suite.ts";
import { scenarios } from "./scenarios.ts";

/**
 * `npm run test:faults`: breaks a whole system of its own in every way there is, under load, and
 * audits what came of it.
 */

const usage = `npm run test:faults -- [options]
  --minutes 10     the long form: round after round for so long; without it every fault once, in short
  --seed 42        what is left to chance (a new one each time)
  --only NAME,…    only these faults
  --repeat 10      so many times, each with the next seed
  --stages 2       systems that are broken side by side
  --rate 6         shoppers per second in each
  --json FILE      write every run there
  --write-docs     put the table into docs/reliability.md

Faults: ${scenarios.map(({ name }) => name).join(", ")}`;

const say = (text: string) => process.stdout.write(`${text}\n`);
const docs = fileURLToPath(new URL("../../../docs/reliability.md", import.meta.url));
const stopping = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => {
    say("\nStopping after the runs in hand …");
    stopping.abort();
  });
}

try {
  const { values } = parseArgs({
    options: {
      minutes: { type: "string", default: "0" },
      seed: { type: "string", default: String(Math.floor(Math.random() * 1e6)) },
      only: { type: "string" },
      repeat: { type: "string", default: "1" },
      stages: { type: "string", default: "2" },
      rate: { type: "string", default: "6" },
      json: { type: "string" },
      "write-docs": { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) say(usage);
  else {
    const results: RunResult[] = [];
    const repeat = number("repeat", values.repeat, 1, 1_000);
    for (let i = 0; i < repeat && !stopping.signal.aborted; i++) {
      const options = {
        seed: number("seed", values.seed, 0, 2 ** 31) + i,
        minutes: number("minutes", values.minutes, 0, 24 * 60),
        stages: number("stages", values.stages, 1, 8),
        rate: number("rate", values.rate, 1, 1_000),
      };
      results.push(...(await runOnce(chosen(values.only), options)));
    }
    if (repeat > 1) say(`\nIn all:\n\n${printTable(results)}`);
    if (values.json) await writeFile(values.json, JSON.stringify(results, null, 2));
    if (values["write-docs"]) await writeDocs(results);
    process.exitCode = results.every((run) => run.passed) && !stopping.signal.aborted ? 0 : 1;
  }
} catch (error) {
  reportStartFailure("test:faults", error);
}

async function runOnce(
  faults: typeof scenarios,
  options: { seed: number; minutes: number; stages: number; rate: number },
): Promise<RunResult[]> {
  const directory = await mkdtemp(join(tmpdir(), "holdfast-faults-"));
  const form = options.minutes > 0 ? `for ${options.minutes} minutes` : "each once";
  say(`\n${faults.length} faults, ${form}, seed ${options.seed}\n`);
  const onResult = (run: RunResult) => say([printRun(run), ...(run.passed ? [] : printFailure(run))].join("\n"));
  const short = options.minutes === 0;
  const results = await runSuite(faults, { ...options, short, directory, onResult, signal: stopping.signal });
  say(`\n${printTable(results)}`);
  if (results.every((run) => run.passed)) await rm(directory, { recursive: true, force: true });
  else say(`The logs are in ${directory}.`);
  return results;
}

function chosen(only: string | undefined): typeof scenarios {
  if (only === undefined) return scenarios;
  const names = only.split(",");
  const unknown = names.filter((name) => !scenarios.some((one) => one.name === name));
  if (unknown.length > 0) throw new Error(`--only does not know ${unknown.join(", ")}; see --help`);
  return scenarios.filter(({ name }) => names.includes(name));
}

async function writeDocs(results: readonly RunResult[]): Promise<void> {
  const [begin, end] = ["<!-- table -->", "<!-- end of table -->"];
  const text = await readFile(docs, "utf8");
  const before = text.slice(0, text.indexOf(begin) + begin.length);
  await writeFile(docs, `${before}\n\n${markdownTable(results)}\n\n${text.slice(text.indexOf(end))}`);
}

function number(name: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (text !== "" && value >= min && value <= max) return value;
  throw new Error(`--${name} must be a number from ${min} to ${max}`);
}
