import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** An event as it came in. */
export interface ReceivedEvent {
  readonly id: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
  readonly body: { readonly type: string; readonly timestamp: string; readonly data: Record<string, unknown> };
}

/** What a shop answers: a status, or nothing at all. */
export type ShopAnswer = number | "hang";

/** A shop's own system, on loopback. */
export interface ShopReceiver {
  readonly url: string;
  /** Everything that came in, whatever was answered, in the order of arrival. */
  readonly received: readonly ReceivedEvent[];
  /** The events that were taken, each as often as it was. */
  readonly taken: readonly ReceivedEvent[];
  /** What is answered from now on; 204 at the beginning. */
  answer(decide: (event: ReceivedEvent) => ShopAnswer | Promise<ShopAnswer>): void;
  close(): Promise<void>;
}

/** @param headers sent with every answer */
export async function startShopReceiver(headers: Record<string, string> = {}): Promise<ShopReceiver> {
  const received: ReceivedEvent[] = [];
  const taken: ReceivedEvent[] = [];
  let decide: (event: ReceivedEvent) => ShopAnswer | Promise<ShopAnswer> = () => 204;
  const receive = async (request: IncomingMessage, response: ServerResponse) => {
    const event = await readEvent(request);
    received.push(event);
    const answer = await decide(event);
    if (answer === "hang") return;
    if (answer < 300) taken.push(event);
    response.writeHead(answer, headers).end();
  };
  const server = createServer((request, response) => {
    receive(request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/holdfast`,
    received,
    taken,
    answer(next) {
      decide = next;
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function readEvent(request: IncomingMessage): Promise<ReceivedEvent> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString();
  const headers = request.headers as Record<string, string>;
  return { id: headers["webhook-id"] ?? "", headers, text, body: JSON.parse(text) as ReceivedEvent["body"] };
}
