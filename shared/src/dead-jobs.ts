import type { LaneQueue, WebhookQueue } from "./queues.ts";

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
  /** What the orders are for; null where it is no purchase job. */
  readonly itemId: string | null;
  /** How many orders it carries; null where it is no purchase job. */
  readonly orders: number | null;
}

const maxListedPerQueue = 100; // as many as anyone reads; the dashboard has them all

/** What a job is called on a command line and in an address. */
export function deadJobName(queueName: string, id: string): string {
  return `${plainName(queueName)}/${id}`;
}

/** The dead jobs of all queues, those of a queue newest first. */
export async function listDeadJobs(queues: readonly KeptQueue[]): Promise<DeadJob[]> {
  const found = await Promise.all(
    queues.map(async (queue) => {
      const jobs = await queue.getFailed(0, maxListedPerQueue - 1);
      return jobs.map((job): DeadJob => {
        // It may be dead because its data are nonsense.
        const { item, orders } = (job.data ?? {}) as { item?: unknown; orders?: unknown };
        return {
          name: deadJobName(queue.name, job.id ?? ""),
          reason: job.failedReason || "no reason given",
          failedAtMs: job.finishedOn ?? job.timestamp,
          itemId: typeof item === "string" ? item : null,
          orders: Array.isArray(orders) ? orders.length : null,
        };
      });
    }),
  );
  return found.flat();
}

/** A dead job and its queue. */
interface Found {
  readonly queue: KeptQueue;
  readonly job: NonNullable<Awaited<ReturnType<KeptQueue["getJob"]>>>;
}

/**
 * Puts a dead job in line again, behind those that wait.
 * @param note called with the job before anything is done
 * @throws NoSuchDeadJob with one clear line where there is none
 */
export async function replayDeadJob(
  queues: readonly KeptQueue[],
  name: string,
  note: (job: Found["job"]) => Promise<void> = async () => {},
): Promise<Found> {
  const found = await findDeadJob(queues, name);
  await note(found.job);
  try {
    await found.job.retry("failed", { resetAttemptsMade: true });
  } catch (error) {
    // Of two who replay it at once, one comes second.
    if ((await found.job.getState()) !== "failed") throw notDead(name);
    throw error;
  }
  return found;
}

async function findDeadJob(queues: readonly KeptQueue[], name: string): Promise<Found> {
  const { queue, id } = parseName(queues, name);
  const job = await queue.getJob(id);
  if (!job) throw new NoSuchDeadJob("missing", `There is no job ${name}. Without a name, all dead ones are listed.`);
  if ((await job.getState()) !== "failed") throw notDead(name);
  return { queue, job };
}

function notDead(name: string): NoSuchDeadJob {
  return new NoSuchDeadJob("not_dead", `Job ${name} is not dead, so there is nothing to replay.`);
}

export class NoSuchDeadJob extends Error {
  readonly why: "missing" | "not_dead";
  constructor(why: "missing" | "not_dead", message: string) {
    super(message);
    this.name = "NoSuchDeadJob";
    this.why = why;
  }
}

function parseName(queues: readonly KeptQueue[], name: string): { queue: KeptQueue; id: string } {
  const [, queueName, id] = /^([^/]+)\/(.+)$/.exec(name) ?? [];
  const queue = queues.find((one) => plainName(one.name) === queueName);
  if (!queue || id === undefined) {
    const names = queues.map((one) => plainName(one.name)).join(", ");
    throw new NoSuchDeadJob("missing", `${name} names no job: it must be <queue>/<id>, the queue one of ${names}`);
  }
  return { queue, id };
}

/** The braces of a queue's name are for Redis Cluster, and shells take them for their own. */
function plainName(queueName: string): string {
  return queueName.replace(/^\{(.*)\}$/, "$1");
}
