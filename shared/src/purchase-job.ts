import { Type } from "typebox";
import { Compile } from "typebox/compile";

/** One shopper's purchase, as it waits in line. */
export interface PurchaseRequest {
  readonly orderId: string;
  readonly shopperId: string;
  readonly quantity: number;
  /** What the shopper was shown and pays, in the currency's minor unit, for the whole quantity. */
  readonly amountMinor: number;
  readonly currency: string;
  readonly paymentMethod: string;
  readonly placedAtMs: number;
  readonly fingerprint: string | null;
}

/** The orders for ONE item that reached one API server together, in their order of arrival. */
export interface PurchaseJob {
  readonly itemId: string;
  /** The lane's running number of the last of these orders: what is decided once this job is done. */
  readonly lastPlace: number;
  readonly requests: readonly PurchaseRequest[];
}

/**
 * At most so many orders in one purchase job: by then the transaction's cost per order has stopped falling, and a batch is
 * decided in tens of milliseconds, far inside the item lock's 5 s.
 */
export const maxOrdersPerJob = 500;

// Rows instead of objects: the field names would be half of what a queued order costs in Redis.
const packedRequest = Type.Tuple([
  Type.String(), // orderId
  Type.String(), // shopperId
  Type.Integer({ minimum: 1 }), // quantity
  Type.Integer({ minimum: 1 }), // amountMinor
  Type.String(), // currency
  Type.String(), // paymentMethod
  Type.Integer(), // placedAtMs
  Type.Union([Type.String(), Type.Null()]), // fingerprint
]);
const packedJob = Type.Object({
  item: Type.String(),
  last: Type.Integer({ minimum: 1 }),
  orders: Type.Array(packedRequest, { minItems: 1, maxItems: maxOrdersPerJob }),
});
const checkPackedJob = Compile(packedJob);

/** The job as the queue stores it. */
export type PackedPurchaseJob = Type.Static<typeof packedJob>;

export function packPurchaseJob(job: PurchaseJob): PackedPurchaseJob {
  return {
    item: job.itemId,
    last: job.lastPlace,
    orders: job.requests.map((r) => [
      r.orderId,
      r.shopperId,
      r.quantity,
      r.amountMinor,
      r.currency,
      r.paymentMethod,
      r.placedAtMs,
      r.fingerprint,
    ]),
  };
}

/** Throws a TypeError where the data is not a purchase job: a bug, or a hand in the queue. */
export function unpackPurchaseJob(data: unknown): PurchaseJob {
  if (!checkPackedJob.Check(data)) throw new TypeError("Not a purchase job");
  return {
    itemId: data.item,
    lastPlace: data.last,
    requests: data.orders.map(
      ([orderId, shopperId, quantity, amountMinor, currency, paymentMethod, placedAtMs, fingerprint]) => ({
        orderId,
        shopperId,
        quantity,
        amountMinor,
        currency,
        paymentMethod,
        placedAtMs,
        fingerprint,
      }),
    ),
  };
}
