import { parseArgs } from "node:util";
import { type KeptQueue, listDeadJobs } from "@holdfast/shared/dead-jobs.ts";
import { openLanes, openWebhookQueue } from "@holdfast/shared/queues.ts";
import { connectRedis, redisKeys, requireRedis } from "@holdfast/shared/redis.ts";
import { reportStartFailure } from "@holdfast/shared/start-failure.ts";
import { readReplayConfig } from "../config.ts";
import { printDeadJobs, replayJob } from "./replay.ts";

/**
 * `npm run replay`: lists the jobs that failed for good, or puts one in line again. Exit code 1
 * where that fails, or the job does.
 */

const usage = `npm run replay               lists the dead jobs; reads REDIS_URL, REDIS_PREFIX, PURCHASE_LANES
npm run replay -- <job>      puts one in line again, such as lane-0/job-… or webhook/evt_1`;

const patienceMs = 15_000; // a job is decided in well under a second, once it is its turn

try {
  const { values, positionals } = parseArgs({
    options: { help: { type: "boolean", default: false } },
    allowPositionals: true,
  });
  if (values.help) process.stdout.write(`${usage}\n`);
  else await run(positionals);
} catch (error) {
  reportStartFailure("replay", error);
}

async function run([name, ...others]: readonly string[]): Promise<void> {
  if (others.length > 0) throw new Error("One job at a time, please");
  const config = readReplayConfig(process.env);
  const redis = connectRedis(config.REDIS_URL, "failing", () => {});
  const queues: KeptQueue[] = [];
  try {
    await requireRedis(redis);
    const keys = redisKeys(config.REDIS_PREFIX);
    queues.push(...openLanes({ redis, keys }, config.PURCHASE_LANES), openWebhookQueue({ redis, keys }));
    for (const queue of queues) queue.on("error", () => {});
    if (name === undefined) {
      process.stdout.write(`${printDeadJobs(await listDeadJobs(queues), Date.now())}\n`);
      return;
    }
    const replayed = await replayJob(queues, name, patienceMs);
    process.stdout.write(`${name} ${told(replayed)}\n`);
    process.exitCode = replayed.outcome === "dead" ? 1 : 0;
  } finally {
    await Promise.all(queues.map((queue) => queue.close()));
    redis.disconnect();
  }
}

function told(replayed: Awaited<ReturnType<typeof replayJob>>): string {
  switch (replayed.outcome) {
    case "done":
      return "is done.";
    case "waits":
      return "is in line again and still waits for its turn.";
    case "dead":
      return `is dead again: ${replayed.reason}`;
  }
}
