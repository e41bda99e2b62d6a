import { setTimeout as sleep } from "node:timers/promises";
import { addItem } from "@holdfast/testing/items.ts";
import { Client } from "undici";
import { processUsage } from "../../local/process-usage.ts";
import { exchange } from "../rush/exchange.ts";
import type { BenchSystem } from "./bench-system.ts";

export interface CostOfWaiting {
  readonly shoppers: number;
  /** What an open connection takes of the API server's memory, with one purchase answered on it. */
  readonly connectionBytes: number;
  /** What a shopper who waits on it takes besides. */
  readonly waitingBytes: number;
  /** What all of them together ask of Redis, in commands a second. */
  readonly redisCommandsPerSecond: number;
}

const shoppers = 10_000;
const watchedSeconds = 10;

/**
 * Ten thousand shoppers, each with the answer to their purchase held (`Prefer: wait`), on a
 * connection each; nobody decides anything.
 */
export async function measureWaiting(system: BenchSystem, say: (text: string) => void): Promise<CostOfWaiting> {
  await addItem(system.db, "waited-for", 1_000_000);
  const api = await system.start("api");
  const url = api.url ?? "";
  const rss = async () => (await processUsage(api.process.pid ?? 0))?.rssBytes ?? 0;
  const purchase = (shopper: number, wait: number) => ({
    method: "POST" as const,
    path: "/purchase/waited-for",
    headers: {
      authorization: `Bearer ${system.tokenOf(shopper)}`,
      "x-forwarded-for": system.shoppers.addressOf(shopper),
      "content-type": "application/json",
      prefer: `wait=${wait}`,
    },
    body: JSON.stringify({ paymentMethod: "pm_card_visa" }),
  });
  const clients: Client[] = [];
  const connect = () => {
    const client = new Client(url, { headersTimeout: 60_000 });
    clients.push(client);
    return client;
  };
  try {
    // What a server needs once is there before it counts: a small crowd has been served, and has
    // gone.
    const warming = Array.from({ length: 100 }, connect);
    for (let round = 0; round < 200; round++) {
      await Promise.all(warming.map((client, i) => exchange(client, purchase(shoppers + round * 100 + i, 0)))); // others each time
    }
    await Promise.all(warming.map((client) => client.close()));
    await sleep(3_000);
    const before = await rss();
    const crowd = Array.from({ length: shoppers }, connect);
    await Promise.all(crowd.map((client, i) => exchange(client, purchase(i, 0))));
    const connected = await rss();
    const waiting = crowd.map((client, i) => exchange(client, purchase(i, 30)));
    await sleep(8_000);
    const commandsBefore = await commandsProcessed(system);
    await sleep(watchedSeconds * 1_000);
    const commands = (await commandsProcessed(system)) - commandsBefore;
    const connectionBytes = Math.round((connected - before) / shoppers);
    const waitingBytes = Math.round(((await rss()) - connected) / shoppers);
    const answers = await Promise.all(waiting);
    const held = answers.filter(({ status }) => status === 202).length;
    if (held !== shoppers) throw new Error(`Of ${shoppers} waiting shoppers ${held} were answered 202`);
    const redisCommandsPerSecond = Math.round(commands / watchedSeconds);
    say(
      `  ${shoppers} shoppers wait at one API server: ${connectionBytes} bytes each for the connection, ${waitingBytes} for waiting; ${redisCommandsPerSecond} commands a second to Redis`,
    );
    return { shoppers, connectionBytes, waitingBytes, redisCommandsPerSecond };
  } finally {
    await Promise.all(clients.map((client) => client.destroy()));
    await api.stop();
    await system.redis.flushall();
  }
}

async function commandsProcessed({ redis }: BenchSystem): Promise<number> {
  return Number(/total_commands_processed:(\d+)/.exec(await redis.info("stats"))?.[1]);
}
