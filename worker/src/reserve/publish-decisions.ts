import type { Item } from "@holdfast/shared/item.ts";
import { itemArguments, publishItemLua, publishItems } from "@holdfast/shared/item-view.ts";
import { advanceLine, advanceLineLua } from "@holdfast/shared/line.ts";
import { publishMessageLua } from "@holdfast/shared/messages.ts";
import type { Order } from "@holdfast/shared/order.ts";
import {
  encodeOrderMessage,
  maxViewsPerShopper,
  publishOrders,
  replaceViewsLua,
  viewTtlMs,
} from "@holdfast/shared/order-view.ts";
import { entryOf } from "@holdfast/shared/order-view-text.ts";
import type { PurchaseJob } from "@holdfast/shared/purchase-job.ts";
import type { Store } from "@holdfast/shared/redis.ts";
import { redisScript } from "@holdfast/shared/redis-script.ts";

// The item first: whoever comes now need not queue for what is gone. Then the views, and behind
// them the message: whoever misses it reads those.
const publishScript = redisScript<number>(
  "publishDecisions",
  `${publishItemLua}${replaceViewsLua}${publishMessageLua}${advanceLineLua}
local item_channel, item, version, text, order_channel, orders, place = unpack(ARGV, 1, 7)
if text ~= "" then publish_item(KEYS[1], KEYS[2], item_channel, item, version, text) end
replace_views(5, ARGV[8], tonumber(ARGV[9]), 10)
publish_message(KEYS[3], order_channel, orders)
advance_line(KEYS[4], item, tonumber(place))
return 0`,
);

/**
 * Publishes what a batch has come to: what is left of the item, what became of each order, how far
 * the line has moved. What is older than what is there changes nothing, so it may run any number of
 * times. One script where Redis is one server; on a Cluster, where every key has a server of its
 * own, one after the other.
 */
export async function publishDecisions(
  { redis, keys }: Store,
  laneName: string,
  { itemId, lastPlace }: PurchaseJob,
  orders: readonly Order[],
  item: Item | null,
): Promise<void> {
  if (redis.isCluster) {
    await publishItems({ redis, keys }, item ? [item] : []);
    await publishOrders({ redis, keys }, orders);
    await advanceLine({ redis, keys }, laneName, itemId, lastPlace);
    return;
  }
  const { itemMessages, orderMessages } = keys;
  const views = orders.map(({ shopperId }) => keys.shopperOrders(shopperId));
  await publishScript(
    redis,
    [keys.items, itemMessages.counter, orderMessages.counter, keys.line(laneName), ...views],
    [
      itemMessages.channel,
      ...(item ? itemArguments(item) : [itemId, 0, ""]),
      orderMessages.channel,
      encodeOrderMessage(orders),
      lastPlace,
      viewTtlMs,
      maxViewsPerShopper,
      ...orders.map(entryOf),
    ],
  );
}
