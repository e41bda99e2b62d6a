import { setTimeout as sleep } from "node:timers/promises";
import type { RaiseAlarm } from "@holdfast/shared/alarm.ts";
import type { Database } from "@holdfast/shared/database.ts";
import type { Logger } from "@holdfast/shared/log.ts";
import type { WorkerMetrics } from "../metrics/worker-metrics.ts";
import { deliverOnce, type InHand, maxInHand } from "./deliver-events.ts";
import { forgetEvents, noteDelivering, noteUnserved, watchLateEvents } from "./keep-events.ts";
import { openConnections } from "./private-addresses.ts";
import type { Shop } from "./shop-settings.ts";

const lookEveryMs = 500; // a look that finds nothing reads one page of an index
const keepEveryMs = 20_000; // an alarm is a minute late at most
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
  readonly metrics?: WorkerMetrics | undefined;
}

/**
 * Delivers events to the shop until it is closed. From when it resolves on, every transition of an
 * order is written down for the shop.
 */
export async function serveShopWebhooks(parts: ShopParts): Promise<{ close(): Promise<void> }> {
  const { db, shop, log } = parts;
  if (shop !== null) await noteDelivering(db);
  if (shop?.url.protocol === "http:")
    log.warn("SHOP_WEBHOOK_URL is http: whoever is in between reads the shop's events");
  const closing = new AbortController();
  const pause = () => sleep(keepEveryMs, undefined, { signal: closing.signal });
  const keeping = run(() => keepOnce(parts), pause, closing.signal, log);
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
  const inHand: InHand = new Map();
  const step = async () => {
    const more = await deliverOnce({ ...parts, connections, closing: cut.signal }, inHand);
    if (inHand.size === maxInHand) await Promise.race(inHand.keys());
    return more;
  };
  // What is finished makes the next one of its order due.
  const pause = () => sleepUnless(inHand.keys(), lookEveryMs, closing);
  await run(step, pause, closing, log);
  await Promise.all(inHand.keys());
  clearTimeout(timer);
  connections.destroy();
}

/** Waits until the time is over, or one of these has ended. */
async function sleepUnless(these: Iterable<Promise<void>>, ms: number, closing: AbortSignal): Promise<void> {
  const awake = new AbortController();
  const signal = AbortSignal.any([closing, awake.signal]);
  const slept = sleep(ms, undefined, { signal }).catch(() => {});
  await Promise.race([slept, ...these]);
  awake.abort();
}

async function keepOnce({ db, shop, raiseAlarm }: ShopParts): Promise<boolean> {
  if (shop === null) {
    await noteUnserved(db, raiseAlarm);
  } else {
    await noteDelivering(db);
    await watchLateEvents(db, raiseAlarm);
  }
  return forgetEvents(db, raiseAlarm);
}

/** Step after step; after one that found no more to do, or failed, it waits. */
async function run(
  step: () => Promise<boolean>,
  pause: () => Promise<unknown>,
  closing: AbortSignal,
  log: Logger,
): Promise<void> {
  while (!closing.aborted) {
    const more = await step().catch((error: Error) => {
      log.warn({ err: error }, "a look at the shop's events failed; the next one tries again");
      return false;
    });
    if (!more) await pause().catch(() => {});
  }
}
