import {
  maxOrdersPerJob,
  type PackedPurchaseJob,
  type PurchaseJob,
  unpackPurchaseJob,
} from "@holdfast/shared/purchase-job.ts";
import type { LaneQueue } from "@holdfast/shared/queues.ts";
import type { RedisClient } from "@holdfast/shared/redis.ts";
import { redisScript } from "@holdfast/shared/redis-script.ts";
import type { Job } from "bullmq";
import { refusedBefore } from "./refuse-orders.ts";

/**
 * What is decided in one transaction: a purchase job, and those of the same item that wait behind
 * it.
 */
export interface Batch {
  /** The orders of all of them, in their order of arrival. */
  readonly job: PurchaseJob;
  /** The jobs that were taken along: still in the lane, and to be removed once they are decided. */
  readonly along: readonly Job<PackedPurchaseJob>[];
}

const maxJobsLookedAt = 64; // each is read in vain where it is of another item

/** How many jobs behind one are worth a look: they carry about as many orders as it does. */
function jobsToLookAt(head: PurchaseJob): number {
  const room = maxOrdersPerJob - head.requests.length;
  return Math.min(maxJobsLookedAt, Math.ceil(room / head.requests.length));
}

/**
 * Looks behind a purchase job for others of its item, so that orders that came one by one are
 * decided together. Nothing is changed: the jobs stay in the lane until their orders are committed,
 * and whoever dies before that leaves them there; whoever dies after it leaves jobs that run again
 * and change nothing. Another item's jobs keep their places. A job that cannot be read, or whose
 * orders were refused before, is decided in its own turn, and nothing behind it earlier.
 */
export async function gatherBatch(lane: LaneQueue, head: PurchaseJob): Promise<Batch> {
  const requests = [...head.requests];
  const along: Job<PackedPurchaseJob>[] = [];
  let { lastPlace } = head;
  const look = jobsToLookAt(head);
  if (look <= 0) return { job: head, along };
  for (const job of await lane.getWaiting(0, look - 1)) {
    if (job.data?.item !== head.itemId) continue;
    const next = readable(job.data);
    if (next === null || requests.length + next.requests.length > maxOrdersPerJob) break;
    requests.push(...next.requests);
    along.push(job);
    lastPlace = Math.max(lastPlace, next.lastPlace);
  }
  return { job: { ...head, requests, lastPlace }, along };
}

function readable(data: PackedPurchaseJob): PurchaseJob | null {
  if (refusedBefore(data).size > 0) return null;
  try {
    return unpackPurchaseJob(data);
  } catch {
    return null;
  }
}

// From the end that is served first: the other way, a long lane would be gone through for each of
// them.
const removeScript = redisScript<number>(
  "removeJobs",
  `
for i = 2, #KEYS do
  if redis.call("LREM", KEYS[1], -1, ARGV[i - 1]) == 1 then redis.call("DEL", KEYS[i]) end
end
return 0`,
);

/**
 * Removes jobs whose orders are decided from a lane, as far as they still wait there: one that
 * another worker has taken meanwhile is left to it. One command, where the queue's own takes one
 * for each.
 */
export async function removeJobs(redis: RedisClient, lane: LaneQueue, jobs: readonly Job[]): Promise<void> {
  const ids = jobs.flatMap(({ id }) => (id === undefined ? [] : [id]));
  if (ids.length === 0) return;
  await removeScript(redis, [lane.toKey("wait"), ...ids.map((id) => lane.toKey(id))], ids);
}
