import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startPostgres } from "../../local/postgres.ts";
import { startRedis } from "../../local/redis.ts";

/**
 * `npm run test:mutation`: changes the code in hundreds of small ways and sees for each whether a
 * test notices (Stryker, stryker.config.json). The servers are started here and not by the tests,
 * since Stryker kills a test run that hangs on a change, and all that it had started. What follows
 * the command goes to Stryker, such as `-- --mutate worker/src/reserve/allocate.ts`.
 */
const directory = await mkdtemp(join(tmpdir(), "holdfast-mutation-"));
const postgres = await startPostgres(join(directory, "postgres"), { settings: ["fsync=off"], createDatabases: true });
try {
  const redis = await startRedis(join(directory, "redis"), (text) => process.stdout.write(`${text}\n`));
  try {
    process.exitCode = await runStryker({ DATABASE_URL: postgres.url, REDIS_URL: redis.url });
  } finally {
    await redis.stop();
  }
} finally {
  await postgres.stop();
  await rm(directory, { recursive: true, force: true });
}

async function runStryker(servers: Record<string, string>): Promise<number> {
  const stryker = spawn("stryker", ["run", ...process.argv.slice(2)], {
    env: { ...process.env, ...servers },
    stdio: "inherit",
  });
  // Ctrl-C reaches Stryker too; we stay until it has ended, to stop the servers.
  process.on("SIGINT", () => {});
  process.on("SIGTERM", () => stryker.kill("SIGTERM"));
  const [code] = (await once(stryker, "exit")) as [number | null];
  return code ?? 1;
}
