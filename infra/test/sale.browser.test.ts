import { type BrowserShop, startBrowserShop } from "@holdfast/testing/browser-shop.ts";
import { becomes, visit } from "@holdfast/testing/storefront-page.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const secondsMs = 5_000; // what a shopper who looks at the page may have to wait for it

const inMs = (ms: number) => new Date(Date.now() + ms).toISOString();

describe("a sale, watched without a reload", () => {
  let shop: BrowserShop;
  beforeAll(async () => {
    shop = await startBrowserShop();
  });
  afterAll(() => shop.close());

  test("units that others take are gone within seconds, and Buy is off with the last", async () => {
    const itemId = await shop.sell("Poster", { units: 2 });
    const shopper = await visit(shop);
    await becomes(() => shopper.item("Poster"), "2 units left");
    await shop.buyAsAnother(itemId);
    await becomes(() => shopper.item("Poster"), "1 unit left", secondsMs);
    await shop.buyAsAnother(itemId);
    await becomes(() => shopper.item("Poster"), "Out of stock", secondsMs);
    const button = shopper.buyButton("Poster");
    expect(await button.getAttribute("aria-disabled")).toBe("true");
    await button.dispatchEvent("click");
    await shopper.page.waitForTimeout(500);
    expect(shopper.purchaseKeys.size).toBe(0);
    await shopper.picture("sold-out");
    await shopper.leave();
  });

  test("a unit that comes back can be bought", async () => {
    await shop.startWorker({ WORKER_ROLES: "reserve" });
    const itemId = await shop.sell("Print", { units: 1 });
    const shopper = await visit(shop);
    await shop.buyAsAnother(itemId, "pm_card_chargeDeclined");
    await becomes(() => shopper.item("Print"), "Out of stock", secondsMs);
    await shop.startWorker(); // their card is declined
    await becomes(() => shopper.item("Print"), "1 unit left", secondsMs * 2);
    await shopper.buy("Print");
    await becomes(() => shopper.order("Print"), "It is yours.");
    await shopper.leave();
  });

  test("pressed on the last unit when it has just gone, Buy says so and nothing is charged", async () => {
    const itemId = await shop.sell("Cap", { units: 1 });
    const shopper = await visit(shop, { requestsFail: true }); // a refusal is an answer of 409
    await becomes(() => shopper.item("Cap"), "Buy");
    await shopper.page.route("**/items", (route) => route.abort());
    await shop.buyAsAnother(itemId);
    await becomes(async () => (await shop.ordersOf(itemId))[0]?.status ?? "", "confirmed");
    await shopper.buy("Cap");
    await becomes(async () => `${await shopper.notices()} ${await shopper.order("Cap")}`, /Sold out/);
    expect(await shop.chargesOf(itemId)).toBe(1);
    await shopper.leave();
  });

  test("a sale counts down and opens by itself at its time", async () => {
    const itemId = await shop.sell("Lamp", { opensAt: inMs(4_000) });
    const shopper = await visit(shop);
    await becomes(() => shopper.item("Lamp"), /Opens in 0:0[1-4]/);
    expect(await shopper.buyButton("Lamp").getAttribute("aria-disabled")).toBe("true");
    await becomes(async () => `${await shopper.buyButton("Lamp").textContent()}.`, "Buy Lamp.", 4_000 + secondsMs);
    await shopper.buy("Lamp");
    await becomes(() => shopper.order("Lamp"), "It is yours.");
    expect(await shop.chargesOf(itemId)).toBe(1);
    await shopper.leave();
  });

  test("and it ends by itself", async () => {
    await shop.sell("Bowl", { closesAt: inMs(3_000) });
    const shopper = await visit(shop);
    await becomes(() => shopper.item("Bowl"), "Buy");
    await becomes(() => shopper.item("Bowl"), "Sale is over", 3_000 + secondsMs);
    expect(await shopper.buyButton("Bowl").getAttribute("aria-disabled")).toBe("true");
    await shopper.leave();
  });

  test("an item that is put on sale appears", async () => {
    const shopper = await visit(shop);
    await shop.sell("Surprise");
    await becomes(() => shopper.item("Surprise"), "€19.00", secondsMs);
    await shopper.leave();
  });

  test("one who has as many as one shopper may buy is told so, and charged nothing more", async () => {
    const itemId = await shop.sell("One each", { maxPerShopper: 1 });
    const shopper = await visit(shop);
    await shopper.buy("One each");
    await becomes(() => shopper.order("One each"), "It is yours.");
    await shopper.buy("One each");
    await becomes(() => shopper.order("One each"), "You have as many as one shopper may buy, nothing was charged.");
    expect(await shop.chargesOf(itemId)).toBe(1);
    await shopper.leave();
  });
});
