import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { migrate } from "@holdfast/migrations/migrate.ts";
import { openDatabase } from "@holdfast/shared/database.ts";
import { reportStartFailure } from "@holdfast/shared/start-failure.ts";
import { openStorage } from "../local/storage.ts";
import { redisBytesPerQueuedOrder } from "./memory.ts";
import { type Rate, reserveByTheBook, reserveInJobs, serveOneLane } from "./reserve.ts";

/**
 * `npm run bench`: the comparisons, side by side in one run. Rounds alternate, medians are shown with their spread; on a shared machine the
 * ratios mean more than the figures.
 */

const rounds = 5;
const say = (text: string) => process.stdout.write(`${text}\n`);

try {
  const directory = await mkdtemp(join(tmpdir(), "holdfast-bench-"));
  const storage = await openStorage(directory, {}, say);
  try {
    const bench = { databaseUrl: storage.databaseUrl, redisUrl: storage.redisUrl };
    const db = openDatabase(bench.databaseUrl, 1, () => {});
    await migrate(db);
    await db.destroy();

    const bytes = await redisBytesPerQueuedOrder(bench.redisUrl, 50_000);
    say(`Redis memory per queued order, of 50,000 in line: ${Math.round(bytes)} bytes\n`);

    say("One worker on ONE hot item, orders decided per second, each a row with its event.\n");
    await compare("Reserving alone", {
      "textbook: lock, transaction, commit, unlock per order": () => reserveByTheBook(bench, 1_000, false),
      "Holdfast: lock, one transaction per job of 500, unlock": () => reserveInJobs(bench, 20_000),
    });
    await compare("The whole step, shoppers told and charges enqueued", {
      "textbook, order by order": () => reserveByTheBook(bench, 1_000, true),
      "Holdfast from the lane on, every order finds a unit": () => serveOneLane(bench, 20_000, 1),
      "Holdfast from the lane on, one in fifty finds a unit": () => serveOneLane(bench, 20_000, 0.02),
    });
  } finally {
    for (const server of storage.servers) await server.stop();
    await rm(directory, { recursive: true, force: true });
  }
} catch (error) {
  reportStartFailure("bench", error);
}

/** Runs the ways in turn, round by round, and prints each one's median, its spread, and its ratio to the first. */
async function compare(title: string, ways: Record<string, () => Promise<Rate>>): Promise<void> {
  const rates = new Map<string, number[]>();
  for (let round = 0; round <= rounds; round++) {
    for (const [name, run] of Object.entries(ways)) {
      const { perSecond } = await run();
      if (round > 0) rates.set(name, [...(rates.get(name) ?? []), perSecond]); // round 0 warms up
    }
  }
  const base = median([...rates.values()][0] ?? []);
  say(`  ${title}`);
  for (const [name, values] of rates) {
    const spread = `(${Math.round(Math.min(...values))} … ${Math.round(Math.max(...values))})`;
    const rate = `${Math.round(median(values))}/s`.padStart(10);
    say(`    ${name.padEnd(56)}${rate}  ${spread.padEnd(18)}${(median(values) / base).toFixed(1)}×`);
  }
  say("");
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
