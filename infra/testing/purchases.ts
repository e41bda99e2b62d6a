import { randomUUID } from "node:crypto";
import type { OrderRecord } from "@holdfast/shared/order.ts";
import type { PurchaseJob, PurchaseRequest } from "@holdfast/shared/purchase-job.ts";

/** A purchase as an API server would put it in line; a test names only what it is about. */
export function purchaseRequest(more: Partial<PurchaseRequest> = {}): PurchaseRequest {
  const quantity = more.quantity ?? 1;
  return {
    orderId: randomUUID(),
    shopperId: `shopper-${randomUUID()}`,
    quantity,
    amountMinor: 1_999 * quantity,
    currency: "eur",
    paymentMethod: "pm_card_visa",
    placedAtMs: Date.now(),
    fingerprint: null,
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
export function queuedOrder(more: Partial<PurchaseRequest> & { itemId?: string } = {}): OrderRecord {
  const { orderId: id, shopperId, quantity, amountMinor, currency, placedAtMs, fingerprint } = purchaseRequest(more);
  return {
    id,
    shopperId,
    itemId: more.itemId ?? "item_1",
    quantity,
    amountMinor,
    currency,
    status: "queued",
    reason: null,
    paymentStatus: null,
    declineCode: null,
    placedAtMs,
    reservedAtMs: null,
    settledAtMs: null,
    holdExpiresAtMs: null,
    version: 0,
    place: 1,
    fingerprint,
    clientSecret: null,
  };
}
