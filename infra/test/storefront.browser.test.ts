import { type BrowserShop, startBrowserShop } from "@holdfast/testing/browser-shop.ts";
import { addItem } from "@holdfast/testing/items.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

describe("the storefront in a browser", () => {
  let shop: BrowserShop;
  beforeAll(async () => {
    shop = await startBrowserShop();
    await addItem(shop.world.db, "item_1", 100, { name: "Poster" });
  });
  afterAll(() => shop.close());

  test("opens without an error on the console", async () => {
    const page = await shop.browser.newPage();
    const errors: string[] = [];
    page.on("console", (message) => void (message.type() === "error" && errors.push(message.text())));
    page.on("pageerror", (error) => void errors.push(error.message));
    await page.goto(shop.url);
    await page.getByRole("heading", { name: "Poster" }).waitFor();
    expect(errors).toEqual([]);
    await page.close();
  });
});
