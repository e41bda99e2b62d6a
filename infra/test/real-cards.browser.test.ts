import { type BrowserShop, startBrowserShop } from "@holdfast/testing/browser-shop.ts";
import { booksOf } from "@holdfast/testing/items.ts";
import { becomes, type StorefrontPage, visit } from "@holdfast/testing/storefront-page.ts";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";

// https://docs.stripe.com/testing#cards
const works = "4242424242424242";
const isDeclined = "4000000000000002";
const asksBank = "4000002760003184";
const halfDayMs = 12 * 3_600_000;

/**
 * The whole way of Stripe's Payment Element, against the simulator's stand-in for Stripe's script.
 */
describe("a real card", () => {
  let shop: BrowserShop;
  beforeAll(async () => {
    shop = await startBrowserShop({ env: { STRIPE_PUBLISHABLE_KEY: "pk_test_simulator" } });
  });
  afterAll(() => shop.close());
  afterEach(() => shop.simulator.configure({ confirmationTokenLifeMs: halfDayMs }));

  async function expectPaidOnce(itemId: string) {
    expect(await shop.ordersOf(itemId)).toMatchObject([{ status: "confirmed" }]);
    expect(await shop.chargesOf(itemId)).toBe(1);
  }

  const dialogSays = async ({ cardDialog }: StorefrontPage) => (await cardDialog.allInnerTexts()).join(" ");

  test("is asked for after Buy, typed into the provider's frame, and charged", async () => {
    const itemId = await shop.sell("Poster", { price: 1_900 });
    const shopper = await visit(shop);
    const scripts: string[] = [];
    shopper.page.on("request", (request) => {
      if (request.url().endsWith("/stripe.js")) scripts.push(request.url());
    });
    await shopper.buy("Poster");
    await becomes(() => dialogSays(shopper), "Pay for Poster, €19.00");
    expect(scripts).toEqual([`${shop.simulator.url}/_simulator/stripe.js`]);
    expect(shopper.purchaseKeys.size).toBe(0);
    await shopper.cardDialog.frameLocator("iframe").getByLabel("Card number").waitFor();
    expect(await shopper.axeFindings()).toEqual([]);
    await shopper.picture("card-dialog");
    await shopper.payWithNumber(works);
    await becomes(() => shopper.order("Poster"), "It is yours.");
    expect(await shopper.cardDialog.isVisible()).toBe(false);
    expect(await shopper.page.evaluate("document.activeElement.textContent")).toBe("1 × Poster");
    await expectPaidOnce(itemId);
    await shopper.leave();
  });

  test("that is mistyped is not sent, and the shopper is told what is wrong", async () => {
    const itemId = await shop.sell("Print");
    const shopper = await visit(shop);
    await shopper.buy("Print");
    await shopper.payWithNumber("4242424242424241");
    await becomes(() => dialogSays(shopper), "Your card number is invalid.");
    expect(shopper.purchaseKeys.size).toBe(0);
    await shopper.payWithNumber(works);
    await becomes(() => shopper.order("Print"), "It is yours.");
    await expectPaidOnce(itemId);
    await shopper.leave();
  });

  test("is not needed by one who thinks better of it: nothing is bought", async () => {
    const itemId = await shop.sell("Cap");
    const shopper = await visit(shop);
    await shopper.buy("Cap");
    await shopper.cardDialog.getByRole("button", { name: "Do not pay" }).click();
    await becomes(() => shopper.item("Cap"), "Buy");
    await shopper.buy("Cap");
    await shopper.page.keyboard.press("Escape");
    await becomes(async () => String(await shopper.cardDialog.isVisible()), "false");
    await shopper.page.waitForTimeout(500);
    expect(shopper.purchaseKeys.size).toBe(0);
    expect(await shop.ordersOf(itemId)).toEqual([]);
    await shopper.leave();
  });

  test("that is declined is asked for again within the hold, and the other one is charged", async () => {
    const itemId = await shop.sell("Jacket", { paymentRetries: 1 });
    const shopper = await visit(shop, { colorScheme: "dark" });
    await shopper.buy("Jacket");
    await shopper.payWithNumber(isDeclined);
    await becomes(() => dialogSays(shopper), /Your bank refused this card\.\s+Pay with another within \d:\d\d/);
    expect(await shopper.axeFindings()).toEqual([]);
    await shopper.picture("card-declined");
    await shopper.payWithNumber(works);
    await becomes(() => shopper.order("Jacket"), "It is yours.");
    await expectPaidOnce(itemId);
    await shopper.leave();
  });

  test("that is declined is asked for by a button after a reload", async () => {
    const itemId = await shop.sell("Coat", { paymentRetries: 1 });
    const shopper = await visit(shop);
    await shopper.buy("Coat");
    await shopper.payWithNumber(isDeclined);
    await becomes(() => dialogSays(shopper), "Your bank refused this card.");
    await shopper.reload();
    await shopper
      .orderOf("Coat")
      .getByRole("button", { name: /^Pay order/ })
      .click();
    await shopper.payWithNumber(works);
    await becomes(() => shopper.order("Coat"), "It is yours.");
    await expectPaidOnce(itemId);
    await shopper.leave();
  });

  test.each([false, true])("whose bank asks is charged after a yes (page loaded again: %s)", async (again) => {
    const name = again ? "Book again" : "Book";
    const itemId = await shop.sell(name);
    const shopper = await visit(shop);
    await shopper.buy(name);
    await shopper.payWithNumber(asksBank);
    await shopper.page.getByRole("dialog", { name: "Your bank asks" }).waitFor();
    if (again) {
      await shopper.reload();
      await shopper
        .orderOf(name)
        .getByRole("button", { name: /^Confirm with your bank/ })
        .click();
    }
    await shopper.answerBank(name, "yes");
    await becomes(() => shopper.order(name), "It is yours.");
    await expectPaidOnce(itemId);
    await shopper.leave();
  });

  test("whose bank hears no is not charged", async () => {
    const itemId = await shop.sell("Mug");
    const shopper = await visit(shop);
    await shopper.buy("Mug");
    await shopper.payWithNumber(asksBank);
    await shopper.answerBank("Mug", "no");
    await becomes(
      () => shopper.order("Mug"),
      "Not paid: Your bank did not get your confirmation. Nothing was charged.",
    );
    expect(await shop.chargesOf(itemId)).toBe(0);
    expect(await booksOf(shop.world.db, itemId)).toMatchObject({ inventory: 10, balanced: true });
    await shopper.leave();
  });

  test("whose token grew stale in line is asked for again within the hold, and charged once", async () => {
    const itemId = await shop.sell("Ticket", { units: 1 });
    const shopper = await visit(shop);
    await shop.stopWorker();
    await shop.simulator.configure({ confirmationTokenLifeMs: 500 });
    await shopper.buy("Ticket");
    await shopper.payWithNumber(works);
    await becomes(() => shopper.order("Ticket"), "Waiting in line.");
    await shopper.page.waitForTimeout(1_000);
    await shop.simulator.configure({ confirmationTokenLifeMs: halfDayMs });
    await shop.startWorker();
    await becomes(() => dialogSays(shopper), "The card details have grown old.");
    expect(await booksOf(shop.world.db, itemId)).toMatchObject({ inventory: 0, reserved: 1 });
    await shopper.payWithNumber(works);
    await becomes(() => shopper.order("Ticket"), "It is yours.");
    await expectPaidOnce(itemId);
    await shopper.leave();
  });

  test("is charged once where the answer to the purchase is lost", async () => {
    const itemId = await shop.sell("Vase");
    const shopper = await visit(shop, { requestsFail: true });
    await shopper.page.route(
      "**/purchase/*",
      async (route) => {
        await route.fetch();
        await route.abort("connectionreset");
      },
      { times: 1 },
    );
    await shopper.buy("Vase");
    await shopper.payWithNumber(works);
    await becomes(() => shopper.order("Vase"), "It is yours.");
    expect(shopper.purchaseKeys.size).toBe(1);
    await expectPaidOnce(itemId);
    await shopper.leave();
  });

  test("is not asked for any longer when the hold has ended", async () => {
    const itemId = await shop.sell("Ring", { paymentRetries: 1, holdSeconds: 3 });
    const shopper = await visit(shop);
    await shopper.buy("Ring");
    await shopper.payWithNumber(isDeclined);
    await becomes(() => dialogSays(shopper), "Pay with another within 0:0");
    await becomes(() => shopper.order("Ring"), "Not paid in time, nothing was charged.", 45_000);
    expect(await shopper.cardDialog.isVisible()).toBe(false);
    expect(await shop.chargesOf(itemId)).toBe(0);
    await shopper.leave();
  });

  test("is not asked for any longer in a tab, when the unit was bought in another", async () => {
    const itemId = await shop.sell("Clock");
    const shopper = await visit(shop);
    const other = await shopper.openTab();
    await other.buy("Clock");
    await becomes(() => dialogSays(other), "Pay for Clock");
    await shopper.buy("Clock");
    await shopper.payWithNumber(works);
    for (const tab of [shopper, other]) await becomes(() => tab.order("Clock"), "It is yours.");
    expect(await other.cardDialog.isVisible()).toBe(false);
    await expectPaidOnce(itemId);
    await shopper.leave();
  });

  test("cannot be asked for where the provider's script is blocked: a sentence says so, nothing is bought", async () => {
    const itemId = await shop.sell("Lamp");
    const shopper = await visit(shop, { requestsFail: true });
    await shopper.page.route("**/_simulator/stripe.js", (route) => route.abort());
    await shopper.buy("Lamp");
    await becomes(() => dialogSays(shopper), "The card form could not be loaded. Close this and try again.");
    await shopper.cardDialog.getByRole("button", { name: "Do not pay" }).click();
    await shopper.page.unroute("**/_simulator/stripe.js");
    await shopper.buy("Lamp");
    await shopper.payWithNumber(works);
    await becomes(() => shopper.order("Lamp"), "It is yours.");
    await expectPaidOnce(itemId);
    await shopper.leave();
  });
});
