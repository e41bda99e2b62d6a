import { laneOf } from "@holdfast/shared/lanes.ts";
import { clearLine, returnPlaces, takePlaces } from "@holdfast/shared/line.ts";
import type { OrderRecord } from "@holdfast/shared/order.ts";
import { claimViews } from "@holdfast/shared/order-view.ts";
import { maxOrdersPerJob, type PurchaseRequest, packPurchaseJob } from "@holdfast/shared/purchase-job.ts";
import type { LaneQueue } from "@holdfast/shared/queues.ts";
import type { RedisClient, RedisKeys } from "@holdfast/shared/redis.ts";
import type { AcceptanceMarks } from "./acceptance-marks.ts";
import { coalesce, TooManyWaiting } from "./coalesce.ts";
import { Problem, unavailable } from "./problems.ts";

export interface AcceptParts {
  readonly redis: RedisClient;
  readonly keys: RedisKeys;
  readonly lanes: readonly LaneQueue[];
  readonly marks: AcceptanceMarks;
  readonly maxLine: number;
}

/** Puts an order in line; resolves when Redis has it, with the order as it stands. */
export type AcceptOrder = (itemId: string, request: PurchaseRequest) => Promise<OrderRecord>;

/**
 * How many orders for one item may wait in this process for the enqueue under way. A healthy Redis takes a batch in milliseconds; so many
 * only gather where it hardly answers, and then they are better told.
 */
const maxWaiting = 20_000;

/** Orders for one item that arrive while an enqueue for it is in flight leave together in one purchase job. */
export function orderAcceptor(parts: AcceptParts): AcceptOrder {
  const accept = coalesce<PurchaseRequest, OrderRecord | Problem>(
    { maxBatch: maxOrdersPerJob, maxWaiting, maxUnderWay: parts.redis.isCluster ? 1 : 2 },
    (itemId, requests) => acceptBatch(parts, itemId, requests),
  );
  return async (itemId, request) => {
    const accepted = await accept(itemId, request).catch((error: unknown) => {
      if (error instanceof EnqueueUncertain && error.orderIds.has(request.orderId)) throw maybeInLine(request.orderId);
      throw error instanceof TooManyWaiting ? busy() : error;
    });
    if (accepted instanceof Problem) throw accepted;
    return accepted;
  };
}

/**
 * Accepts a batch in three steps, each of which Redis has on disk before the next: places in the line, the live views, the
 * purchase job. Whatever stops in between leaves at most a view of an order that was never promised; the shopper's repeat
 * finds it still queued and puts it in line again, and an order that is in line twice is decided once. A view is never taken back:
 * by then a repeat at another server may have found it, and have its 202.
 */
async function acceptBatch(
  { redis, keys, lanes, marks, maxLine }: AcceptParts,
  itemId: string,
  requests: readonly PurchaseRequest[],
): Promise<readonly (OrderRecord | Problem)[]> {
  const lane = lanes[laneOf(itemId, lanes.length)] as LaneQueue;
  const lastPlace = await placesFor(redis, keys, lane, requests.length, maxLine);
  if (lastPlace === null) return requests.map(() => busy());

  const queued = requests.map((request, i) => queuedOrder(itemId, request, lastPlace - requests.length + 1 + i));
  const known = await claimViews(redis, keys, queued);
  const answers = queued.map((order, i) => reuseProblem(order, known[i] ?? null) ?? known[i] ?? order);

  const inLine = new Map<string, PurchaseRequest>(); // by order id: repeats that came together are one
  answers.forEach((answer, i) => {
    const request = requests[i];
    if (request && !(answer instanceof Problem) && answer.status === "queued") {
      inLine.set(answer.id, requestOf(answer, request.paymentMethod));
    }
  });
  if (inLine.size === 0) {
    await returnPlaces(redis, keys, lane.name, requests.length);
    return answers;
  }
  try {
    await lane.add("purchase", packPurchaseJob({ itemId, lastPlace, requests: [...inLine.values()] }));
    marks.note(lane.name);
  } catch (error) {
    // After a timeout or a broken connection the orders may be in line all the same.
    if (!isRefusal(error)) throw new EnqueueUncertain(new Set(inLine.keys()), error);
    await returnPlaces(redis, keys, lane.name, requests.length).catch(() => {});
    throw error;
  }
  return answers;
}

/** Nothing was heard of an enqueue: these orders may be in line, those that waited behind them are not. */
class EnqueueUncertain extends Error {
  readonly orderIds: ReadonlySet<string>;
  constructor(orderIds: ReadonlySet<string>, cause: unknown) {
    super("An enqueue was not answered", { cause });
    this.name = "EnqueueUncertain";
    this.orderIds = orderIds;
  }
}

function maybeInLine(orderId: string): Problem {
  const { retryAfterSeconds } = unavailable();
  return new Problem(
    "unavailable",
    "The order may be in line all the same: look at its Location in a moment before buying again, or repeat it under the same Idempotency-Key.",
    { retryAfterSeconds: retryAfterSeconds ?? 2, location: `/orders/${orderId}` },
  );
}

/** Whether Redis itself refused a command, rather than that nothing was heard of it. */
function isRefusal(error: unknown): boolean {
  return error instanceof Error && error.name === "ReplyError";
}

/** Places for so many orders, or null where the line is full. */
async function placesFor(
  redis: RedisClient,
  keys: RedisKeys,
  lane: LaneQueue,
  count: number,
  maxLine: number,
): Promise<number | null> {
  const lastPlace = await takePlaces(redis, keys, lane.name, count, maxLine);
  if (lastPlace !== null) return lastPlace;
  // Places may be taken by servers that died before they used them. An empty queue shows it: nobody waits in this line.
  const waiting = await lane.getJobCountByTypes("waiting", "active", "delayed", "prioritized");
  if (waiting > 0) return null;
  await clearLine(redis, keys, lane.name);
  return takePlaces(redis, keys, lane.name, count, maxLine);
}

function reuseProblem(order: OrderRecord, known: OrderRecord | null): Problem | null {
  if (known === null || known.fingerprint === order.fingerprint) return null;
  return keyReused();
}

export function keyReused(): Problem {
  return new Problem("idempotency_key_reused", "The same Idempotency-Key came with another item, quantity or card.");
}

function busy(): Problem {
  return new Problem("busy", "The line is full at the moment. Try again shortly.", { retryAfterSeconds: 5 });
}

/**
 * What goes in line for an order: its terms as they were when it was placed, all from its view, since price and currency of the item may
 * have changed before a repeat. The view does not hold the payment method; that a repeat has the same one, its fingerprint says.
 */
function requestOf(order: OrderRecord, paymentMethod: string): PurchaseRequest {
  const { id, shopperId, quantity, amountMinor, currency, placedAtMs, fingerprint } = order;
  return { orderId: id, shopperId, quantity, amountMinor, currency, paymentMethod, placedAtMs, fingerprint };
}

function queuedOrder(itemId: string, request: PurchaseRequest, place: number): OrderRecord {
  return {
    id: request.orderId,
    shopperId: request.shopperId,
    itemId,
    quantity: request.quantity,
    amountMinor: request.amountMinor,
    currency: request.currency,
    status: "queued",
    reason: null,
    paymentStatus: null,
    declineCode: null,
    placedAtMs: request.placedAtMs,
    reservedAtMs: null,
    settledAtMs: null,
    holdExpiresAtMs: null,
    version: 0,
    place,
    clientSecret: null,
    fingerprint: request.fingerprint,
  };
}
