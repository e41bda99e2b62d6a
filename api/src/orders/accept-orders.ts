import { randomUUID } from "node:crypto";
import { laneOf } from "@holdfast/shared/lanes.ts";
import { closeLines, readLineNumbers, returnPlaces } from "@holdfast/shared/line.ts";
import type { Order } from "@holdfast/shared/order.ts";
import { maxOrdersPerJob, type PurchaseRequest, packPurchaseJob, queuedOrder } from "@holdfast/shared/purchase-job.ts";
import type { LaneQueue } from "@holdfast/shared/queues.ts";
import { shortenId } from "@holdfast/shared/short-id.ts";
import { coalesce, TooManyWaiting } from "../coalesce.ts";
import type { Metrics } from "../http/metrics.ts";
import { Problem, slowDown, unavailable } from "../http/problems.ts";
import { type AcceptanceMarks, ReplicasUnknown } from "./acceptance-marks.ts";
import { type Claimed, type ClaimParts, claimOrders } from "./claim-orders.ts";

export interface AcceptParts extends ClaimParts {
  readonly lanes: readonly LaneQueue[];
  readonly marks: AcceptanceMarks;
  readonly metrics: Pick<Metrics, "accepted">;
}

/**
 * Puts an order in line; resolves when Redis has it, with the order as it stands.
 * @param address of the client, for the limit per address
 */
export type AcceptOrder = (itemId: string, request: PurchaseRequest, address: string) => Promise<Order>;

interface Call {
  readonly request: PurchaseRequest;
  readonly address: string;
}

/**
 * How many orders for one item may wait in this process for the enqueue under way. A healthy Redis
 * takes a batch in milliseconds; so many only gather where it hardly answers, and then they are
 * better told.
 */
const maxWaiting = 20_000;

/**
 * Orders for one item that arrive while an enqueue for it is in flight leave together in one
 * purchase job.
 */
export function orderAcceptor(parts: AcceptParts): AcceptOrder {
  const accept = coalesce<Call, Order | Problem>(
    { maxBatch: maxOrdersPerJob, maxWaiting, maxUnderWay: parts.redis.isCluster ? 1 : 2 },
    (itemId, calls) => acceptBatch(parts, itemId, calls),
  );
  return async (itemId, request, address) => {
    const accepted = await accept(itemId, { request, address }).catch((error: unknown) => {
      if (error instanceof EnqueueUncertain && error.orderIds.has(request.orderId)) throw maybeInLine(request.orderId);
      if (error instanceof EnqueueUncertain && error.cause instanceof ReplicasUnknown) throw unavailable();
      throw error instanceof TooManyWaiting ? busy() : error;
    });
    if (accepted instanceof Problem) throw accepted;
    return accepted;
  };
}

/**
 * Accepts a batch in two steps, each of which Redis has on disk before the next: places in the line
 * with the live views, then the purchase job. Whatever stops in between leaves at most a view of an
 * order that was never promised; the shopper's repeat finds it still queued and puts it in line
 * again, and an order that is in line twice is decided once. A view is never taken back: by then a
 * repeat at another server may have found it, and have its 202.
 */
async function acceptBatch(
  parts: AcceptParts,
  itemId: string,
  calls: readonly Call[],
): Promise<readonly (Order | Problem)[]> {
  const { redis, keys, lanes, marks, metrics } = parts;
  const lane = lanes[laneOf(itemId, lanes.length)] as LaneQueue;
  const candidates = calls.map(({ request, address }) => ({ order: queuedOrder(itemId, request), address }));
  const claimed = await claim(parts, lane, itemId, candidates);
  const outcomes = calls.map(({ request }, i) => {
    const one = claimed[i] as Claimed; // one for each call
    return { request, isNew: one.kind === "new", answer: answerTo(one, request.fingerprint) };
  });
  const answers = outcomes.map(({ answer }) => answer);
  const toEnqueue = new Map<string, PurchaseRequest>(); // by order id: repeats that came together are one
  let lastPlace = 0;
  for (const { request, answer } of outcomes) {
    if (answer instanceof Problem || answer.status !== "queued") continue;
    toEnqueue.set(answer.id, requestOf(answer, request));
    lastPlace = Math.max(lastPlace, answer.place ?? 0);
  }
  if (toEnqueue.size === 0) return answers;
  const uncertain = (error: unknown) => new EnqueueUncertain(new Set(toEnqueue.keys()), error);
  try {
    const job = packPurchaseJob({ itemId, lastPlace, requests: [...toEnqueue.values()] });
    await lane.add("purchase", job, { jobId: newJobId() });
  } catch (error) {
    // After a timeout or a broken connection the orders may be in line all the same.
    if (!isRefusal(error)) throw uncertain(error);
    const places = outcomes.filter(({ isNew }) => isNew).length;
    await returnPlaces({ redis, keys }, lane.name, itemId, places).catch(() => {});
    throw error;
  }
  await marks.note(lane.name).catch((error: unknown) => {
    throw uncertain(error); // in line here, and perhaps not where a failover leads to
  });
  metrics.accepted(toEnqueue.size);
  return answers;
}

/**
 * BullMQ's own ids are counted by Redis, and counted again by one that lost the last of them in a
 * failover: a worker that removes the job it has decided would then remove another's.
 */
function newJobId(): string {
  return `job-${shortenId(randomUUID())}`;
}

function answerTo(claimed: Claimed, fingerprint: string | null): Order | Problem {
  switch (claimed.kind) {
    case "new":
      return claimed.order;
    case "known":
      return claimed.order.fingerprint === fingerprint ? claimed.order : keyReused();
    case "limited":
      return slowDown(claimed.remainingMs, "purchases");
    case "line_full":
      return busy();
  }
}

/**
 * An enqueue was not answered, or not by as many replicas as it takes: these orders may be in line,
 * those that waited behind them are not.
 */
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

/** Whether Redis itself refused a command, rather than that it was not answered. */
function isRefusal(error: unknown): boolean {
  return error instanceof Error && error.name === "ReplyError";
}

/** Claims, and once more what found the line full, where it only looks so. */
async function claim(
  parts: AcceptParts,
  lane: LaneQueue,
  itemId: string,
  candidates: Parameters<typeof claimOrders>[3],
): Promise<Claimed[]> {
  const claimed = await claimOrders(parts, lane.name, itemId, candidates);
  const refused = candidates.filter((_, i) => claimed[i]?.kind === "line_full");
  if (refused.length === 0) return claimed;
  // Places may be taken by servers that died before they used them. An empty queue shows it: nobody
  // waits in this line.
  const { accepted } = await readLineNumbers(parts, lane.name);
  const waiting = await lane.getJobCountByTypes("waiting", "active", "delayed", "prioritized");
  if (waiting > 0) return claimed;
  await closeLines(parts, lane.name, accepted);
  const uncounted = { ...parts, limits: { ...parts.limits, perAddress: 0, perShopper: 0 } };
  const again = await claimOrders(uncounted, lane.name, itemId, refused);
  return claimed.map((one) => (one.kind === "line_full" ? (again.shift() as Claimed) : one));
}

export function keyReused(): Problem {
  return new Problem(
    "idempotency_key_reused",
    "The same Idempotency-Key came with another item, quantity, card or metadata.",
  );
}

function busy(): Problem {
  return new Problem("busy", "The line is full at the moment. Try again shortly.", { retryAfterSeconds: 5 });
}

/**
 * What goes in line for an order: its terms as they were when it was placed, all from its view,
 * since price and currency of the item may have changed before a repeat. The view does not hold the
 * card: a repeat comes with the same one, as its fingerprint says, or with a newer token for it.
 */
function requestOf(order: Order, { card, trace }: PurchaseRequest): PurchaseRequest {
  const { id, shopperId, quantity, amountMinor, currency, placedAtMs, fingerprint, metadata } = order;
  return {
    orderId: id,
    shopperId,
    quantity,
    amountMinor,
    currency,
    card,
    placedAtMs,
    fingerprint,
    metadata,
    ...(trace && { trace }),
  };
}
