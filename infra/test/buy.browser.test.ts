import { type BrowserShop, startBrowserShop } from "@holdfast/testing/browser-shop.ts";
import { becomes, type StorefrontPage, visit } from "@holdfast/testing/storefront-page.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

describe("buying", () => {
  let shop: BrowserShop;
  beforeAll(async () => {
    shop = await startBrowserShop();
  });
  afterAll(() => shop.close());

  async function expectOneOrder(itemId: string, shopper: StorefrontPage) {
    expect(shopper.purchaseKeys.size).toBe(1);
    expect(await shop.ordersOf(itemId)).toMatchObject([{ status: "confirmed" }]);
    expect(await shop.chargesOf(itemId)).toBe(1);
  }

  test("a press on Buy ends in a paid order, with its number, price and receipt", async () => {
    const itemId = await shop.sell("Poster", { price: 1_900 });
    const shopper = await visit(shop);
    await shopper.buy("Poster");
    await becomes(() => shopper.order("Poster"), "It is yours.");
    const shown = await shopper.order("Poster");
    const number = /Order ([0-9A-F]{4}-[0-9A-F]{4})/.exec(shown)?.[1];
    expect(shown).toMatch(new RegExp(`Receipt: 1 × Poster, €19.00, paid .*, order ${number}`));
    const [order] = await shop.ordersOf(itemId);
    expect(order?.id.replaceAll("-", "").toUpperCase().slice(-8)).toBe(number?.replace("-", ""));
    await expectOneOrder(itemId, shopper);
    await shopper.leave();
  });

  test("the new order is the first, in view, has the focus, and is announced once", async () => {
    const ids = await Promise.all(["Book", "Mug", "Lamp", "Vase", "Bowl", "Cup"].map((name) => shop.sell(name)));
    const shopper = await visit(shop, { viewport: { width: 400, height: 600 } });
    await shopper.buy("Book");
    await becomes(() => shopper.order("Book"), "It is yours.");
    await shopper.buy("Cup"); // far below the orders
    await becomes(() => shopper.order("Cup"), "It is yours.");
    expect(await shopper.page.evaluate("document.activeElement.textContent")).toBe("1 × Cup");
    const titles = await shopper.page.getByRole("region", { name: "Your orders" }).getByRole("heading").allInnerTexts();
    expect(titles).toEqual(["Your orders", "1 × Cup", "1 × Book"]);
    await becomes(
      () => shopper.page.evaluate<number>("Math.sign(document.activeElement.getBoundingClientRect().top)"),
      1,
    );
    const box = await shopper.orderOf("Cup").boundingBox();
    expect((box?.y ?? 0) + (box?.height ?? 0)).toBeLessThanOrEqual(600);
    const said = await shopper.announcements();
    expect(said.filter((text) => text.includes("for Cup"))).toHaveLength(1);
    expect(said.filter((text, i) => text === said[i - 1])).toEqual([]);
    expect(await shop.chargesOf(ids[5] ?? "")).toBe(1);
    await shopper.leave();
  });

  test.each([0, 30, 400])("a double click, its clicks %i ms apart, is one order", async (apartMs) => {
    const name = `Double ${apartMs}`;
    const itemId = await shop.sell(name);
    const shopper = await visit(shop);
    await shopper.buyButton(name).scrollIntoViewIfNeeded();
    const box = await shopper.buyButton(name).boundingBox();
    const [x, y] = [(box?.x ?? 0) + 10, (box?.y ?? 0) + 10];
    await shopper.page.mouse.click(x, y);
    await shopper.page.waitForTimeout(apartMs);
    await shopper.page.mouse.click(x, y, { clickCount: 2 });
    await shopper.page.waitForTimeout(500);
    await becomes(() => shopper.order(name), "It is yours.");
    await expectOneOrder(itemId, shopper);
    await shopper.leave();
  });

  test.each([0, 150])("Buy pressed again where it has moved to, after %i ms, is one order", async (apartMs) => {
    const name = `Twice ${apartMs}`;
    const itemId = await shop.sell(name);
    const shopper = await visit(shop);
    await shopper.buyButton(name).dispatchEvent("click");
    await shopper.page.waitForTimeout(apartMs);
    await shopper.buyButton(name).dispatchEvent("click");
    await shopper.page.waitForTimeout(500);
    await becomes(() => shopper.order(name), "It is yours.");
    await expectOneOrder(itemId, shopper);
    await shopper.leave();
  });

  test.each([0, 200])("Enter pressed twice, %i ms apart, is one order", async (apartMs) => {
    const name = `Enter ${apartMs}`;
    const itemId = await shop.sell(name);
    const shopper = await visit(shop);
    await shopper.buyButton(name).focus();
    await shopper.page.keyboard.press("Enter");
    await shopper.page.waitForTimeout(apartMs);
    await shopper.page.keyboard.press("Enter");
    await becomes(() => shopper.order(name), "It is yours.");
    await expectOneOrder(itemId, shopper);
    await shopper.leave();
  });

  test("one who wants a second unit gets it by pressing again", async () => {
    const itemId = await shop.sell("Pair");
    const shopper = await visit(shop);
    for (const count of [1, 2]) {
      await shopper.buy("Pair");
      await becomes(() => shopper.orderCount("Pair"), count);
      await becomes(() => shopper.order("Pair"), "It is yours.");
    }
    expect(await shop.chargesOf(itemId)).toBe(2);
    await shopper.leave();
  });

  test("a first-time visitor who buys two items at once is one guest", async () => {
    const [scarf, hat] = [await shop.sell("Scarf"), await shop.sell("Hat")];
    const shopper = await visit(shop);
    const sessions: string[] = [];
    shopper.page.on("request", (request) => {
      if (request.url().endsWith("/sessions")) sessions.push(request.url());
    });
    await Promise.all(["Scarf", "Hat"].map((item) => shopper.buyButton(item).dispatchEvent("click")));
    for (const item of ["Scarf", "Hat"]) await becomes(() => shopper.order(item), "It is yours.");
    expect(sessions).toHaveLength(1);
    const orders = [...(await shop.ordersOf(scarf)), ...(await shop.ordersOf(hat))];
    expect(orders).toHaveLength(2);
    expect(new Set(orders.map(({ shopperId }) => shopperId)).size).toBe(1);
    await shopper.leave();
  });

  test("what a shop or a program wrote is shown as text, never as HTML", async () => {
    const name = "<img src=x onerror=alert(1)>";
    const itemId = await shop.sell(name);
    const shopper = await visit(shop);
    await shopper.buy(name);
    await becomes(() => shopper.order(name), "It is yours.");
    const buy = `(async () => {
      const { createClient } = await import("/client.js");
      const metadata = { "<b>note</b>": "<script>alert(1)</script>${name}" };
      return (await createClient().buy("${itemId}", { paymentMethod: "pm_card_visa", metadata })).id;
    })()`;
    await shopper.page.evaluate(buy);
    await shopper.reload();
    await becomes(() => shopper.orderCount(name), 2);
    expect(await shopper.page.locator("main img, main script, main b:not(.count)").count()).toBe(0);
    await shopper.leave();
  });
});
