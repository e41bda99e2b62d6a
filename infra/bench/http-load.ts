import { Client } from "undici";
import { runCrowd } from "../rush/crowd.ts";
import { exchange, type HttpRequest } from "../rush/exchange.ts";

const connections = 256; // as a load balancer would keep to one server

/**
 * Keeps a server busy for `seconds`, each connection with one request at a time: what it can take at most. @returns answers per second
 * @throws where an answer is not of the expected status: a refusal is quickly given
 */
export async function loadServer(
  url: string,
  seconds: number,
  expectedStatus: number,
  request: (i: number) => HttpRequest,
): Promise<number> {
  const clients = Array.from({ length: connections }, () => new Client(url, { pipelining: 1 }));
  let sent = 0;
  let answers = 0;
  const beganAtMs = performance.now();
  const endsAtMs = beganAtMs + seconds * 1_000;
  const keepBusy = async (client: Client) => {
    while (performance.now() < endsAtMs) {
      const { status, text } = await exchange(client, request(sent++));
      if (status !== expectedStatus) throw new Error(`${url} answered ${status}: ${text}`);
      answers += 1;
    }
  };
  await Promise.all(clients.map(keepBusy));
  const took = (performance.now() - beganAtMs) / 1_000;
  await Promise.all(clients.map((client) => client.destroy()));
  return answers / took;
}

/** Sends so many purchases of an item, each by a shopper of their own, and waits for the 202 of each. */
export async function loadOrders(
  url: string,
  itemId: string,
  tokenOf: (shopper: number) => string,
  orders: number,
): Promise<void> {
  const strange = new Set<string>();
  await runCrowd({
    urls: [url],
    itemIds: [itemId],
    buyers: orders,
    overMs: 0,
    follow: "wait",
    answers: new Set(["queued"]),
    connections,
    patienceMs: 60_000,
    tokenOf,
    paymentMethodOf: () => "pm_card_visa",
    onFare: ({ outcome }) => {
      if (outcome !== "queued") strange.add(outcome);
    },
  });
  if (strange.size > 0) throw new Error(`Shoppers were told ${[...strange].join(", ")}`);
}
