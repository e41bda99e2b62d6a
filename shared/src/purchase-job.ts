import { Type } from "typebox";
import { Compile } from "typebox/compile";
import { requireFormat } from "./later-format.ts";
import type { Metadata, Order } from "./order.ts";
import { restoreId, shortenId } from "./short-id.ts";

/** One shopper's purchase, as it waits in line. */
export interface PurchaseRequest {
  readonly orderId: string;
  readonly shopperId: string;
  readonly quantity: number;
  /** What the shopper was shown and pays, in the currency's minor unit, for the whole quantity. */
  readonly amountMinor: number;
  readonly currency: string;
  /** The provider's name for a card: a payment method, pm_…, or a confirmation token, ctoken_…. */
  readonly card: string;
  readonly placedAtMs: number;
  readonly fingerprint: string | null;
  readonly metadata: Metadata | null;
  /** The traceparent of the request that brought it, where there is tracing. */
  readonly trace?: string | null;
}

/** The orders for ONE item that reached one API server together, in their order of arrival. */
export interface PurchaseJob {
  readonly itemId: string;
  /** The item's place of the last of these orders: what is decided once this job is done. */
  readonly lastPlace: number;
  readonly requests: readonly PurchaseRequest[];
}

/** The order as it is when it is accepted. Its place is given out with its live view. */
export function queuedOrder(itemId: string, request: PurchaseRequest): Order {
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
    place: null,
    clientSecret: null,
    fingerprint: request.fingerprint,
    metadata: request.metadata,
  };
}

/**
 * At most so many orders in one purchase job: by then the transaction's cost per order has stopped
 * falling, and a batch is decided in tens of milliseconds, far inside the item lock's 5 s.
 */
export const maxOrdersPerJob = 500;

// Rows instead of objects, and what most shoppers have in common written once: a million orders
// wait in Redis like this.
const packedTerms = Type.Tuple([
  Type.Integer({ minimum: 1 }), // quantity
  Type.Integer({ minimum: 1 }), // amountMinor
  Type.String(), // currency
  Type.String(), // card
]);
const packedRequest = Type.Union([
  // orderId (short), shopperId, index of its terms, milliseconds since the job's first
  Type.Tuple([Type.String(), Type.String(), Type.Integer({ minimum: 0 }), Type.Integer()]),
  // with its fingerprint
  Type.Tuple([Type.String(), Type.String(), Type.Integer({ minimum: 0 }), Type.Integer(), Type.String()]),
  // with its metadata, and a fingerprint or none
  Type.Tuple([
    Type.String(),
    Type.String(),
    Type.Integer({ minimum: 0 }),
    Type.Integer(),
    Type.Union([Type.String(), Type.Null()]),
    Type.Record(Type.String(), Type.String()),
  ]),
]);
// The format that this release writes and reads. While a new one is rolled out, its workers read both
// formats, and those of the release before leave what they do not know in line.
const jobFormat = 1;
const packedJob = Type.Object({
  format: Type.Optional(Type.Literal(jobFormat)), // not written as long as it is the first
  item: Type.String(),
  last: Type.Integer({ minimum: 1 }),
  since: Type.Integer(),
  terms: Type.Array(packedTerms, { minItems: 1, maxItems: maxOrdersPerJob }),
  orders: Type.Array(packedRequest, { minItems: 1, maxItems: maxOrdersPerJob }),
  // Of each order, where there is tracing.
  traces: Type.Optional(Type.Array(Type.Union([Type.String(), Type.Null()]))),
});
const checkPackedJob = Compile(packedJob);

/** The job as the queue stores it. */
export type PackedPurchaseJob = Type.Static<typeof packedJob>;

export function packPurchaseJob({ itemId, lastPlace, requests }: PurchaseJob): PackedPurchaseJob {
  const since = requests[0]?.placedAtMs ?? 0;
  const terms: PackedPurchaseJob["terms"] = [];
  const indexOfTerms = new Map<string, number>();
  const orders = requests.map((r): PackedPurchaseJob["orders"][number] => {
    const key = `${r.quantity} ${r.amountMinor} ${r.currency} ${r.card}`;
    let index = indexOfTerms.get(key);
    if (index === undefined) {
      index = terms.push([r.quantity, r.amountMinor, r.currency, r.card]) - 1;
      indexOfTerms.set(key, index);
    }
    const order = [shortenId(r.orderId), r.shopperId, index, r.placedAtMs - since] as const;
    if (r.metadata !== null) return [...order, r.fingerprint, { ...r.metadata }];
    return r.fingerprint === null ? [...order] : [...order, r.fingerprint];
  });
  const traced = requests.some(({ trace }) => trace);
  const traces = traced ? { traces: requests.map(({ trace }) => trace ?? null) } : {};
  return { item: itemId, last: lastPlace, since, terms, orders, ...traces };
}

/**
 * @throws LaterFormat where only a later release can read it, a TypeError where the data is not a
 *   purchase job: a bug, or a hand in the queue
 */
export function unpackPurchaseJob(data: unknown): PurchaseJob {
  requireFormat(data, jobFormat);
  if (!checkPackedJob.Check(data)) throw new TypeError("Not a purchase job");
  return {
    itemId: data.item,
    lastPlace: data.last,
    requests: data.orders.map(([shortId, shopperId, index, sinceMs, fingerprint, metadata], i) => {
      const terms = data.terms[index];
      if (!terms) throw new TypeError("Not a purchase job");
      const [quantity, amountMinor, currency, card] = terms;
      return {
        orderId: restoreId(shortId),
        shopperId,
        quantity,
        amountMinor,
        currency,
        card,
        placedAtMs: data.since + sinceMs,
        fingerprint: fingerprint ?? null,
        metadata: metadata ?? null,
        ...(data.traces?.[i] && { trace: data.traces[i] }),
      };
    }),
  };
}
