import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "@holdfast/infra/local/processes.ts";
import { type Part, startPart } from "@holdfast/infra/local/system.ts";
import type { Serving } from "@holdfast/shared/run-process.ts";
import { type Browser, chromium } from "playwright-core";
import { inject } from "vitest";
import { testJwtSecret, testOpsPassword } from "./api.ts";
import { startTestSimulator, type TestSimulator } from "./simulator.ts";
import { startTestWorker } from "./worker.ts";
import { createWorld, type World } from "./world.ts";

const webhookSecret = "whsec_browser_tests";

/** A whole shop for a browser: the API server is a process of its own, which a test may kill. */
export interface BrowserShop {
  readonly url: string;
  readonly world: World;
  readonly simulator: TestSimulator;
  readonly browser: Browser;
  /** SIGKILL: nothing it has in hand is answered. */
  killServer(): Promise<void>;
  /** Starts it again, at the same address. */
  reviveServer(): Promise<void>;
  close(): Promise<void>;
}

export interface BrowserShopOptions {
  /** Of the API server, beside what it needs to run. */
  readonly env?: Readonly<Record<string, string>>;
  readonly workerEnv?: Readonly<Record<string, string>>;
}

export async function startBrowserShop({ env = {}, workerEnv = {} }: BrowserShopOptions = {}): Promise<BrowserShop> {
  const directory = await mkdtemp(join(tmpdir(), "holdfast-browser-"));
  const [world, simulator, port] = await Promise.all([createWorld(), startTestSimulator(), freePort()]);
  const url = `http://127.0.0.1:${port}`;
  await simulator.configure({ webhooks: { url: `${url}/webhooks/stripe`, secret: webhookSecret } });
  const startServer = () =>
    startPart(
      "api",
      "api",
      {
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
        ...env,
      },
      directory,
    );
  let server: Part = await startServer();
  const worker: Serving = await startTestWorker(world, simulator, workerEnv);
  const browser = await chromium.launch({
    executablePath: inject("chromium"),
    args: ["--no-sandbox", "--disable-gpu"], // as root, on a machine without a screen
  });
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
    async close() {
      await browser.close();
      await server.stop();
      await worker.close();
      await simulator.close();
      await world.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
