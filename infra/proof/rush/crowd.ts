import { setTimeout as sleep } from "node:timers/promises";
import type { Order } from "@holdfast/client";
import { Client } from "undici";
import { exchange, type HttpRequest } from "./exchange.ts";

/** How one shopper fared. Times are milliseconds since the rush began. */
export interface Fare {
  /** Which of the items it was about, by its place in the list. */
  readonly item: number;
  readonly orderId: string | null;
  /** The final state, or the refusal's code, or `lost` where no final answer came in time. */
  readonly outcome: string;
  /** When Buy was pressed; the request may have had to wait for a free connection. */
  readonly pressedMs: number;
  readonly sentMs: number;
  /** When the 202 (or the refusal) was there. */
  readonly answeredMs: number;
  /** When the final state was seen. */
  readonly settledMs: number;
}

/**
 * How shoppers learn of the outcome.
 * - `wait`: they press Buy, then wait for a change of their order (long poll)
 * - `poll`: they press Buy, then ask about once a second
 * - `hold`: they press Buy and have the answer held until the order is decided: one request, if it
 *   is not for the winners' payment
 */
export type Follow = "wait" | "poll" | "hold";

export interface CrowdOptions {
  readonly urls: readonly string[];
  readonly itemIds: readonly string[];
  readonly buyers: number;
  /** The buyers press evenly over this time; 0 for all at the same moment. */
  readonly overMs: number;
  readonly follow: Follow;
  readonly tokenOf: (shopper: number) => string;
  readonly paymentMethodOf: (shopper: number) => string;
  /**
   * Whether each purchase has an Idempotency-Key, as the storefront's have; so unless told
   * otherwise.
   */
  readonly keyed?: boolean;
  /** Keep-alive connections in all. */
  readonly connections: number;
  /** The states that are answers to wait for no longer; the final ones unless told otherwise. */
  readonly answers?: ReadonlySet<string>;
  /** The route that takes purchases, before the item's id. */
  readonly route?: string;
  /** Whoever has no final answer so long after they pressed Buy counts as lost. */
  readonly patienceMs: number;
  readonly onAccepted?: (answeredMs: number) => void;
  readonly onFare: (fare: Fare) => void;
}

/**
 * Everyone presses Buy, and follows their order to its final answer. Arrivals are open loop: a
 * shopper's time runs from the moment they press, however long the request has to wait for a free
 * connection, so a slow server cannot slow down its own load. Only those who wait for an answer are
 * kept in memory.
 */
export function runCrowd(options: CrowdOptions): Promise<void> {
  return new Crowd(options).run();
}

const finalStates = new Set(["confirmed", "cancelled", "out_of_stock", "rejected"]);
const waitSeconds = 20; // a long poll; a load balancer would let it be
const lookAgainMs = 1_000; // after an answer that was none: the servers may be restarting

/** What is read of an answer: an order, or a problem's code, or why there is neither. */
type AnswerBody = Partial<Pick<Order, "id" | "status">> & { readonly code?: string };

interface Buyer {
  readonly shopper: number;
  readonly pressedMs: number;
  sentMs: number;
  answeredMs: number;
  orderId: string;
}

class Crowd {
  readonly #options: CrowdOptions;
  readonly #beganAtMs = performance.now();
  readonly #free: Client[];
  readonly #clients: Client[];
  readonly #following: Buyer[] = []; // accepted, and to be looked at as soon as a connection is free
  readonly #done = Promise.withResolvers<void>();
  #pressed = 0;
  #looking = 0;
  #finished = 0;
  #timer: NodeJS.Timeout | null = null;

  constructor(options: CrowdOptions) {
    this.#options = options;
    const { connections, urls } = options;
    this.#clients = Array.from({ length: connections }, (_, i) => {
      return new Client(urls[i % urls.length] ?? "", { pipelining: 1, headersTimeout: 40_000 });
    });
    this.#free = [...this.#clients];
  }

  async run(): Promise<void> {
    this.#sendWhatIsDue();
    await this.#done.promise;
    if (this.#timer) clearTimeout(this.#timer);
    await Promise.all(this.#clients.map((client) => client.destroy()));
  }

  #nowMs(): number {
    return performance.now() - this.#beganAtMs;
  }

  /**
   * Whoever follows an order goes first, on half of the connections at most: the other half is for
   * those who press Buy.
   */
  #sendWhatIsDue(): void {
    const { buyers, overMs } = this.#options;
    while (this.#free.length > 0) {
      const pressedMs = (this.#pressed * overMs) / buyers;
      const morePress = this.#pressed < buyers;
      if (this.#following.length > 0 && (!morePress || this.#looking < this.#clients.length / 2)) {
        const buyer = this.#following.shift() as Buyer;
        void this.#with((client) => this.#look(client, buyer));
      } else if (morePress && pressedMs <= this.#nowMs()) {
        const buyer = { shopper: this.#pressed++, pressedMs, sentMs: 0, answeredMs: 0, orderId: "" };
        void this.#with((client) => this.#press(client, buyer));
      } else {
        if (morePress) this.#wakeAt(pressedMs);
        return;
      }
    }
  }

  #wakeAt(ms: number): void {
    if (this.#timer) return;
    const wake = () => {
      this.#timer = null;
      this.#sendWhatIsDue();
    };
    this.#timer = setTimeout(wake, Math.max(0, ms - this.#nowMs()));
  }

  async #with(act: (client: Client) => Promise<void>): Promise<void> {
    const client = this.#free.pop() as Client;
    await act(client);
    this.#free.push(client);
    this.#sendWhatIsDue();
  }

  async #press(client: Client, buyer: Buyer): Promise<void> {
    const { itemIds, paymentMethodOf, follow, route = "/purchase", keyed = true } = this.#options;
    buyer.sentMs = this.#nowMs();
    const { status, body } = await this.#ask(client, buyer, {
      method: "POST",
      path: `${route}/${itemIds[buyer.shopper % itemIds.length]}`,
      headers: {
        "content-type": "application/json",
        ...(keyed && { "idempotency-key": `rush-${buyer.shopper}` }),
        ...(follow === "hold" && { prefer: `wait=${waitSeconds}` }),
      },
      body: JSON.stringify({ paymentMethod: paymentMethodOf(buyer.shopper) }),
    });
    buyer.answeredMs = this.#nowMs();
    if (status !== 202) return this.#finish(buyer, body.code ?? `status ${status}`);
    buyer.orderId = body.id ?? "";
    this.#options.onAccepted?.(buyer.answeredMs);
    this.#go(buyer, body.status ?? "");
  }

  async #look(client: Client, buyer: Buyer): Promise<void> {
    this.#looking += 1;
    const headers: Record<string, string> = this.#options.follow === "poll" ? {} : { prefer: `wait=${waitSeconds}` };
    const { status, body } = await this.#ask(client, buyer, {
      method: "GET",
      path: `/orders/${buyer.orderId}`,
      headers,
    });
    this.#looking -= 1;
    if (status === 200) this.#go(buyer, body.status ?? "");
    else void this.#later(buyer, lookAgainMs);
  }

  /** What comes next for whoever was told a state. */
  #go(buyer: Buyer, state: string): void {
    if ((this.#options.answers ?? finalStates).has(state)) this.#finish(buyer, state);
    // Somewhere in the second that Retry-After asks for, so that the crowd does not poll as one.
    else if (this.#options.follow === "poll") void this.#later(buyer, 500 + Math.random() * 1_000);
    else this.#again(buyer);
  }

  async #later(buyer: Buyer, ms: number): Promise<void> {
    await sleep(ms);
    this.#again(buyer);
    this.#sendWhatIsDue();
  }

  #again(buyer: Buyer): void {
    if (this.#nowMs() - buyer.pressedMs > this.#options.patienceMs) this.#finish(buyer, "lost");
    else this.#following.push(buyer);
  }

  #finish({ shopper, orderId, pressedMs, sentMs, answeredMs }: Buyer, outcome: string): void {
    const { itemIds, buyers, onFare } = this.#options;
    const item = shopper % itemIds.length;
    const settledMs = orderId === "" ? answeredMs : this.#nowMs();
    onFare({ item, orderId: orderId || null, outcome, pressedMs, sentMs, answeredMs, settledMs });
    this.#finished += 1;
    if (this.#finished === buyers) this.#done.resolve();
  }

  async #ask(client: Client, { shopper }: Buyer, request: HttpRequest): Promise<{ status: number; body: AnswerBody }> {
    const headers = { authorization: `Bearer ${this.#options.tokenOf(shopper)}`, ...request.headers };
    const { status, text } = await exchange(client, { ...request, headers });
    if (status === 0) return { status, body: { code: `no answer: ${text}` } };
    try {
      return { status, body: JSON.parse(text) as AnswerBody };
    } catch {
      return { status, body: { code: `status ${status} without a body that is JSON` } };
    }
  }
}
