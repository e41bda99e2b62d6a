import { type BrowserShop, startBrowserShop } from "@holdfast/testing/browser-shop.ts";
import { becomes, type StorefrontPage, visit } from "@holdfast/testing/storefront-page.ts";
import type { Route } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const outage = "We lost the connection; your order is safe, we keep asking.";

describe("one order comes of it", () => {
  let shop: BrowserShop;
  beforeAll(async () => {
    shop = await startBrowserShop();
  });
  afterAll(() => shop.close());

  async function expectOneOrder(itemId: string) {
    expect(await shop.ordersOf(itemId)).toMatchObject([{ status: "confirmed" }]);
    expect(await shop.chargesOf(itemId)).toBe(1);
  }

  /** The shop takes purchases, and the answers get lost. @returns how many so far */
  async function loseAnswers({ page }: StorefrontPage, atMost = Number.POSITIVE_INFINITY) {
    let lost = 0;
    await page.route("**/purchase/*", async (route) => {
      if (lost >= atMost) return route.continue();
      lost += 1;
      await route.fetch();
      await route.abort("connectionreset");
    });
    return () => lost;
  }

  test("a purchase that was taken, and its answer lost, is sent again and is one order", async () => {
    const itemId = await shop.sell("Poster");
    const shopper = await visit(shop, { requestsFail: true });
    const lost = await loseAnswers(shopper, 2);
    await shopper.buy("Poster");
    await becomes(() => shopper.order("Poster"), "It is yours.");
    expect(lost()).toBe(2);
    expect(shopper.purchaseKeys.size).toBe(1);
    await expectOneOrder(itemId);
    await shopper.leave();
  });

  test("where no answer comes at all, the page says that pressing again is safe, and it is", async () => {
    const itemId = await shop.sell("Print");
    const shopper = await visit(shop, { requestsFail: true });
    await loseAnswers(shopper);
    await shopper.buy("Print");
    await becomes(() => shopper.notices(), "Press again: it is the same purchase, and paid once.");
    await shopper.page.unroute("**/purchase/*");
    await shopper.page.getByRole("button", { name: "Check my purchase Print" }).click();
    await becomes(() => shopper.order("Print"), "It is yours.");
    expect(await shopper.notices()).toBe("");
    await expectOneOrder(itemId);
    await shopper.leave();
  });

  test.each([true, false])(
    "a page loaded again before the answer goes on with it (the shop has it: %s)",
    async (has) => {
      const name = `Jacket, ${has}`;
      const itemId = await shop.sell(name);
      const shopper = await visit(shop, { requestsFail: true });
      let sent = 0;
      await shopper.page.route("**/purchase/*", async (route) => {
        if (has) await route.fetch();
        sent += 1; // and no answer: that the page is loaded again ends the request
      });
      await shopper.buy(name);
      await becomes(async () => sent, 1);
      await shopper.page.unroute("**/purchase/*");
      await shopper.reload();
      await becomes(() => shopper.order(name), "It is yours.");
      expect(shopper.purchaseKeys.size).toBe(1);
      await expectOneOrder(itemId);
      await shopper.leave();
    },
  );

  test("with the server killed before it answers, the purchase goes on when it is back, as one order", async () => {
    const itemId = await shop.sell("Record");
    const shopper = await visit(shop, { requestsFail: true });
    const killBeforeAnswer = async (route: Route) => {
      await route.fetch();
      await shop.killServer();
      await route.abort("connectionreset");
    };
    await shopper.page.route("**/purchase/*", killBeforeAnswer, { times: 1 });
    await shopper.buy("Record");
    await becomes(() => shopper.notices(), "Press again: it is the same purchase, and paid once.");
    await shop.reviveServer();
    await becomes(() => shopper.order("Record"), "It is yours.", 30_000);
    await becomes(() => shopper.notices(), /^$/);
    expect(shopper.purchaseKeys.size).toBe(1);
    await expectOneOrder(itemId);
    await shopper.leave();
  });

  test("a network that is lost for a while ends in one order", async () => {
    const itemId = await shop.sell("Atlas");
    const shopper = await visit(shop, { requestsFail: true });
    await becomes(() => shopper.item("Atlas"), "Buy");
    await shopper.context.setOffline(true);
    await shopper.buy("Atlas");
    await becomes(() => shopper.notices(), "Press again: it is the same purchase, and paid once.");
    expect(await shop.ordersOf(itemId)).toEqual([]);
    await shopper.context.setOffline(false);
    await becomes(() => shopper.order("Atlas"), "It is yours.");
    expect(shopper.purchaseKeys.size).toBe(1);
    await expectOneOrder(itemId);
    await shopper.leave();
  });

  test("while the server is down an order is said to be safe, and then what came of it", async () => {
    const itemId = await shop.sell("Ticket");
    const shopper = await visit(shop, { requestsFail: true });
    await shop.stopWorker();
    await shopper.buy("Ticket");
    await becomes(() => shopper.order("Ticket"), "Waiting in line.");
    await shop.killServer();
    await becomes(() => shopper.notices(), outage);
    await shopper.picture("outage");
    await shop.startWorker(); // the sale goes on without the server
    await shop.reviveServer();
    await becomes(() => shopper.order("Ticket"), "It is yours.", 40_000);
    await becomes(() => shopper.notices(), /^$/, 30_000);
    expect(await shopper.announcements()).toContain(outage);
    await expectOneOrder(itemId);
    await shopper.leave();
  });

  test("a page opened while the server is down says so, and has the orders when it is back", async () => {
    await shop.sell("Cup");
    const shopper = await visit(shop, { requestsFail: true });
    await shopper.buy("Cup");
    await becomes(() => shopper.order("Cup"), "It is yours.");
    await shopper.page.route(/\/(items|orders|storefront\.json)/, (route) => route.abort());
    await shopper.reload();
    await becomes(() => shopper.notices(), "The shop does not answer. Trying again …");
    await shopper.page.unrouteAll();
    await becomes(() => shopper.order("Cup"), "It is yours.");
    await becomes(() => shopper.notices(), /^$/);
    expect(shopper.purchaseKeys.size).toBe(1);
    await shopper.leave();
  });

  test("Buy pressed in two tabs, while the first has no answer, is one order", async () => {
    const itemId = await shop.sell("Globe");
    const first = await visit(shop);
    const second = await first.openTab();
    const { promise: answered, resolve: answer } = Promise.withResolvers<void>();
    await first.page.route("**/purchase/*", async (route) => {
      const response = await route.fetch();
      await answered;
      await route.fulfill({ response });
    });
    await first.buy("Globe");
    await becomes(async () => (await shop.ordersOf(itemId)).length, 1);
    await second.buyButton("Globe").dispatchEvent("click");
    await second.page.waitForTimeout(1_500);
    answer();
    for (const tab of [first, second]) await becomes(() => tab.order("Globe"), "It is yours.");
    for (const tab of [first, second]) expect(await tab.orderCount("Globe")).toBe(1);
    await expectOneOrder(itemId);
    await first.leave();
  });

  test.each([0, 100, 400])("Buy pressed in two tabs, %i ms apart, is one order", async (apartMs) => {
    const name = `Kite ${apartMs}`;
    const itemId = await shop.sell(name);
    const first = await visit(shop);
    const second = await first.openTab();
    for (const tab of [first, second]) await becomes(() => tab.item(name), "Buy");
    const press = (tab: StorefrontPage) => tab.buyButton(name).dispatchEvent("click");
    await Promise.all([press(first), first.page.waitForTimeout(apartMs).then(() => press(second))]);
    await first.page.waitForTimeout(500);
    for (const tab of [first, second]) await becomes(() => tab.order(name), "It is yours.");
    expect(new Set([...first.purchaseKeys, ...second.purchaseKeys]).size).toBe(1);
    await expectOneOrder(itemId);
    await first.leave();
  });

  test("a tab shows an order that was made in the other", async () => {
    await shop.sell("Bell");
    const first = await visit(shop);
    const second = await first.openTab();
    await first.buy("Bell");
    for (const tab of [first, second]) await becomes(() => tab.order("Bell"), "It is yours.");
    expect(second.purchaseKeys.size).toBe(0);
    await first.leave();
  });

  test("a tab that is closed before the answer leaves its purchase to the other", async () => {
    const itemId = await shop.sell("Fan");
    const first = await visit(shop, { requestsFail: true });
    const second = await first.openTab();
    const { promise: taken, resolve: take } = Promise.withResolvers<void>();
    await first.page.route("**/purchase/*", async (route) => {
      await route.fetch();
      take();
    });
    await first.buy("Fan");
    await taken;
    await first.page.close();
    await second.page.getByRole("button", { name: "Check my purchase Fan" }).click();
    await becomes(() => second.order("Fan"), "It is yours.");
    await expectOneOrder(itemId);
    await second.leave();
  });
});
