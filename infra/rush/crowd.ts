import { setTimeout as sleep } from "node:timers/promises";
import { Agent, type Dispatcher } from "undici";

/** How one shopper fared. Times are milliseconds since the rush began. */
export interface Fare {
  readonly orderId: string | null;
  /** The final state, or the refusal's code, or `lost` where no answer came in time. */
  readonly outcome: string;
  readonly message: string;
  readonly pressedMs: number;
  /** When the request left, once a connection was free. */
  readonly sentMs: number;
  /** When the 202 (or the refusal) was there. */
  readonly answeredMs: number;
  /** When the final state was seen. */
  readonly settledMs: number;
}

export interface CrowdOptions {
  readonly urls: readonly string[];
  readonly itemId: string;
  /** A token per shopper, in the order in which they press Buy. */
  readonly tokens: readonly string[];
  readonly paymentMethodOf: (shopper: number) => string;
  /** Keep-alive connections in all. */
  readonly connections: number;
  /** After this, whoever has no final answer counts as lost. */
  readonly patienceMs: number;
  readonly onFare?: (fare: Fare) => void;
}

const finalStates = new Set(["confirmed", "cancelled", "out_of_stock", "rejected"]);

/**
 * Everyone presses Buy at the same moment, then polls until the final answer. Arrivals are open loop: a shopper's time runs from the
 * moment of the rush, however long the request had to wait for a free connection, so a slow server cannot slow down its own load.
 */
export async function runCrowd(options: CrowdOptions): Promise<Fare[]> {
  const connections = Math.ceil(options.connections / options.urls.length);
  const servers = options.urls.map((url) => ({
    url,
    agent: new Agent({ connections, headersTimeout: 40_000 }),
    slots: new Slots(connections),
  }));
  const beganAtMs = performance.now();
  const elapsedMs = () => performance.now() - beganAtMs;
  try {
    return await Promise.all(
      options.tokens.map(async (token, i) => {
        const server = servers[i % servers.length] as Server;
        const fare = await shop({ server, token, elapsedMs }, options, i);
        options.onFare?.(fare);
        return fare;
      }),
    );
  } finally {
    await Promise.all(servers.map((server) => server.agent.destroy()));
  }
}

interface Server {
  readonly url: string;
  readonly agent: Agent;
  readonly slots: Slots;
}

/** As many turns at a time as there are connections, first come first served: so we know when a request really left. */
class Slots {
  #free: number;
  readonly #waiting: (() => void)[] = [];
  constructor(count: number) {
    this.#free = count;
  }
  async take(): Promise<void> {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }
  give(): void {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#free += 1;
  }
}

interface Client {
  readonly server: Server;
  readonly token: string;
  readonly elapsedMs: () => number;
}

async function shop(client: Client, options: CrowdOptions, shopper: number): Promise<Fare> {
  const pressedMs = client.elapsedMs();
  const bought = await ask(client, "POST", `/purchase/${options.itemId}`, {
    paymentMethod: options.paymentMethodOf(shopper),
  });
  const answeredMs = client.elapsedMs();
  const fare = {
    pressedMs,
    sentMs: bought.sentMs,
    answeredMs,
    orderId: null,
    message: bought.body.title ?? "",
  };
  if (bought.status !== 202) {
    return { ...fare, outcome: bought.body.code ?? `status ${bought.status}`, settledMs: answeredMs };
  }
  const orderId = bought.body.id ?? "";
  let order = bought.body;
  while (!finalStates.has(order.status ?? "")) {
    if (client.elapsedMs() > options.patienceMs)
      return { ...fare, orderId, outcome: "lost", settledMs: client.elapsedMs() };
    // Somewhere in the second that Retry-After asks for, so that the crowd does not poll as one.
    await sleep(500 + Math.random() * 1_000);
    const polled = await ask(client, "GET", `/orders/${orderId}`);
    if (polled.status === 200) order = polled.body;
  }
  return {
    ...fare,
    orderId,
    outcome: order.status ?? "",
    message: order.message ?? "",
    settledMs: client.elapsedMs(),
  };
}

/** What is read of an answer: an order, or a problem. */
interface AnswerBody {
  id?: string;
  status?: string;
  message?: string;
  title?: string;
  code?: string;
}

async function ask(client: Client, method: Dispatcher.HttpMethod, path: string, body?: object) {
  const { server } = client;
  await server.slots.take();
  const sentMs = client.elapsedMs();
  try {
    const response = await server.agent.request({
      origin: server.url,
      path,
      method,
      headers: { authorization: `Bearer ${client.token}`, ...(body && { "content-type": "application/json" }) },
      ...(body && { body: JSON.stringify(body) }),
    });
    return { sentMs, status: response.statusCode, body: (await response.body.json()) as AnswerBody };
  } catch (error) {
    return {
      sentMs,
      status: 0,
      body: { code: `no answer: ${error instanceof Error ? error.message : String(error)}` },
    };
  } finally {
    server.slots.give();
  }
}
