import { type BrowserShop, startBrowserShop } from "@holdfast/testing/browser-shop.ts";
import { becomes, type StorefrontPage, visit } from "@holdfast/testing/storefront-page.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

type Step = (shop: BrowserShop, shopper: StorefrontPage, itemId: string) => Promise<void>;

interface State {
  readonly name: string;
  readonly terms?: Parameters<BrowserShop["sell"]>[1];
  readonly card?: string;
  /** What happens before the press, and after it. */
  readonly before?: Step;
  readonly after?: Step;
  readonly says: string;
  /** What the order comes to in the end, and how. */
  readonly end?: Step;
  readonly endSays?: string;
}

const reserveOnly: Step = (shop) => shop.startWorker({ WORKER_ROLES: "reserve" });
const wholeWorker: Step = (shop) => shop.startWorker();
const stop: Step = (shop) => shop.stopWorker();

const states: readonly State[] = [
  { name: "queued", before: stop, says: "Waiting in line.", end: wholeWorker, endSays: "It is yours." },
  {
    name: "reserved",
    before: reserveOnly,
    says: "Reserved for you, the payment is under way.",
    end: wholeWorker,
    endSays: "It is yours.",
  },
  {
    name: "asked by the bank",
    card: "Visa, asks your bank (3-D Secure)",
    says: "Reserved for you, your bank asks you to confirm.",
    end: (_shop, shopper) => shopper.answerBank("asked by the bank", "yes"),
    endSays: "It is yours.",
  },
  {
    name: "declined within the hold",
    terms: { paymentRetries: 1 },
    card: "Visa, insufficient funds",
    says: "Reserved for you, but not paid. The card does not have enough money. Pay with another card within 9:",
    end: (_shop, shopper) => shopper.payWith("declined within the hold", "Visa, works"),
    endSays: "It is yours.",
  },
  { name: "confirmed", says: "It is yours." },
  {
    name: "declined",
    card: "Visa, declined",
    says: "Not paid: Your bank refused this card. Nothing was charged.",
  },
  {
    name: "out of stock",
    terms: { units: 1 },
    async before(shop, _shopper, itemId) {
      await shop.stopWorker();
      await shop.buyAsAnother(itemId);
    },
    after: wholeWorker,
    says: "Sold out before your turn, nothing was charged.",
  },
  {
    name: "cancelled",
    before: stop,
    after: async (shop, shopper) => {
      await becomes(() => shopper.order("cancelled"), "Waiting in line.");
      await shopper.cancel("cancelled");
      await shop.startWorker();
    },
    says: "Cancelled by you, nothing was charged.",
  },
];

describe("after a reload", () => {
  let shop: BrowserShop;
  beforeAll(async () => {
    shop = await startBrowserShop();
  });
  afterAll(() => shop.close());

  test.each(states)("an order that is $name is there again, and nothing is bought again", async (state) => {
    const { name, terms, card, before, after, says, end, endSays = says } = state;
    const itemId = await shop.sell(name, terms);
    const shopper = await visit(shop);
    await before?.(shop, shopper, itemId);
    await shopper.buy(name, card);
    await after?.(shop, shopper, itemId);
    await becomes(() => shopper.order(name), says);
    const known = (await shop.ordersOf(itemId)).length;
    for (let reloads = 0; reloads < 2; reloads++) {
      await shopper.reload();
      await becomes(() => shopper.order(name), says);
    }
    await end?.(shop, shopper, itemId);
    await becomes(() => shopper.order(name), endSays);
    expect(await shopper.orderCount(name)).toBe(1);
    expect(shopper.purchaseKeys.size).toBe(1);
    const paid = (await shop.ordersOf(itemId)).filter(({ status }) => status === "confirmed").length;
    expect(await shop.chargesOf(itemId)).toBe(paid);
    expect((await shop.ordersOf(itemId)).length).toBe(Math.max(known, 1));
    await shopper.leave();
  });

  test("and after back and forward, the orders are current and nothing is bought again", async () => {
    const itemId = await shop.sell("Poster");
    const shopper = await visit(shop);
    const { page } = shopper;
    await page.evaluate("addEventListener('pageshow', ({ persisted }) => (window.kept = persisted))");
    await shop.stopWorker();
    await shopper.buy("Poster");
    await becomes(() => shopper.order("Poster"), "Waiting in line.");
    await page.goto(`${shop.url}/problems/out_of_stock`);
    await shop.startWorker();
    await becomes(async () => (await shop.ordersOf(itemId))[0]?.status ?? "", "confirmed");
    for (let times = 0; times < 2; times++) {
      await page.evaluate("history.back()");
      await becomes(() => shopper.order("Poster"), "It is yours.");
      await page.evaluate("history.forward()");
      await becomes(async () => new URL(page.url()).pathname, "/problems");
    }
    await page.evaluate("history.back()");
    await becomes(() => page.evaluate<string>("String(window.kept)"), "true"); // out of the browser's cache
    expect(shopper.purchaseKeys.size).toBe(1);
    expect(await shop.chargesOf(itemId)).toBe(1);
    await shopper.leave();
  });
});
