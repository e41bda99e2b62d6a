import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "@holdfast/infra/local/processes.ts";
import { type Part, startPart } from "@holdfast/infra/local/system.ts";
import type { Serving } from "@holdfast/shared/run-process.ts";
import { type Browser, chromium } from "playwright-core";
import { inject } from "vitest";
import { opsAuthorization, shopperAuthorization, testJwtSecret, testOpsPassword } from "./api.ts";
import { startTestSimulator, type TestSimulator } from "./simulator.ts";
import { startTestWorker } from "./worker.ts";
import { createWorld, type World } from "./world.ts";

const webhookSecret = "whsec_browser_tests";

/**
 * A whole shop for a browser: the API server is a process of its own, which a test may kill; the
 * worker may be stopped.
 */
export interface BrowserShop {
  readonly url: string;
  readonly world: World;
  readonly simulator: TestSimulator;
  readonly browser: Browser;
  /** SIGKILL: nothing it has in hand is answered. */
  killServer(): Promise<void>;
  /** Starts it again, at the same address. */
  reviveServer(): Promise<void>;
  /** From here on orders wait in line. */
  stopWorker(): Promise<void>;
  /** @param env for example `WORKER_ROLES: "reserve"`: orders are reserved and not charged */
  startWorker(env?: Readonly<Record<string, string>>): Promise<void>;
  /** Puts an item on sale as operations do. @returns its id */
  sell(name: string, terms?: SaleTerms): Promise<string>;
  /** Asks the API as operations. */
  ops(method: "GET" | "PUT" | "POST" | "PATCH", path: string, body?: object): Promise<unknown>;
  /** Another shopper, who is not in a browser, buys. @returns the order's id */
  buyAsAnother(itemId: string, card?: string): Promise<string>;
  /** What Postgres has of an item, first order first. */
  ordersOf(itemId: string): Promise<{ id: string; shopperId: string; status: string; reason: string | null }[]>;
  /** Of an item: payments that took money, and have not been refunded. */
  chargesOf(itemId: string): Promise<number>;
  close(): Promise<void>;
}

export interface SaleTerms {
  readonly units?: number;
  readonly price?: number;
  readonly opensAt?: string;
  readonly closesAt?: string;
  readonly holdSeconds?: number;
  readonly paymentRetries?: number;
  readonly maxPerShopper?: number;
}

export interface BrowserShopOptions {
  /** Of the API server, beside what it needs to run. */
  readonly env?: Readonly<Record<string, string>>;
  readonly workerEnv?: Readonly<Record<string, string>>;
}

const requestTimeoutMs = 10_000;

export async function startBrowserShop({ env = {}, workerEnv = {} }: BrowserShopOptions = {}): Promise<BrowserShop> {
  const directory = await mkdtemp(join(tmpdir(), "holdfast-browser-"));
  const [world, simulator, port] = await Promise.all([createWorld(), startTestSimulator(), freePort()]);
  const url = `http://127.0.0.1:${port}`;
  await simulator.configure({ webhooks: { url: `${url}/webhooks/stripe`, secret: webhookSecret } });
  const startServer = () => startPart("api", "api", { ...apiEnv(world, simulator, port), ...env }, directory);
  let server: Part = await startServer();
  let worker: Serving | null = await startTestWorker(world, simulator, workerEnv);
  const browser = await chromium.launch({
    executablePath: inject("chromium"),
    args: ["--no-sandbox", "--disable-gpu"], // as root, on a machine without a screen
    ignoreDefaultArgs: ["--disable-back-forward-cache"], // people's browsers have it
  });
  const stopWorker = async () => {
    await worker?.close();
    worker = null;
  };
  return {
    url,
    world,
    simulator,
    browser,
    async killServer() {
      const ended = new Promise((resolve) => server.process.once("exit", resolve));
      server.process.kill("SIGKILL");
      await ended;
    },
    async reviveServer() {
      server = await startServer();
    },
    stopWorker,
    async startWorker(more = {}) {
      await stopWorker();
      worker = await startTestWorker(world, simulator, { ...workerEnv, ...more });
    },
    ...trade(url, world, simulator),
    async close() {
      await browser.close();
      await server.stop();
      await stopWorker();
      await simulator.close();
      await world.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

function apiEnv(world: World, simulator: TestSimulator, port: number) {
  return {
    ...world.env,
    HOST: "127.0.0.1",
    PORT: String(port),
    JWT_SECRET: testJwtSecret,
    OPS_PASSWORD: testOpsPassword,
    GUEST_SESSIONS: "on",
    SHOPPER_RATE_PER_MINUTE: "0",
    ADDRESS_RATE_PER_MINUTE: "0",
    STRIPE_WEBHOOK_SECRET: webhookSecret,
    STRIPE_SIMULATOR_URL: simulator.url,
  };
}

/** What others than the shopper in the browser do, and what came of it all. */
function trade(url: string, { db }: World, simulator: TestSimulator) {
  let items = 0;
  let others = 0;
  const ops: BrowserShop["ops"] = (method, path, body) => ask(method, `${url}${path}`, opsAuthorization, body);
  return {
    ops,
    async sell(name: string, terms: SaleTerms = {}) {
      items += 1;
      const id = `item_${items}`;
      await ops("PUT", `/ops/api/items/${id}`, { name, price: 1_900, currency: "eur", units: 10, ...terms });
      return id;
    },
    async buyAsAnother(itemId: string, card = "pm_card_visa") {
      others += 1;
      const authorization = await shopperAuthorization(`another-${others}`);
      const order = await ask("POST", `${url}/purchase/${itemId}`, authorization, { paymentMethod: card });
      return (order as { id: string }).id;
    },
    ordersOf: (itemId: string) =>
      db
        .selectFrom("orders")
        .select(["id", "shopper_id as shopperId", "status", "reason"])
        .where("item_id", "=", itemId)
        .orderBy("placed_at")
        .execute(),
    async chargesOf(itemId: string) {
      const payments = (await simulator.ledger()).filter((payment) => payment.itemId === itemId);
      return payments.filter(({ amountReceived, amountRefunded }) => amountReceived > amountRefunded).length;
    },
  };
}

async function ask(method: string, url: string, authorization: string, body?: object): Promise<unknown> {
  const response = await fetch(url, {
    method,
    headers: { authorization, ...(body && { "content-type": "application/json" }) },
    ...(body && { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(requestTimeoutMs),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${url}: ${response.status} ${text}`);
  return JSON.parse(text);
}
