import { unpackPurchaseJob } from "@holdfast/shared/purchase-job.ts";

/** Jobs in words, for the queue dashboard. */

/** A queue's name in words: `{lane-0}` is Lane 0. */
export function queueTitle(name: string): string {
  const lane = /^\{lane-(\d+)\}$/.exec(name);
  if (lane) return `Lane ${lane[1]}`;
  return name === "{charge}" ? "Payments" : "The payment provider's events";
}

/**
 * A job's title: of a purchase job its item, how many orders and their places in its line; of the
 * others what they are about.
 */
export function jobTitle({ name = "", data }: { readonly name?: string; readonly data?: unknown }): string {
  const job = readable(data);
  if (isPurchase(job)) {
    const { item, orders, lastPlace } = job;
    const count = orders.length;
    const places = count === 1 ? `place ${lastPlace}` : `places ${Math.max(1, lastPlace - count + 1)}–${lastPlace}`;
    return `${item} · ${count === 1 ? "1 order" : `${count} orders`} · ${places}`;
  }
  const { orderId, type } = (job ?? {}) as { orderId?: unknown; type?: unknown };
  if (typeof type === "string") return type;
  return typeof orderId === "string" ? `${name} · order ${orderId}` : name;
}

interface ReadablePurchase {
  readonly item: string;
  readonly lastPlace: number;
  readonly orders: readonly object[];
}

const isPurchase = (job: unknown): job is ReadablePurchase =>
  typeof job === "object" && job !== null && "lastPlace" in job && "orders" in job;

/**
 * A job's data as people read it: a purchase job is packed in the queue. What is none of ours is
 * shown as it is.
 */
export function readable(data: unknown): unknown {
  try {
    const { itemId: item, lastPlace, requests } = unpackPurchaseJob(data);
    const orders = requests.map(({ orderId, shopperId, quantity, amountMinor, currency, placedAtMs }) => {
      const placedAt = new Date(placedAtMs).toISOString();
      return { orderId, shopperId, quantity, amount: amountMinor, currency, placedAt };
    });
    return { item, lastPlace, orders };
  } catch {
    return data;
  }
}
