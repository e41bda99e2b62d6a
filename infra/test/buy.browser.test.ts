import { type BrowserShop, startBrowserShop } from "@holdfast/testing/browser-shop.ts";
import { becomes, visit } from "@holdfast/testing/storefront-page.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

describe("buying", () => {
  let shop: BrowserShop;
  beforeAll(async () => {
    shop = await startBrowserShop();
  });
  afterAll(() => shop.close());

  test("a press on Buy ends in a paid order, with its number, price and receipt", async () => {
    const itemId = await shop.sell("Poster", { price: 1_900 });
    const shopper = await visit(shop);
    await shopper.buy("Poster");
    await becomes(() => shopper.order("Poster"), "It is yours.");
    const shown = await shopper.order("Poster");
    const number = /Order ([0-9A-F]{4}-[0-9A-F]{4})/.exec(shown)?.[1];
    expect(shown).toMatch(new RegExp(`Receipt: 1 × Poster, €19.00, paid .*, order ${number}`));
    const [order, ...more] = await shop.ordersOf(itemId);
    expect(more).toEqual([]);
    expect(order?.id.replaceAll("-", "").toUpperCase().slice(-8)).toBe(number?.replace("-", ""));
    expect(order?.status).toBe("confirmed");
    expect(await shop.chargesOf(itemId)).toBe(1);
    await shopper.leave();
  });
});
