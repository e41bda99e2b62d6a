/**
 * The order: its states, the legal transitions between them, and what a shopper is shown of it.
 *
 * This file is the one place in TypeScript that knows the transitions. The table
 * `legal_transitions` holds the same set for the database, which refuses every other one; a test
 * compares the two.
 */

export const orderStatuses = [
  "queued",
  "reserved",
  "confirmed",
  "refunded",
  "cancelled",
  "out_of_stock",
  "rejected",
] as const;
export type OrderStatus = (typeof orderStatuses)[number];

export const rejectReasons = ["limit_exceeded", "sale_not_open", "item_not_found"] as const;
export type RejectReason = (typeof rejectReasons)[number];

export const cancelReasons = ["payment_failed", "hold_expired", "by_shopper"] as const;
export type CancelReason = (typeof cancelReasons)[number];

export type OrderReason = RejectReason | CancelReason;

export const paymentStatuses = [
  "pending",
  "requires_action",
  "processing",
  "succeeded",
  "declined",
  "unknown",
  "refunded",
] as const;
export type PaymentStatus = (typeof paymentStatuses)[number];

/** From each state, the states an order may go to. */
export const legalTransitions: Readonly<Record<OrderStatus, readonly OrderStatus[]>> = {
  queued: ["reserved", "out_of_stock", "rejected", "cancelled"],
  reserved: ["confirmed", "cancelled"],
  confirmed: ["refunded"], // by operations, here or at the provider
  refunded: [],
  cancelled: [],
  out_of_stock: [],
  rejected: [],
};

/**
 * Whether its shopper has nothing to wait for any more: it is decided, and settled where it was
 * held.
 */
export function isFinal(status: OrderStatus): boolean {
  return status !== "queued" && status !== "reserved";
}

/**
 * What is known of one order, as both Postgres and the live view (Redis) hold it.
 * Times are milliseconds since 1970, money is in the currency's minor unit.
 */
export interface OrderRecord {
  readonly id: string;
  readonly shopperId: string;
  readonly itemId: string;
  readonly quantity: number;
  readonly amountMinor: number;
  readonly currency: string;
  readonly status: OrderStatus;
  readonly reason: OrderReason | null;
  readonly paymentStatus: PaymentStatus | null;
  readonly declineCode: string | null;
  readonly placedAtMs: number;
  readonly reservedAtMs: number | null;
  readonly settledAtMs: number | null;
  /**
   * When the hold ends; null until the provider's first answer about the payment starts its clock.
   */
  readonly holdExpiresAtMs: number | null;
  /** 0 while queued, then counted up by the database at every change: a higher one is newer. */
  readonly version: number;
  /** The lane's running number the order got when it was accepted; null once it is decided. */
  readonly place: number | null;
  /**
   * What the shopper's browser needs to carry out 3-D Secure; only in the live view, never in the
   * record.
   */
  readonly clientSecret: string | null;
  /** What was asked under an Idempotency-Key, to tell a repeat from a reuse; null without a key. */
  readonly fingerprint: string | null;
}

/** The order as `GET /orders/:id` shows it. Absent values are null, times ISO 8601 UTC. */
export interface Order {
  id: string;
  itemId: string;
  quantity: number;
  amount: number;
  currency: string;
  status: OrderStatus;
  reason: OrderReason | null;
  message: string;
  position: number | null;
  payment: { status: PaymentStatus | null; clientSecret: string | null; declineCode: string | null };
  placedAt: string;
  reservedAt: string | null;
  settledAt: string | null;
  holdExpiresAt: string | null;
}

/** What the line looked like when a queued order was read. */
export interface LineSight {
  /** The last place of the item that is decided. */
  readonly decidedPlace: number;
  /** Whether the item's lock is held for those further ahead. */
  readonly itemLocked: boolean;
}

/** The order as its shopper sees it. `line` matters only while it is queued. */
export function showOrder(record: OrderRecord, line: LineSight | null): Order {
  const queued = record.status === "queued";
  return {
    id: record.id,
    itemId: record.itemId,
    quantity: record.quantity,
    amount: record.amountMinor,
    currency: record.currency,
    status: record.status,
    reason: record.reason,
    message: messageFor(record, line?.itemLocked ?? false),
    // The count can lag a moment behind the worker; whoever is still queued is at least next.
    position: queued && line && record.place !== null ? Math.max(1, record.place - line.decidedPlace) : null,
    payment: { status: record.paymentStatus, clientSecret: record.clientSecret, declineCode: record.declineCode },
    placedAt: toIso(record.placedAtMs),
    reservedAt: record.reservedAtMs === null ? null : toIso(record.reservedAtMs),
    settledAt: record.settledAtMs === null ? null : toIso(record.settledAtMs),
    holdExpiresAt: record.holdExpiresAtMs === null ? null : toIso(record.holdExpiresAtMs),
  };
}

function toIso(ms: number): string {
  return new Date(ms).toISOString();
}

const reasonMessages: Readonly<Record<OrderReason, string>> = {
  limit_exceeded: "Limit per shopper exceeded",
  sale_not_open: "The sale is not open",
  item_not_found: "Item not found",
  payment_failed: "Payment failed",
  hold_expired: "Not paid in time",
  by_shopper: "Cancelled",
};

/** What happens with the money while the units are held. */
const heldMessages: Readonly<Record<PaymentStatus, string>> = {
  pending: "payment under way",
  requires_action: "confirm the payment with your bank",
  processing: "your bank is processing the payment",
  succeeded: "payment received",
  declined: "the card was declined, try another one",
  unknown: "checking the payment",
  refunded: "payment refunded",
};

const lostMessage = "Lost in line, nothing was charged: please buy again";

function messageFor(record: OrderRecord, itemLocked: boolean): string {
  switch (record.status) {
    case "queued":
      return itemLocked ? "Currently being purchased" : "Waiting in line";
    case "reserved":
      return `Reserved, ${heldMessages[record.paymentStatus ?? "pending"]}`;
    case "confirmed":
      return "Success";
    case "refunded":
      return "Refunded";
    case "out_of_stock":
      return "Out of stock";
    case "cancelled":
    case "rejected": {
      // Nobody's hold can expire who never had one: its purchase job was lost
      // (worker/src/recovery/cancel-lost-orders.ts).
      if (record.reason === "hold_expired" && record.reservedAtMs === null) return lostMessage;
      const why = record.reason === null ? "Cancelled" : reasonMessages[record.reason];
      return record.paymentStatus === "refunded" ? `${why}: the payment came too late and was refunded` : why;
    }
  }
}
