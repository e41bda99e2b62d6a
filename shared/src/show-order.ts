import type { Metadata, Order, OrderReason, OrderStatus, PaymentStatus } from "./order.ts";

/** The order as `GET /orders/:id` shows it. Absent values are null, times ISO 8601 UTC. */
export interface OrderBody {
  id: string;
  itemId: string;
  quantity: number;
  amount: number;
  currency: string;
  status: OrderStatus;
  reason: OrderReason | null;
  message: string;
  position: number | null;
  estimatedSeconds: number | null;
  payment: { status: PaymentStatus | null; clientSecret: string | null; declineCode: string | null };
  metadata: Metadata | null;
  placedAt: string;
  reservedAt: string | null;
  settledAt: string | null;
  holdExpiresAt: string | null;
}

/** What an order waits behind. */
export interface Standing {
  /** Its place among the queued orders of its item: 1 is next. Null where it has none. */
  readonly position: number | null;
  /** Until it is decided, or until its payment is tried; null where that is not known. */
  readonly estimatedSeconds: number | null;
  /** Whether the item's lock is held for those further ahead. */
  readonly itemLocked: boolean;
}

/** @param standing null where it waits for nobody, or nobody has looked */
export function showOrder(order: Order, standing: Standing | null): OrderBody {
  return {
    id: order.id,
    itemId: order.itemId,
    quantity: order.quantity,
    amount: order.amountMinor,
    currency: order.currency,
    status: order.status,
    reason: order.reason,
    message: messageFor(order, standing?.itemLocked ?? false),
    position: standing?.position ?? null,
    estimatedSeconds: standing?.estimatedSeconds ?? null,
    payment: { status: order.paymentStatus, clientSecret: order.clientSecret, declineCode: order.declineCode },
    metadata: order.metadata,
    placedAt: toIso(order.placedAtMs),
    reservedAt: order.reservedAtMs === null ? null : toIso(order.reservedAtMs),
    settledAt: order.settledAtMs === null ? null : toIso(order.settledAtMs),
    holdExpiresAt: order.holdExpiresAtMs === null ? null : toIso(order.holdExpiresAtMs),
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

/**
 * The decline code of a card that could not be tried, such as a confirmation token that grew stale
 * in line.
 */
export const untriedCode = "stale_token";
const untriedMessage = "please give the card again, it was not charged";

const lostMessage = "Lost in line, nothing was charged: please buy again";

function messageFor(order: Order, itemLocked: boolean): string {
  switch (order.status) {
    case "queued":
      return itemLocked ? "Currently being purchased" : "Waiting in line";
    case "reserved":
      return `Reserved, ${order.declineCode === untriedCode ? untriedMessage : heldMessages[order.paymentStatus ?? "pending"]}`;
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
      if (order.reason === "hold_expired" && order.reservedAtMs === null) return lostMessage;
      const why = order.reason === null ? "Cancelled" : reasonMessages[order.reason];
      return order.paymentStatus === "refunded" ? `${why}: the payment came too late and was refunded` : why;
    }
  }
}
