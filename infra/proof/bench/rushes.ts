import { startPrivateSystem } from "../../local/private-system.ts";
import type { Report } from "../rush/report.ts";
import { type RushOptions, rush } from "../rush/rush.ts";
import { signedTokens } from "../rush/shopper-tokens.ts";
import type { BenchSystem } from "./bench-system.ts";

/**
 * Whole rushes with payments, against two API servers and two workers: 5,000 shoppers several
 * times, then 100,000 once.
 */
export async function runRushes(
  { databaseUrl, redisUrl, db, storage }: BenchSystem,
  logDirectory: string,
  times: number,
  say: (text: string) => void,
): Promise<{ small: Report[]; large: Report }> {
  const env = { DATABASE_URL: databaseUrl, REDIS_URL: redisUrl };
  const system = await startPrivateSystem({ apis: 2, workers: 2, env, logDirectory });
  const processes = [...system.apis, ...system.workers, ...storage.servers].flatMap(({ name, process: { pid } }) =>
    pid === undefined ? [] : [{ name, pid }],
  );
  const run = async (more: Pick<RushOptions, "buyers" | "units">) => {
    const tokenOf = signedTokens(system.jwtSecret);
    const report = await rush({ ...system, urls: system.apiUrls, tokenOf, db, processes, ...more });
    if (!report.passed) throw new Error("The audit of a rush failed");
    const memory = report.processes.map(({ name, peakMb, endMb }) => `${name} ${peakMb} → ${endMb}`).join(", ");
    say(
      `    ${report.buyers} shoppers: all answered after ${Math.round(report.lastLoserMs ?? 0)} ms; MB at most → at the end: ${memory}`,
    );
    return report;
  };
  try {
    say("  Whole rushes: two API servers, two workers, the load, Postgres and Redis on the same cores");
    const small: Report[] = [];
    for (let i = 0; i < times; i++) small.push(await run({ buyers: 5_000, units: 100 }));
    return { small, large: await run({ buyers: 100_000, units: 100 }) };
  } finally {
    await system.stop();
  }
}
