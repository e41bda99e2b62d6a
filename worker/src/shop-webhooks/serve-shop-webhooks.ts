import { setTimeout as sleep } from "node:timers/promises";
import type { RaiseAlarm } from "@holdfast/shared/alarm.ts";
import type { Database } from "@holdfast/shared/database.ts";
import type { Logger } from "@holdfast/shared/log.ts";
import { deliverOnce, type InHand, maxInHand } from "./deliver-events.ts";
import { forgetEvents, noteListening } from "./keep-events.ts";
import { openConnections } from "./private-addresses.ts";
import type { Shop } from "./shop-settings.ts";

const lookEveryMs = 500; // a look that finds nothing reads one page of an index
const keepEveryMs = 20_000; // three times in the minute after which nobody seems to deliver
const closeWithinMs = 5_000; // a worker has nine seconds in all

/** Connections to Postgres that deliveries need: each statement takes about a millisecond. */
export const shopConnections = 2;

export interface ShopParts {
  /** A pool of its own, so that neither a sale waits for a delivery nor the other way round. */
  readonly db: Database;
  /** Null where this worker has none to deliver to. */
  readonly shop: Shop | null;
  readonly raiseAlarm: RaiseAlarm;
  readonly log: Logger;
}

/**
 * Delivers events to the shop until it is closed. From when it resolves on, every transition of an
 * order is written down for the shop.
 */
export async function serveShopWebhooks(parts: ShopParts): Promise<{ close(): Promise<void> }> {
  const { db, shop, log } = parts;
  await noteListening(db, shop !== null);
  if (shop?.url.protocol === "http:")
    log.warn("SHOP_WEBHOOK_URL is http: whoever is in between reads the shop's events");
  const closing = new AbortController();
  const keeping = run(() => keepOnce(parts, closing.signal), keepEveryMs, closing.signal, log);
  const delivery = shop === null ? null : runDelivery({ ...parts, shop }, closing.signal);
  return {
    async close() {
      closing.abort();
      await Promise.all([keeping, delivery]);
    },
  };
}

/** What is in hand when it is asked to end has some seconds; then it is tried again by others. */
async function runDelivery(parts: ShopParts & { readonly shop: Shop }, closing: AbortSignal): Promise<void> {
  const { shop, log } = parts;
  const connections = openConnections(shop.url, shop.allowPrivate, maxInHand);
  const cut = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  closing.addEventListener("abort", () => {
    timer = setTimeout(() => cut.abort(), closeWithinMs);
  });
  const inHand: InHand = new Set();
  const step = async () => {
    const more = await deliverOnce({ ...parts, connections, closing: cut.signal }, inHand);
    if (inHand.size === maxInHand) await Promise.race(inHand);
    return more;
  };
  await run(step, lookEveryMs, closing, log);
  await Promise.all(inHand);
  clearTimeout(timer);
  connections.destroy();
}

async function keepOnce({ db, shop }: ShopParts, closing: AbortSignal): Promise<boolean> {
  await noteListening(db, shop !== null);
  while (!closing.aborted && (await forgetEvents(db))) {}
  return false;
}

/** Step after step; after one that found no more to do, or failed, it waits. */
async function run(step: () => Promise<boolean>, everyMs: number, closing: AbortSignal, log: Logger): Promise<void> {
  while (!closing.aborted) {
    const more = await step().catch((error: Error) => {
      log.warn({ err: error }, "events for the shop wait for Postgres; the next look tries again");
      return false;
    });
    if (!more) await sleep(everyMs, undefined, { signal: closing }).catch(() => {});
  }
}
