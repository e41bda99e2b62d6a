/**
 * The order: its states, and the legal transitions between them.
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
  confirmed: ["refunded"], // by a refund at the provider
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
export interface Order {
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
  /**
   * The item's running number the order gets when it is accepted; null before, and once it is
   * decided.
   */
  readonly place: number | null;
  /**
   * What the shopper's browser needs to carry out 3-D Secure; only in the live view, never in
   * Postgres.
   */
  readonly clientSecret: string | null;
  /** What was asked under an Idempotency-Key, to tell a repeat from a reuse; null without a key. */
  readonly fingerprint: string | null;
  /** What the shop keeps with the order; null where it sent nothing. */
  readonly metadata: Metadata | null;
}

/** Names and values of the shop's own. No card data belongs there. */
export type Metadata = Readonly<Record<string, string>>;
