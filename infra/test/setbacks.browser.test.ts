import { shopperAuthorization } from "@holdfast/testing/api.ts";
import { type BrowserShop, startBrowserShop } from "@holdfast/testing/browser-shop.ts";
import { becomes, type StorefrontPage, visit } from "@holdfast/testing/storefront-page.ts";
import type { Route } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const bank = "Visa, asks your bank (3-D Secure)";
const unavailable = (route: Route) =>
  route.fulfill({
    status: 503,
    contentType: "application/problem+json",
    headers: { "retry-after": "1" },
    body: JSON.stringify({ code: "unavailable", title: "Not now", status: 503 }),
  });
const isCut = (route: Route) => route.abort("connectionreset");

/** What can go wrong around a page, beside a purchase whose answer is lost. */
describe("the storefront", () => {
  let shop: BrowserShop;
  beforeAll(async () => {
    shop = await startBrowserShop();
  });
  afterAll(() => shop.close());

  const focused = ({ page }: StorefrontPage) => page.evaluate<string>("document.activeElement.textContent");

  async function hide({ page }: StorefrontPage, hidden: boolean) {
    const state = hidden ? "hidden" : "visible";
    await page.evaluate(
      `Object.defineProperty(document, "visibilityState", { value: "${state}", configurable: true });
       document.dispatchEvent(new Event("visibilitychange"));`,
    );
  }

  test.each([
    ["how this shop sells", "**/storefront.json"],
    ["what is on sale", "**/items"],
    ["the shopper's orders", "**/orders?*"],
    ["one order", /\/orders\/[^/?]+$/],
  ])("shows everything after a reload in which a single request failed: for %s", async (what, url) => {
    for (const [how, fail] of Object.entries({ unavailable, isCut })) {
      const name = `${what} ${how}`;
      await shop.sell(name);
      const shopper = await visit(shop, { requestsFail: true });
      await shopper.buy(name, bank);
      await becomes(() => shopper.order(name), "your bank asks");
      await shopper.page.route(url, fail, { times: 1 });
      await shopper.reload();
      await becomes(() => shopper.order(name), "your bank asks");
      await becomes(() => shopper.item(name), "Buy");
      await becomes(() => shopper.notices(), /^$/);
      await shopper.leave();
    }
  });

  test("goes on with a fresh purchase after a reload in which what is on sale came late", async () => {
    const itemId = await shop.sell("Mast");
    const shopper = await visit(shop, { requestsFail: true });
    await becomes(() => shopper.item("Mast"), "Buy");
    await shopper.page.route("**/purchase/*", isCut);
    await shopper.buy("Mast");
    await becomes(async () => shopper.purchaseKeys.size, 1);
    await shopper.page.route("**/items", isCut, { times: 1 });
    await shopper.reload();
    await shopper.page.unroute("**/purchase/*");
    await becomes(() => shopper.order("Mast"), "It is yours.");
    expect(await shop.ordersOf(itemId)).toHaveLength(1);
    await shopper.leave();
  });

  test("takes its word of the lost connection back when the network is there again", async () => {
    await shop.sell("Anchor");
    const shopper = await visit(shop, { requestsFail: true });
    const order = /\/orders\/[^/?]+$/;
    await shopper.page.route(order, isCut);
    await shopper.buy("Anchor", bank);
    await becomes(() => shopper.notices(), "We lost the connection");
    await shopper.page.unroute(order);
    await shopper.page.evaluate("dispatchEvent(new Event('online'))");
    await becomes(() => shopper.notices(), /^$/, 3_000);
    await becomes(async () => (await shopper.announcements()).join(" "), "The connection is back.");
    await shopper.leave();
  });

  test.each(["/sentences.js", "/storefront.js", "/test-cards.js"])(
    "is not blank where one of its scripts, %s, does not come: a sentence says what to do",
    async (script) => {
      const shopper = await visit(shop, { requestsFail: true });
      await shopper.page.route(`**${script}`, (route) => route.fulfill({ status: 503, body: "" }));
      await shopper.reload();
      await becomes(() => shopper.notices(), "If nothing comes, load the page again.");
      await shopper.context.close(); // the failed script is complained about, as it should be
    },
  );

  test("says of a cancellation that was not answered what is true, and speaks of no purchase", async () => {
    await shop.sell("Buoy");
    const shopper = await visit(shop, { requestsFail: true });
    await shopper.buy("Buoy", bank);
    await becomes(() => shopper.order("Buoy"), "your bank asks");
    await shopper.page.route(/\/orders\/[^/?]+$/, (route) =>
      route.request().method() === "DELETE" ? isCut(route) : route.continue(),
    );
    await shopper.cancel("Buoy");
    await becomes(() => shopper.notices(), "The order may still stand. Press Cancel again.");
    await shopper.page.unrouteAll();
    await shopper.cancel("Buoy");
    await becomes(() => shopper.order("Buoy"), "Cancelled by you, nothing was charged.");
    await shopper.leave();
  });

  test("asks for nothing in a hidden tab when another one buys, and has the order when it is seen", async () => {
    await shop.sell("Chart");
    const shopper = await visit(shop);
    const hidden = await shopper.openTab();
    await becomes(() => hidden.item("Chart"), "Buy");
    await hide(hidden, true);
    await hidden.page.waitForTimeout(500);
    const asked: string[] = [];
    hidden.page.on("request", (request) => asked.push(new URL(request.url()).pathname));
    await shopper.buy("Chart");
    await becomes(() => shopper.order("Chart"), "It is yours.");
    await hidden.page.waitForTimeout(1_000);
    expect(asked).toEqual([]);
    await hide(hidden, false);
    await becomes(() => hidden.order("Chart"), "It is yours.");
    await shopper.leave();
  });

  test("shows older orders, and goes on from the first of them by keyboard", async () => {
    await shop.sell("Rope", { units: 100 });
    const shopper = await visit(shop);
    await shopper.buy("Rope");
    await becomes(() => shopper.order("Rope"), "It is yours.");
    const { token } = JSON.parse(await shopper.page.evaluate<string>("localStorage['holdfast:session']")) as {
      token: string;
    };
    const itemId = await shopper.page.locator("li.item", { hasText: "Rope" }).getAttribute("data-item");
    for (let more = 0; more < 11; more++) {
      const answer = await fetch(`${shop.url}/purchase/${itemId}`, {
        method: "POST",
        headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
        body: JSON.stringify({ paymentMethod: "pm_card_visa" }),
        signal: AbortSignal.timeout(10_000),
      });
      expect(answer.status).toBe(202);
    }
    await shopper.reload();
    await becomes(() => shopper.orderCount("Rope"), 10);
    await shopper.page.getByRole("button", { name: "Older orders" }).press("Enter");
    await becomes(() => shopper.orderCount("Rope"), 12);
    expect(await focused(shopper)).toBe("1 × Rope");
    await shopper.leave();
  });

  test("counts a hold down by the shop's clock, whatever the device's says", async () => {
    await shop.sell("Log", { paymentRetries: 1, holdSeconds: 600 });
    const shopper = await visit(shop);
    await shopper.page.addInitScript("{ const now = Date.now; Date.now = () => now() - 3_600_000; }");
    await shopper.reload();
    await shopper.buy("Log", "Visa, declined");
    await becomes(() => shopper.order("Log"), /Pay with another card within (9:\d\d|10:00)/);
    await shopper.leave();
  });

  test("drops a purchase that was not answered, when its shopper says so", async () => {
    const itemId = await shop.sell("Oar");
    const shopper = await visit(shop, { requestsFail: true });
    await shopper.page.route("**/purchase/*", isCut);
    await shopper.buy("Oar");
    await becomes(() => shopper.notices(), "Press again");
    await shopper.page.unrouteAll();
    await shopper.page.getByRole("button", { name: "Forget this purchase Oar" }).click();
    await becomes(() => shopper.notices(), "Forgotten in this browser.");
    expect(await focused(shopper)).toBe("Buy Oar");
    await shopper.reload();
    await becomes(() => shopper.item("Oar"), "Buy");
    expect(await shop.ordersOf(itemId)).toEqual([]);
    await shopper.leave();
  });

  describe("in a browser that keeps nothing", () => {
    const forbidden = `for (const name of ["localStorage", "sessionStorage"])
      Object.defineProperty(window, name, { get() { throw new DOMException("denied", "SecurityError"); } });`;

    async function visitForbidden() {
      const shopper = await visit(shop);
      await shopper.page.addInitScript(forbidden);
      await shopper.reload();
      return shopper;
    }

    test("says so before anything is bought, and what to do", async () => {
      await shop.sell("Flag");
      const shopper = await visitForbidden();
      await becomes(() => shopper.item("Flag"), "Buy");
      await becomes(() => shopper.notices(), "Note the number of what you order, and do not load the page again");
      await shopper.leave();
    });

    test("signs a shopper in without a reload, which would lose the token", async () => {
      await shop.sell("Keel");
      const token = (await shopperAuthorization("keeps-nothing")).replace("Bearer ", "");
      const shopper = await visitForbidden();
      await becomes(() => shopper.item("Keel"), "Buy");
      await shopper.page.evaluate(`window.sameDocument = true; location.hash = "token=${token}"`);
      await becomes(() => shopper.page.evaluate<string>("location.hash"), /^$/);
      await shopper.buy("Keel");
      await becomes(() => shopper.order("Keel"), "It is yours.");
      expect(await shopper.page.evaluate("window.sameDocument")).toBe(true);
      const itemId = (await shopper.page.locator("li.item", { hasText: "Keel" }).getAttribute("data-item")) ?? "";
      expect(await shop.ordersOf(itemId)).toMatchObject([{ shopperId: "keeps-nothing" }]);
      await shopper.leave();
    });
  });
});
