import { fileURLToPath } from "node:url";
import { type BrowserShop, startBrowserShop } from "@holdfast/testing/browser-shop.ts";
import { becomes, visit } from "@holdfast/testing/storefront-page.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const asksBank = "Visa, asks your bank (3-D Secure)";

/** The shop of `npm start`; its screenshots are the README's (docs/images/storefront*.png). */
describe("the example shop", () => {
  let shop: BrowserShop;
  beforeAll(async () => {
    const directory = fileURLToPath(new URL("../local/shop/", import.meta.url));
    shop = await startBrowserShop({ env: { STOREFRONT_DIRECTORY: directory } });
    const jacket = { name: "Tour jacket", price: 8_900, currency: "eur", units: 100 };
    await shop.ops("PUT", "/ops/api/items/item_123", jacket);
    await shop.sell("Live album, signed", { price: 3_400, units: 40 });
    await shop.sell("Test pressing", {
      price: 12_000,
      units: 5,
      opensAt: new Date(Date.now() + 600_000).toISOString(),
    });
  });
  afterAll(() => shop.close());

  test.each([
    { name: "storefront", viewport: { width: 1_000, height: 1_110 } },
    { name: "storefront-phone", viewport: { width: 360, height: 740 }, isMobile: true, deviceScaleFactor: 2 },
  ])("opens without an error on the console, and sells ($name)", async ({ name, ...options }) => {
    const shopper = await visit(shop, options);
    await becomes(() => shopper.item("Test pressing"), "Opens in");
    await shopper.buy("Tour jacket");
    await becomes(() => shopper.order("Tour jacket"), "It is yours.");
    await shopper.buy("Live album, signed", asksBank);
    await becomes(() => shopper.order("Live album, signed"), "your bank asks you to confirm");
    for (const item of ["Tour jacket", "Live album, signed"]) await becomes(() => shopper.item(item), /Buy\s/);
    await shopper.page.evaluate("document.activeElement.blur(); scrollTo(0, 0)");
    await becomes(() => shopper.page.evaluate<number>("scrollY"), 0);
    await shopper.page.waitForTimeout(500); // until it is drawn
    await shopper.picture(name);
    await shopper.answerBank("Live album, signed", "yes");
    await becomes(() => shopper.order("Live album, signed"), "It is yours.");
    expect(await shopper.axeFindings()).toEqual([]);
    await shopper.leave();
  });
});
