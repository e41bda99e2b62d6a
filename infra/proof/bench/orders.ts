import { randomUUID } from "node:crypto";
import type { OrderRecord } from "@holdfast/shared/order.ts";

/** An order in line, as the API answers it. */
export function queuedOrder(
  itemId: string,
  id: string = randomUUID(),
  shopperId = `guest-${randomUUID()}`,
): OrderRecord {
  return {
    id,
    shopperId,
    itemId,
    quantity: 1,
    amountMinor: 1_999,
    currency: "eur",
    status: "queued",
    reason: null,
    paymentStatus: null,
    declineCode: null,
    placedAtMs: Date.now(),
    reservedAtMs: null,
    settledAtMs: null,
    holdExpiresAtMs: null,
    version: 0,
    place: 1,
    clientSecret: null,
    fingerprint: null,
  };
}
