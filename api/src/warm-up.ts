import { randomUUID } from "node:crypto";
import { Agent, request } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { Item } from "@holdfast/shared/item.ts";
import { createLog } from "@holdfast/shared/log.ts";
import type { Order } from "@holdfast/shared/order.ts";
import { publishOrders } from "@holdfast/shared/order-view.ts";
import { queuedOrder } from "@holdfast/shared/purchase-job.ts";
import { openChargeQueue, openLanes, openWebhookQueue } from "@holdfast/shared/queues.ts";
import { type RedisKeys, redisKeys } from "@holdfast/shared/redis.ts";
import { type AppParts, buildApp } from "./app.ts";
import type { ApiConfig } from "./config.ts";
import { createMetrics } from "./http/metrics.ts";
import { createGuestSession } from "./http/shopper.ts";
import type { ItemCatalog } from "./items/item-catalog.ts";
import { orderIdForKey, requestFingerprint } from "./orders/order-id.ts";
import { openOrderWatch, type WatchParts } from "./orders/order-watch.ts";

export interface WarmUpParts
  extends Pick<AppParts, "config" | "db" | "redis" | "log">,
    Pick<WatchParts, "subscriber"> {}

const warmUpMs = 1_500; // V8 has compiled by then what a purchase runs through, and a server is ready within three seconds
const maxRounds = 45; // some five thousand requests, which a fleet that starts together puts on the same Redis
const shopperCount = 40; // at a time, each with a request of every kind
const decideAfterMs = 5; // until what is held is decided

/**
 * Sells to made-up shoppers before the server says that it is ready: over HTTP, on a port of its
 * own, with the very code that serves the sale, so that the first crowd finds it compiled, its
 * scripts loaded and its connections open. Nothing of it is left: Postgres is not asked, Redis has
 * it under keys of its own, which are removed, and neither metrics nor logs know of it. Where it
 * fails, the server is only colder.
 */
export async function warmUp(parts: WarmUpParts): Promise<void> {
  await rehearseSale(parts).catch((error: unknown) => {
    parts.log.warn({ err: error }, "the server could not warm up; its first requests take longer");
  });
}

async function rehearseSale({ config, db, redis, subscriber }: WarmUpParts): Promise<void> {
  const keys = redisKeys(`${config.REDIS_PREFIX}warm-up:`);
  const silent = createLog("api", "silent");
  const lanes = openLanes({ redis, keys }, 1);
  const [charges, webhooks] = [openChargeQueue({ redis, keys }), openWebhookQueue({ redis, keys })];
  const queues = [...lanes, charges, webhooks];
  for (const queue of queues) queue.on("error", () => {});
  const watch = await openOrderWatch({ redis, subscriber, keys, log: silent });
  const rehearsed = rehearsalConfig(config);
  const app = await buildApp({
    config: rehearsed,
    db,
    redis,
    keys,
    lanes,
    charges,
    webhooks,
    items: rehearsedItems,
    watch,
    marks: { begin: async () => 0, note: async () => {}, lacksSome: async () => false },
    metrics: createMetrics("", "ours only"),
    checkReadiness: async () => ({ redis: "up", postgres: "up", losses: null }),
    closing: { begun: false },
    log: silent,
    limits: { closingNoticeMs: 0 },
  });
  const shoppers = Array.from({ length: shopperCount }, () => createGuestSession(rehearsed, Date.now()));
  try {
    await app.listen({ host: "127.0.0.1", port: 0 });
    const ask = client((app.server.address() as AddressInfo).port);
    const endsAtMs = performance.now() + warmUpMs;
    for (let round = 0; round < maxRounds && performance.now() < endsAtMs; round++) {
      const decided = shoppers.map(({ shopperId }) => decidedOrder(shopperId, randomUUID()));
      const crowd = Promise.all(shoppers.map((shopper, i) => rehearse(ask, shopper.token, decided[i] as Rehearsed)));
      crowd.catch(() => {}); // where publishing fails, nobody waits for it
      await sleep(decideAfterMs);
      await publishOrders(
        { redis, keys },
        decided.map(({ order }) => order),
      );
      await crowd;
    }
  } finally {
    await app.close();
    await subscriber.unsubscribe(keys.orderMessages.channel);
    const shopperIds = shoppers.map(({ shopperId }) => shopperId);
    await removeKeys(redis, keys, lanes[0]?.name ?? "", shopperIds).catch(() => {});
    await Promise.all(queues.map((queue) => queue.obliterate({ force: true }).catch(() => {})));
    await Promise.all(queues.map((queue) => queue.close()));
  }
}

const unused = new Set([
  "JWKS_URL",
  "JWT_ISSUER",
  "JWT_AUDIENCE",
  "OPS_PASSWORD",
  "STRIPE_WEBHOOK_SECRET",
  "TRUST_PROXY",
]);

/** Without limits, which would be met at once, and without what the rehearsal has no use for. */
function rehearsalConfig(config: ApiConfig): ApiConfig {
  const used = Object.entries(config).filter(([name]) => !unused.has(name));
  const own = {
    JWT_SECRET: `${randomUUID()}${randomUUID()}`,
    SHOPPER_RATE_PER_MINUTE: 0,
    ADDRESS_RATE_PER_MINUTE: 0,
    MAX_LINE: 1_000_000,
  };
  return { ...(Object.fromEntries(used) as ApiConfig), ...own };
}

const item = (id: string, inventory: number): Item => ({
  id,
  name: id,
  priceMinor: 1_999,
  currency: "eur",
  stocked: 1_000_000,
  inventory,
  opensAtMs: null,
  closesAtMs: null,
  holdSeconds: 600,
  paymentRetries: 0,
  maxPerShopper: null,
  paused: false,
  version: 1,
});
const items = new Map([item("on-sale", 1_000_000), item("sold-out", 0)].map((one) => [one.id, one]));

const rehearsedItems: ItemCatalog = {
  known: (id) => items.get(id),
  find: async (id) => items.get(id) ?? null,
  list: () => [...items.values()],
  revision: () => 0,
  note: () => {},
  close: () => {},
};

const paymentMethod = "pm_card_visa";

interface Rehearsed {
  readonly key: string;
  readonly order: Order;
}

/** What becomes of the order that a shopper places under a key. */
function decidedOrder(shopperId: string, key: string): Rehearsed {
  const placedAtMs = Date.now();
  const placed = queuedOrder("on-sale", {
    orderId: orderIdForKey(shopperId, key),
    shopperId,
    quantity: 1,
    amountMinor: 1_999,
    currency: "eur",
    card: paymentMethod,
    placedAtMs,
    fingerprint: requestFingerprint("on-sale", 1, paymentMethod, null),
    metadata: null,
  });
  const order: Order = { ...placed, status: "out_of_stock", settledAtMs: placedAtMs, version: 1 };
  return { key, order };
}

type Ask = (method: string, path: string, headers: Record<string, string>) => Promise<string>;

/**
 * One shopper's purchases: one that waits for its decision, one that is followed, and one that
 * comes too late.
 */
async function rehearse(ask: Ask, token: string, { key }: Rehearsed): Promise<void> {
  const headers = { authorization: `Bearer ${token}` };
  await Promise.all([
    ask("POST", "/purchase/on-sale", { ...headers, prefer: "wait=5", "idempotency-key": key }),
    ask("POST", "/purchase/on-sale", headers).then((answer) =>
      ask("GET", `/orders/${(JSON.parse(answer) as { id?: string }).id}`, headers),
    ),
    ask("POST", "/purchase/sold-out", headers).then(() => ask("GET", "/items/on-sale", headers)),
  ]);
}

const body = JSON.stringify({ paymentMethod });

function client(port: number): Ask {
  const agent = new Agent({ keepAlive: true, maxSockets: 3 * shopperCount });
  return (method, path, headers) =>
    new Promise((resolve, reject) => {
      const posted = method === "POST" ? { "content-type": "application/json" } : {};
      const options = { host: "127.0.0.1", port, agent, method, path, headers: { ...headers, ...posted } };
      const asked = request(options, (response) => {
        let text = "";
        response.setEncoding("utf8");
        response.on("data", (chunk: string) => {
          text += chunk;
        });
        response.on("end", () => resolve(text));
      });
      asked.on("error", reject);
      asked.end(method === "POST" ? body : undefined);
    });
}

async function removeKeys(
  redis: WarmUpParts["redis"],
  keys: RedisKeys,
  laneName: string,
  shopperIds: readonly string[],
): Promise<void> {
  const used = [keys.line(laneName), keys.orderMessages.counter, ...shopperIds.map((id) => keys.shopperOrders(id))];
  await Promise.all(used.map((key) => redis.unlink(key)));
}
