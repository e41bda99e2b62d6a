import { type BrowserShop, startBrowserShop } from "@holdfast/testing/browser-shop.ts";
import { becomes, type StorefrontPage, visit } from "@holdfast/testing/storefront-page.ts";
import { eventually } from "@holdfast/testing/world.ts";
import type { Request, Response } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";

const watchedMs = 3_000;

const isWait = (request: Request) => request.headers().prefer?.startsWith("wait=") === true;

/** What a crowd of pages asks of the shop, counted on one of them. */
describe("the requests of a page", () => {
  let shop: BrowserShop;
  beforeAll(async () => {
    shop = await startBrowserShop();
  });
  afterAll(() => shop.close());
  afterEach(() => shop.startWorker());

  /** What is asked for and answered from now on. */
  function count({ page }: StorefrontPage) {
    const asked = { items: 0, waits: 0, other: [] as string[] };
    const answers: Response[] = [];
    page.on("request", (request) => {
      const { pathname } = new URL(request.url());
      if (pathname === "/items") asked.items += 1;
      else if (isWait(request)) asked.waits += 1;
      else asked.other.push(`${request.method()} ${pathname}`);
    });
    page.on("response", (response) => void answers.push(response));
    return { asked, answers };
  }

  /** As when another tab is put in front of this one; a browser without a screen has no front. */
  async function show({ page }: StorefrontPage, state: "hidden" | "visible") {
    await page.evaluate(`
      Object.defineProperty(document, "visibilityState", { value: "${state}", configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));`);
  }

  test("while nothing changes, items are asked for once a second, and answered with 304", async () => {
    await shop.sell("Poster");
    const shopper = await visit(shop);
    await becomes(() => shopper.item("Poster"), "Buy");
    const { asked, answers } = count(shopper);
    const beganAtMs = performance.now();
    await eventually("it has asked three times", async () => asked.items >= 3);
    expect(asked.items).toBeLessThanOrEqual((performance.now() - beganAtMs) / 1_000 + 2);
    expect(asked.waits).toBe(0);
    expect(asked.other).toEqual([]);
    expect(new Set(answers.map((answer) => answer.status()))).toEqual(new Set([304]));
    await shopper.leave();
  });

  test("an order that waits is one long poll, held by the shop, and no more", async () => {
    await shop.sell("Print");
    const shopper = await visit(shop);
    await shop.stopWorker();
    await shopper.buy("Print");
    await becomes(() => shopper.order("Print"), "Waiting in line.");
    const { asked } = count(shopper);
    await shopper.page.waitForTimeout(watchedMs);
    expect(asked.waits).toBeLessThanOrEqual(1);
    expect(asked.items).toBeLessThanOrEqual(4);
    expect(asked.other).toEqual([]);
    await shop.startWorker();
    await becomes(() => shopper.order("Print"), "It is yours.");
    await shopper.leave();
  });

  test("of five waiting orders three are asked about at a time, and all end as they should", async () => {
    const names = ["One", "Two", "Three", "Four", "Five"];
    for (const name of names) await shop.sell(name);
    const shopper = await visit(shop);
    const { page } = shopper;
    let [open, most] = [0, 0];
    const ended = (request: Request) => {
      if (isWait(request)) open -= 1;
    };
    page.on("request", (request) => {
      if (isWait(request)) open += 1;
      most = Math.max(most, open);
    });
    page.on("requestfinished", ended);
    page.on("requestfailed", ended);
    await shop.stopWorker();
    for (const name of names) await shopper.buy(name);
    for (const name of names) await becomes(() => shopper.order(name), "Waiting in line.");
    await page.waitForTimeout(1_000);
    await shop.startWorker();
    for (const name of names) await becomes(() => shopper.order(name), "It is yours.", 30_000);
    expect(most).toBe(3);
    await shopper.leave();
  });

  test("a page that nobody sees asks for nothing, and is current at once when it is seen again", async () => {
    const itemId = await shop.sell("Cap", { units: 3 });
    const shopper = await visit(shop);
    await shop.stopWorker();
    await shopper.buy("Cap");
    await becomes(() => shopper.order("Cap"), "Waiting in line.");
    await show(shopper, "hidden");
    await shopper.page.waitForTimeout(300); // what was under way
    const { asked } = count(shopper);
    await shop.buyAsAnother(itemId);
    await shop.startWorker();
    await becomes(async () => (await shop.ordersOf(itemId)).filter(({ status }) => status === "confirmed").length, 2);
    await shopper.page.waitForTimeout(watchedMs);
    expect(asked).toEqual({ items: 0, waits: 0, other: [] });
    await show(shopper, "visible");
    await becomes(() => shopper.order("Cap"), "It is yours.", 1_500);
    await becomes(() => shopper.item("Cap"), "1 unit left", 1_500);
    await shopper.leave();
  });
});
