import { itemFromRow, orderFromRow } from "@holdfast/shared/rows.ts";
import { showItem } from "@holdfast/shared/show-item.ts";
import { showOrder } from "@holdfast/shared/show-order.ts";

/** An event as its row has it. */
export interface ShopEvent {
  readonly id: string;
  readonly type: string;
  /** The row of the order or item at that moment, as JSON. */
  readonly payload: Readonly<Record<string, unknown>>;
  readonly createdAt: Date;
}

/** The same at every try, by which the shop knows an event that it has had already. */
export function messageId({ id }: Pick<ShopEvent, "id">): string {
  return `msg_${id}`;
}

/**
 * The body of an event: `{type, timestamp, data}`, data the order with its `shopperId` or the item,
 * each as it was then. The same at every try.
 */
export function showEvent({ type, payload, createdAt }: ShopEvent): string {
  const data = type.startsWith("order.") ? orderData(payload) : itemData(payload, createdAt);
  return JSON.stringify({ type, timestamp: createdAt.toISOString(), data });
}

function orderData(payload: ShopEvent["payload"]) {
  const row = withTimes(payload, ["placed_at", "reserved_at", "settled_at", "hold_expires_at"]);
  const order = orderFromRow({ ...row, fingerprint: null } as Parameters<typeof orderFromRow>[0]);
  const { payment, ...shown } = showOrder(order, null);
  // What carries a payment out is its shopper's alone.
  const { clientSecret: _, ...shownPayment } = payment;
  return { ...shown, shopperId: order.shopperId, payment: shownPayment };
}

function itemData(payload: ShopEvent["payload"], at: Date) {
  const row = withTimes(payload, ["opens_at", "closes_at", "paused_at"]);
  return showItem(itemFromRow(row as Parameters<typeof itemFromRow>[0]), at.getTime());
}

/** JSON has times as text. */
function withTimes(payload: ShopEvent["payload"], names: readonly string[]): Record<string, unknown> {
  const times = names.map((name) => {
    const text = payload[name];
    return [name, typeof text === "string" ? new Date(text) : null] as const;
  });
  return { ...payload, ...Object.fromEntries(times) };
}
