import { setTimeout as sleep } from "node:timers/promises";
import { LaterFormat } from "@holdfast/shared/later-format.ts";
import type { Logger } from "@holdfast/shared/log.ts";
import { onceIn } from "@holdfast/shared/log-once-in.ts";
import { isOutage, isPermanent } from "@holdfast/shared/outage.ts";
import { type PackedPurchaseJob, type PurchaseJob, unpackPurchaseJob } from "@holdfast/shared/purchase-job.ts";
import type { LaneQueue } from "@holdfast/shared/queues.ts";
import { inSpan } from "@holdfast/shared/tracing.ts";
import { type Job, RateLimitError, UnrecoverableError } from "bullmq";
import { openWorker, type QueueWorker } from "../open-worker.ts";
import { type SaleGate, SaleHalted } from "../recovery/sale-gate.ts";
import { bisectOrders, ItemIsLocked, type Undecidable } from "./bisect-orders.ts";
import { type DecideParts, decidePurchase } from "./decide-purchase.ts";
import { gatherBatch, removeJobs } from "./gather-batch.ts";
import { ItemLockLost } from "./item-lock.ts";
import { type DeadPurchaseJob, refusedBefore, refuseOrders } from "./refuse-orders.ts";

const lockedRetryMs = 200; // a batch is decided in tens of milliseconds, so a held lock is soon free
const quietMs = 5_000; // a line of each kind: in an outage a job comes up twice a second
const outageRetryMs = 500; // keeps recovery within a second of the part's return

/** What passes by itself, or is somebody else's to do. */
const waitsFor = [ItemLockLost, LaterFormat, SaleHalted];

/**
 * One active job in the whole fleet, which is what keeps the order of arrival. Redis forgets it
 * when it is emptied.
 */
export async function setUpLane(lane: LaneQueue): Promise<void> {
  await lane.setGlobalConcurrency(1);
}

/**
 * Serves one lane: one job at a time in the whole fleet, in the order of arrival. A job that has to
 * wait (its item is locked elsewhere, or Postgres is unavailable) goes back to the head of the lane
 * without using up a try, and the lane waits with it. A job with orders that can never be decided
 * ends among the failed ones, when all its orders have an end, and the lane goes on.
 */
export async function serveLane(
  lane: LaneQueue,
  lanesParts: Omit<DecideParts, "known"> & { readonly log: Logger; readonly gate?: SaleGate },
): Promise<QueueWorker> {
  await setUpLane(lane);
  const parts = { ...lanesParts, known: new Map() };
  const log = parts.log.child({ lane: lane.name });
  const waits = onceIn(quietMs);

  const waitAtTheHead = async (delayMs: number): Promise<never> => {
    // Redis may refuse even that (a full memory or disk). An error of ours would then fail the job,
    // and its orders with it; like this it is put back, or found stalled and run again.
    await lane.rateLimit(delayMs).catch(() => sleep(delayMs));
    throw new RateLimitError();
  };

  return openWorker<PackedPurchaseJob>(
    lane,
    async (job) => {
      const { item, orders } = job.data;
      let undecidable: Undecidable[];
      try {
        parts.gate?.require();
        const about = () => ({
          links: (job.data.traces ?? []).filter((trace) => trace !== null),
          attributes: { jobId: job.id ?? "", itemId: item, orders: orders.length },
        });
        undecidable = await inSpan(parts.tracing, "purchase job", about, () => decideJob(lane, parts, job));
      } catch (error) {
        if (error instanceof ItemIsLocked) return waitAtTheHead(lockedRetryMs);
        if (error instanceof NotAPurchaseJob) throw error;
        parts.gate?.noteError(error);
        const expected = isOutage(error) || waitsFor.some((kind) => error instanceof kind);
        // The unforeseen waits too: rather a lane that stands still and says so than accepted
        // orders without an answer.
        const leftOut = waits((error as Error).message);
        const about = { err: error, jobId: job.id, itemId: item, leftOut };
        if (leftOut !== null) log[expected ? "warn" : "error"](about, "purchase job has to wait");
        return waitAtTheHead(outageRetryMs);
      }
      if (undecidable.length > 0) throw new UnrecoverableError(deathNotice(undecidable));
      log.debug({ jobId: job.id, itemId: item, orders: orders.length }, "purchase job decided");
    },
    { ...parts, log },
    {
      concurrency: 1,
      oneAtATime: true,
      onFailed: (job, error) => log.error({ err: error, jobId: job?.id }, "purchase job failed for good"),
    },
  );
}

/** Nothing in it can be decided or told to anyone: it goes to the failed ones as it is. */
class NotAPurchaseJob extends UnrecoverableError {}

/**
 * Decides what can be decided of a job, and refuses the rest. An order that was refused in an
 * earlier run stays refused: a replay only tries again to get it into Postgres.
 * @returns the orders that were refused in this run, or still are not in Postgres
 */
async function decideJob(lane: LaneQueue, parts: DecideParts, job: Job<PackedPurchaseJob>): Promise<Undecidable[]> {
  const laneName = lane.name;
  const purchase = readJob(job.data);
  const refused = refusedBefore(job.data);
  if (refused.size === 0 && (await decideTogether(lane, parts, purchase))) return [];
  const open = purchase.requests.filter(({ orderId }) => !refused.has(orderId));
  const fresh =
    open.length === 0
      ? []
      : await bisectOrders({ ...purchase, requests: open }, (part) => decidePurchase(parts, laneName, part));
  if (fresh.length > 0) {
    // Noted with the job before anyone is told, so that no later run can say anything else.
    const data: DeadPurchaseJob = {
      ...job.data,
      refused: [...refused, ...fresh.map(({ request }) => request.orderId)],
    };
    await job.updateData(data);
  }
  const earlier = purchase.requests
    .filter(({ orderId }) => refused.has(orderId))
    .map((request) => ({ request, why: "refused in an earlier run" }));
  const withoutRow = await refuseOrders(parts, laneName, purchase, [...earlier, ...fresh]);
  return [...fresh, ...withoutRow.filter((one) => !fresh.includes(one))];
}

/**
 * Decides a job together with those of its item that wait behind it, and takes those out of the
 * lane afterwards.
 * @returns false where one of the orders can never be decided: the job is then decided alone, and
 *   the others in their turn
 */
async function decideTogether(lane: LaneQueue, parts: DecideParts, purchase: PurchaseJob): Promise<boolean> {
  const gathering = gatherBatch(lane, purchase);
  try {
    const outcome = await decidePurchase(
      parts,
      lane.name,
      purchase,
      gathering.then(({ job }) => job),
    );
    if (outcome === "item_locked") throw new ItemIsLocked(purchase.itemId);
  } catch (error) {
    if (isPermanent(error)) return false;
    throw error;
  }
  const { along } = await gathering;
  // One that stays there, or that another worker has taken meanwhile, runs again and changes
  // nothing.
  await removeJobs(parts.redis, lane, along).catch(() => {});
  return true;
}

function readJob(data: unknown) {
  try {
    return unpackPurchaseJob(data);
  } catch (error) {
    if (error instanceof LaterFormat) throw error; // it keeps its place until a worker of that release takes it
    throw new NotAPurchaseJob((error as Error).message);
  }
}

function deathNotice(undecidable: readonly Undecidable[]): string {
  const [first] = undecidable;
  const orders = undecidable.length === 1 ? "1 order was" : `${undecidable.length} orders were`;
  return `${orders} refused, the first of them ${first?.request.orderId}: ${first?.why}`;
}
