import { createLog } from "@holdfast/shared/log.ts";
import { addItem } from "@holdfast/testing/items.ts";
import { purchaseJob, purchaseRequest } from "@holdfast/testing/purchases.ts";
import { type ShopReceiver, startShopReceiver } from "@holdfast/testing/shop-receiver.ts";
import { createWorld, type World } from "@holdfast/testing/world.ts";
import { sql } from "kysely";
import { reserveOrders } from "../src/reserve/reserve-orders.ts";
import { type DeliveryParts, deliverOnce, type InHand } from "../src/shop-webhooks/deliver-events.ts";
import { noteDelivering } from "../src/shop-webhooks/keep-events.ts";
import { openConnections } from "../src/shop-webhooks/private-addresses.ts";

/** A secret of the shop's; another byte is another one. */
export const secretOf = (byte: number) => `whsec_${Buffer.alloc(32, byte).toString("base64")}`;

export interface EventRow {
  readonly id: string;
  readonly outcome: string | null;
  readonly tries: number;
  readonly lastError: string | null;
  /** Until it is due. */
  readonly waitMs: number;
}

/** A world with a shop, where each step of a delivery is taken by the test itself. */
export interface ShopWorld extends World {
  readonly shop: ShopReceiver;
  /** The names of the alarms raised so far. */
  readonly alarms: string[];
  /** What a worker delivers with. */
  parts(target?: Partial<DeliveryParts["shop"]>): DeliveryParts;
  /** Orders of `item_1`, reserved in one batch. */
  reserve(count: number): Promise<string[]>;
  confirm(orderId: string): Promise<unknown>;
  refund(orderId: string): Promise<unknown>;
  /** One look, and all that it sends. */
  deliverOnce(parts?: DeliveryParts): Promise<void>;
  /** Looks until nothing is due. */
  deliver(parts?: DeliveryParts): Promise<void>;
  /** Time goes by for all that waits, leases included. */
  letTimePass(seconds: number): Promise<unknown>;
  /** In the order in which they were written. */
  rows(): Promise<EventRow[]>;
  /** What the shop took of an order, in the order in which it did. */
  taken(orderId: string): string[];
}

export async function createShopWorld(): Promise<ShopWorld> {
  const [world, shop] = await Promise.all([createWorld(), startShopReceiver()]);
  const { db } = world;
  await noteDelivering(db);
  await addItem(db, "item_1", 1_000);
  const alarms: string[] = [];
  const parts = (more: Partial<DeliveryParts["shop"]> = {}): DeliveryParts => {
    const target = { url: new URL(shop.url), secrets: [secretOf(1)], allowPrivate: true, ...more };
    const connections = openConnections(target.url, target.allowPrivate, 10);
    const raiseAlarm = (name: string) => void alarms.push(name);
    const closing = new AbortController().signal;
    return { db, shop: target, connections, raiseAlarm, log: createLog("test", "silent"), closing };
  };
  return {
    ...world,
    shop,
    alarms,
    parts,
    async reserve(count) {
      const requests = Array.from({ length: count }, () => purchaseRequest());
      await reserveOrders(db, purchaseJob("item_1", requests), new AbortController().signal);
      return requests.map(({ orderId }) => orderId);
    },
    confirm: (orderId) =>
      sql`update orders set status = 'confirmed', payment_status = 'succeeded', payment_intent_id = ${`pi_${orderId}`},
        settled_at = now() where id = ${orderId}`.execute(db),
    refund: (orderId) =>
      sql`update orders set status = 'refunded', payment_status = 'refunded' where id = ${orderId}`.execute(db),
    async deliverOnce(delivery = parts()) {
      const inHand: InHand = new Map();
      await deliverOnce(delivery, inHand);
      await Promise.all(inHand.keys());
    },
    deliver: (delivery = parts()) => deliverAll(delivery),
    letTimePass: (seconds) =>
      sql`update shop_events set
        due_at = due_at - ${seconds} * interval '1 second', first_tried_at = first_tried_at - ${seconds} * interval '1 second'
      where outcome is null`.execute(db),
    async rows() {
      const { rows } = await sql<EventRow>`
        select id, outcome, tries, last_error as "lastError",
          (extract(epoch from due_at - now()) * 1000)::float8 as "waitMs"
        from shop_events order by seq`.execute(db);
      return rows;
    },
    taken: (orderId) => shop.taken.filter(({ body }) => body.data.id === orderId).map(({ body }) => body.type),
    async close() {
      await shop.close();
      await world.close();
    },
  };
}

/** As the loop of a worker does it, without its waiting. */
async function deliverAll(delivery: DeliveryParts): Promise<void> {
  const inHand: InHand = new Map();
  for (;;) {
    const more = await deliverOnce(delivery, inHand);
    if (inHand.size > 0) await Promise.race(inHand.keys());
    else if (!more) return;
  }
}
