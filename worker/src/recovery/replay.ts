import type { LaneQueue, WebhookQueue } from "@holdfast/shared/queues.ts";

/**
 * Jobs that failed for good, and how operations put one in line again. What a replay may change is
 * up to the job's own steps.
 */

/** A queue whose dead jobs are kept: a lane, or that of the provider's events. */
export type KeptQueue = LaneQueue | WebhookQueue;

export interface DeadJob {
  /** What `npm run replay` takes: `lane-0/job-…`, `webhook/evt_…`. */
  readonly name: string;
  readonly reason: string;
  readonly failedAtMs: number;
  /** How many orders it carries; null where it is no purchase job. */
  readonly orders: number | null;
}

const maxListedPerQueue = 100; // as many as anyone reads; the dashboard has them all

/** The dead jobs of all queues, those of a queue newest first. */
export async function listDeadJobs(queues: readonly KeptQueue[]): Promise<DeadJob[]> {
  const found = await Promise.all(
    queues.map(async (queue) => {
      const jobs = await queue.getFailed(0, maxListedPerQueue - 1);
      return jobs.map((job): DeadJob => {
        const { orders } = (job.data ?? {}) as { orders?: unknown };
        return {
          name: `${plainName(queue)}/${job.id}`,
          reason: job.failedReason || "no reason given",
          failedAtMs: job.finishedOn ?? job.timestamp,
          orders: Array.isArray(orders) ? orders.length : null,
        };
      });
    }),
  );
  return found.flat();
}

/**
 * Puts a dead job in line again, behind those that wait.
 * @returns resolves with what became of it, once a worker had it or `patienceMs` are over
 * @throws with one clear line where there is no such dead job
 */
export async function replayJob(
  queues: readonly KeptQueue[],
  name: string,
  patienceMs: number,
): Promise<{ outcome: "done" | "waits" } | { outcome: "dead"; reason: string }> {
  const { queue, id } = parseName(queues, name);
  const job = await queue.getJob(id);
  if (!job) throw new Error(`There is no job ${name}. Without a name, all dead ones are listed.`);
  if ((await job.getState()) !== "failed") throw new Error(`Job ${name} is not dead, so there is nothing to replay.`);
  await job.retry("failed", { resetAttemptsMade: true });

  const deadline = Date.now() + patienceMs;
  while (Date.now() < deadline) {
    const state = await job.getState();
    // A finished job may be swept away at once.
    if (state === "completed" || state === "unknown") return { outcome: "done" };
    if (state === "failed") {
      const again = await queue.getJob(id);
      return { outcome: "dead", reason: again?.failedReason || "no reason given" };
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return { outcome: "waits" };
}

function parseName(queues: readonly KeptQueue[], name: string): { queue: KeptQueue; id: string } {
  const [, queueName, id] = /^([^/]+)\/(.+)$/.exec(name) ?? [];
  const queue = queues.find((one) => plainName(one) === queueName);
  if (!queue || id === undefined) {
    const names = queues.map(plainName).join(", ");
    throw new Error(`${name} names no job: it must be <queue>/<id>, the queue one of ${names}`);
  }
  return { queue, id };
}

/** The braces of a queue's name are for Redis Cluster, and shells take them for their own. */
function plainName(queue: KeptQueue): string {
  return queue.name.replace(/^\{(.*)\}$/, "$1");
}

export function printDeadJobs(jobs: readonly DeadJob[], nowMs: number): string {
  if (jobs.length === 0) return "No dead jobs.";
  const lines = jobs.map(({ name, orders, failedAtMs, reason }) =>
    [name, orders === null ? "-" : `${orders} orders`, age(nowMs - failedAtMs), reason.split("\n")[0] ?? ""].join("  "),
  );
  return [...lines, "", "npm run replay -- <job> puts one in line again."].join("\n");
}

function age(ms: number): string {
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 1) return `${Math.max(0, Math.floor(ms / 1_000))} s ago`;
  if (minutes < 120) return `${minutes} min ago`;
  return minutes < 2_880 ? `${Math.floor(minutes / 60)} h ago` : `${Math.floor(minutes / 1_440)} days ago`;
}
