import type { Order } from "@holdfast/shared/order.ts";
import { addItem } from "../testing/items.ts";
import type { BenchSystem } from "./bench-system.ts";
import { type Compared, compare } from "./compare.ts";
import { loadServer } from "./http-load.ts";

const roundSeconds = 4;
const shoppers = 100_000; // fewer than a round's purchases of each: the limit per shopper is never met
const readers = 2_000; // so that none of them meets the limit on reads: some hundred reads each in a round
const json = { "content-type": "application/json" };
const body = JSON.stringify({ paymentMethod: "pm_card_visa" });

/** Accepting a purchase, and reading an order, each by one API server, against bare routes of one other Fastify server. */
export async function compareAcceptAndRead(
  system: BenchSystem,
  rounds: number,
  say: (text: string) => void,
): Promise<{ accept: Compared[]; read: Compared[] }> {
  await addItem(system.db, "accepted", 100_000_000);
  const bare = await system.start("bare");
  const api = await system.start("api");
  const [bareUrl, apiUrl] = [bare.url ?? "", api.url ?? ""];
  const authorized = (shopper: number) => ({ authorization: `Bearer ${system.tokenOf(shopper)}` });
  let shopper = 0;
  const buyAt = (url: string, path: string) => () =>
    loadServer(url, roundSeconds, 202, () => {
      shopper = (shopper + 1) % shoppers;
      return { method: "POST", path, headers: { ...authorized(shopper), ...json }, body };
    });
  try {
    say("  Accepting a purchase, one API server");
    const accept = await compare(
      rounds,
      [
        { name: "a bare Fastify route: token and body checked, answered", run: buyAt(bareUrl, "/bare") },
        { name: "Holdfast: in line in Redis, on its disk, limits counted", run: buyAt(apiUrl, "/purchase/accepted") },
      ],
      say,
    );
    const orders: { path: string; headers: { authorization: string } }[] = [];
    while (orders.length < readers) {
      const headers = authorized(orders.length);
      const request = { method: "POST", headers: { ...headers, ...json }, body };
      const placed = await fetch(`${apiUrl}/purchase/accepted`, request);
      orders.push({ path: `/orders/${((await placed.json()) as Order).id}`, headers });
    }
    const readAt = (url: string, path: string | null) => () =>
      loadServer(url, roundSeconds, 200, (i) => {
        const order = orders[i % readers] as (typeof orders)[number];
        return { method: "GET", path: path ?? order.path, headers: order.headers };
      });
    say("  Reading an order in line, one API server");
    const read = await compare(
      rounds,
      [
        { name: "a bare Fastify route: token checked, one Redis GET", run: readAt(bareUrl, "/bare/order") },
        { name: "Holdfast: the order with its place in line", run: readAt(apiUrl, null) },
      ],
      say,
    );
    return { accept, read };
  } finally {
    await Promise.all([bare.stop(), api.stop()]);
    await system.redis.flushall();
  }
}
