import type { Order, OrderReason, OrderStatus, PaymentStatus } from "@holdfast/shared/order.ts";
import type { LineStatus } from "./line-status.ts";

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
  payment: { status: PaymentStatus | null; clientSecret: string | null; declineCode: string | null };
  placedAt: string;
  reservedAt: string | null;
  settledAt: string | null;
  holdExpiresAt: string | null;
}

/** The order as its shopper sees it. `line` matters only while it is queued. */
export function showOrder(order: Order, line: LineStatus | null): OrderBody {
  const queued = order.status === "queued";
  return {
    id: order.id,
    itemId: order.itemId,
    quantity: order.quantity,
    amount: order.amountMinor,
    currency: order.currency,
    status: order.status,
    reason: order.reason,
    message: messageFor(order, line?.itemLocked ?? false),
    // The count can lag a moment behind the worker; whoever is still queued is at least next.
    position: queued && line && order.place !== null ? Math.max(1, order.place - line.decidedPlace) : null,
    payment: { status: order.paymentStatus, clientSecret: order.clientSecret, declineCode: order.declineCode },
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

const lostMessage = "Lost in line, nothing was charged: please buy again";

function messageFor(order: Order, itemLocked: boolean): string {
  switch (order.status) {
    case "queued":
      return itemLocked ? "Currently being purchased" : "Waiting in line";
    case "reserved":
      return `Reserved, ${heldMessages[order.paymentStatus ?? "pending"]}`;
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
