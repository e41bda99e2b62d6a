import { randomUUID } from "node:crypto";
import type { Order } from "@holdfast/shared/order.ts";
import { type PurchaseJob, type PurchaseRequest, queuedOrder } from "@holdfast/shared/purchase-job.ts";

/** A purchase as an API server would put it in line; a test names only what it is about. */
export function purchaseRequest(more: Partial<PurchaseRequest> = {}): PurchaseRequest {
  const quantity = more.quantity ?? 1;
  return {
    orderId: randomUUID(),
    shopperId: `shopper-${randomUUID()}`,
    quantity,
    amountMinor: 1_999 * quantity,
    currency: "eur",
    card: "pm_card_visa",
    placedAtMs: Date.now(),
    fingerprint: null,
    metadata: null,
    ...more,
  };
}

export function purchaseJob(
  itemId: string,
  requests: readonly PurchaseRequest[],
  lastPlace = requests.length,
): PurchaseJob {
  return { itemId, lastPlace, requests };
}

/** An order in line, as an API server would have its live view. */
export function orderInLine(more: Partial<PurchaseRequest> & { itemId?: string } = {}): Order {
  const { itemId = "item_1", ...request } = more;
  return { ...queuedOrder(itemId, purchaseRequest(request)), place: 1 };
}
