import { laneOf, laneQueueName } from "@holdfast/shared/lanes.ts";
import { enqueueMs, reportPassedOver } from "@holdfast/shared/line.ts";
import type { Order } from "@holdfast/shared/order.ts";
import type { LineStatus } from "./line-status.ts";
import type { OrderReaderParts } from "./order-reader.ts";

/** Reports a queued order that its lane has passed, so that a worker looks for its purchase job. */
export type NotePassedOver = (order: Order, line: LineStatus) => void;

const reportEveryMs = 5_000; // per lane and server: the polls of a crowd are one report

/**
 * A shopper who asks is the first to see that an order's purchase job is gone while others of its
 * lane go on. The answer does not wait for the report, and a report that fails is made again.
 */
export function passedOverReporter({ redis, keys, laneCount }: OrderReaderParts): NotePassedOver {
  const reportedAtMs = new Map<number, number>(); // by lane
  return (order, { decidedPlace }) => {
    const young = Date.now() - order.placedAtMs < enqueueMs;
    if (order.status !== "queued" || order.place === null || order.place > decidedPlace || young) return;
    const lane = laneOf(order.itemId, laneCount);
    const nowMs = performance.now();
    if (nowMs - (reportedAtMs.get(lane) ?? Number.NEGATIVE_INFINITY) < reportEveryMs) return;
    reportedAtMs.set(lane, nowMs);
    reportPassedOver({ redis, keys }, laneQueueName(lane)).catch(() => {});
  };
}
