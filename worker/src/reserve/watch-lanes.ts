import type { RaiseAlarm } from "@holdfast/shared/alarm.ts";
import type { Database } from "@holdfast/shared/database.ts";
import { laneOf, laneQueueName } from "@holdfast/shared/lanes.ts";
import {
  closeLines,
  enqueueMs,
  type LineNumbers,
  readDecidedPlaces,
  readLineNumbers,
  takePassedOver,
} from "@holdfast/shared/line.ts";
import type { Logger } from "@holdfast/shared/log.ts";
import type { Order } from "@holdfast/shared/order.ts";
import { isOutage } from "@holdfast/shared/outage.ts";
import type { LaneQueue } from "@holdfast/shared/queues.ts";
import type { RedisClient, RedisKeys } from "@holdfast/shared/redis.ts";
import type { WorkerMetrics } from "../metrics/worker-metrics.ts";
import { cancelLostOrders } from "../recovery/cancel-lost-orders.ts";
import { findWithoutJob, maxInDoubt, viewsInBatches } from "../recovery/find-lost-orders.ts";

/**
 * Orders whose purchase job is gone by other means than being decided: a lane emptied by hand, a
 * job removed. Nobody else would ever notice, and their shoppers would be "in line" until their
 * views expire. Two signs tell that something is off, and only then all live views are read:
 * - a lane without any job whose line says that somebody waits, unchanged for some seconds;
 * - a shopper whose place the item has passed asks for the order (`passed-over.ts` in the API):
 *   some jobs were removed while others remain.
 */
export interface LanesParts {
  readonly db: Database;
  readonly metrics?: Pick<WorkerMetrics, "settled"> | undefined;
  /**
   * One that fails instead of waiting: what was seen before an outage must not be acted upon after
   * it.
   */
  readonly redis: RedisClient;
  readonly keys: RedisKeys;
  readonly lanes: readonly LaneQueue[];
  readonly log: Logger;
  readonly raiseAlarm: RaiseAlarm;
  /**
   * Aborted when the process ends: a look may read all live views, and another worker looks again.
   */
  readonly signal: AbortSignal;
}

/** A lane's line as it was first seen standing still without any job. */
export type StandingLines = Map<string, LineNumbers & { readonly sinceMs: number }>;

const lookEveryMs = 1_000; // three small commands per lane

/** Looks at all lanes every few seconds, in every worker: what one finds, another finds settled. */
export function watchLanes(parts: LanesParts): { close(): Promise<void> } {
  const standing: StandingLines = new Map();
  let looking: Promise<void> | null = null;
  const timer = setInterval(() => {
    looking ??= lookAtLanes(parts, standing)
      .catch((error: unknown) => {
        standing.clear(); // what was seen before an outage says nothing after it
        const level = parts.signal.aborted || isOutage(error) ? "debug" : "error";
        parts.log[level]({ err: error }, "the lanes could not be looked at");
      })
      .finally(() => {
        looking = null;
      });
  }, lookEveryMs);
  return {
    async close() {
      clearInterval(timer);
      await looking;
    },
  };
}

/** One look at all lanes, and what follows from it. */
export async function lookAtLanes(parts: LanesParts, standing: StandingLines, quietMs = enqueueMs): Promise<void> {
  const { redis, keys, lanes, log } = parts;
  for (const lane of lanes) {
    const line = await standsStill(parts, lane, standing, quietMs);
    if (line !== null) {
      // Older than half of it: a place that was returned is taken again.
      await cancelLostIn(parts, lane, null, quietMs / 2);
      // Places may be left over too, of an API server that died before it used them.
      await closeLines({ redis, keys }, lane.name, line.accepted);
      log.info({ lane: lane.name, ...line }, "a line without any job was closed");
    } else if (await takePassedOver({ redis, keys }, lane.name)) {
      await cancelLostIn(parts, lane, await readDecidedPlaces({ redis, keys }, lane.name), quietMs);
    }
  }
}

/**
 * The lane's line, if somebody waits in it while the lane has had no job for `quietMs`; otherwise
 * null.
 */
async function standsStill(
  { redis, keys }: LanesParts,
  lane: LaneQueue,
  standing: StandingLines,
  quietMs: number,
): Promise<LineNumbers | null> {
  const line = await readLineNumbers({ redis, keys }, lane.name);
  const jobs = await lane.getJobCountByTypes("waiting", "active", "delayed", "prioritized");
  const seen = standing.get(lane.name);
  if (line.accepted <= line.decided || jobs > 0) {
    standing.delete(lane.name);
  } else if (seen?.accepted !== line.accepted || seen.decided !== line.decided) {
    standing.set(lane.name, { ...line, sinceMs: performance.now() });
  } else if (performance.now() - seen.sinceMs >= quietMs) {
    standing.delete(lane.name);
    return line;
  }
  return null;
}

/**
 * Reads all live views, and cancels those orders of the lane that wait for nothing.
 * @param upToPlaces of each item; null for all places
 */
async function cancelLostIn(
  parts: LanesParts,
  lane: LaneQueue,
  upToPlaces: ReadonlyMap<string, number> | null,
  minAgeMs: number,
): Promise<void> {
  const { redis, keys, lanes, signal } = parts;
  const placedBeforeMs = Date.now() - minAgeMs;
  const mayBeLost = (view: Order) =>
    view.status === "queued" &&
    (upToPlaces === null || (view.place ?? 0) <= (upToPlaces.get(view.itemId) ?? 0)) &&
    view.placedAtMs <= placedBeforeMs &&
    laneQueueName(laneOf(view.itemId, lanes.length)) === lane.name;
  const inDoubt = new Map<string, Order>();
  let cancelled = 0;
  const settle = async () => {
    cancelled += await cancelLostOrders(parts, await findWithoutJob([lane], inDoubt, signal));
    inDoubt.clear();
  };
  for await (const views of viewsInBatches({ redis, keys }, signal)) {
    for (const view of views.filter(mayBeLost)) inDoubt.set(view.id, view);
    if (inDoubt.size >= maxInDoubt) await settle();
  }
  await settle();
  if (cancelled > 0) report(parts, lane, cancelled);
}

function report({ log, raiseAlarm }: LanesParts, lane: LaneQueue, cancelled: number): void {
  log.warn({ lane: lane.name, cancelled }, "orders without a purchase job were cancelled");
  raiseAlarm(`orders_without_job:${lane.name}`, `${cancelled} order(s) in ${lane.name}.`, {
    lane: lane.name,
    cancelled,
  });
}
