import { type BrowserShop, startBrowserShop } from "@holdfast/testing/browser-shop.ts";
import { becomes, type StorefrontPage, visit } from "@holdfast/testing/storefront-page.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

// https://docs.stripe.com/testing#cards
const works = "4242424242424242";
const isDeclined = "4000000000000002";
const asksBank = "4000002760003184";
const hourMs = 3_600_000;

/** When the page asks for a card, or has the bank ask, and when it must not. */
describe("the card dialog", () => {
  let shop: BrowserShop;
  beforeAll(async () => {
    shop = await startBrowserShop({ env: { STRIPE_PUBLISHABLE_KEY: "pk_test_simulator" } });
  });
  afterAll(() => shop.close());

  const dialogIsOpen = async ({ cardDialog }: StorefrontPage) => String(await cardDialog.isVisible());
  const bankOf = ({ page }: StorefrontPage) => page.getByRole("dialog", { name: "Your bank asks" });
  const formOf = ({ cardDialog }: StorefrontPage) => cardDialog.frameLocator("iframe").getByLabel("Card number");

  const price = (itemId: string, amount: number) => shop.ops("PATCH", `/ops/api/items/${itemId}`, { price: amount });

  test("closes when the price changes: nobody is charged another one than the button said", async () => {
    const itemId = await shop.sell("Poster", { price: 1_900 });
    const shopper = await visit(shop);
    await shopper.buy("Poster");
    await formOf(shopper).waitFor();
    await price(itemId, 9_900);
    await becomes(() => shopper.notices(), "Poster costs €99.00 now. Nothing was bought.");
    expect(await dialogIsOpen(shopper)).toBe("false");
    expect(shopper.purchaseKeys.size).toBe(0);
    await shopper.buy("Poster");
    await shopper.payWithNumber(works);
    await becomes(() => shopper.order("Poster"), /It is yours\.[\s\S]*€99\.00/);
    await shopper.leave();
  });

  test("sends nothing where the price has changed while the card was taken", async () => {
    const itemId = await shop.sell("Print", { price: 1_900 });
    const shopper = await visit(shop);
    await shopper.buy("Print");
    await formOf(shopper).waitFor();
    await shopper.page.route("**/v1/confirmation_tokens", async (route) => {
      await price(itemId, 9_900);
      await route.continue();
    });
    await shopper.payWithNumber(works);
    await becomes(() => shopper.notices(), "Print costs €99.00 now. Nothing was bought.");
    expect(await shop.ordersOf(itemId)).toEqual([]);
    await shopper.leave();
  });

  test("closes when the item is sold out, and says so", async () => {
    const itemId = await shop.sell("Lamp", { units: 1 });
    const shopper = await visit(shop);
    await shopper.buy("Lamp");
    await formOf(shopper).waitFor();
    await shop.buyAsAnother(itemId);
    await becomes(() => shopper.notices(), "Lamp: Out of stock. Nothing was bought.");
    expect(await dialogIsOpen(shopper)).toBe("false");
    expect(shopper.purchaseKeys.size).toBe(0);
    await shopper.leave();
  });

  test("is not opened for a purchase that was paid, and whose answer was lost an hour ago", async () => {
    const itemId = await shop.sell("Vase");
    const shopper = await visit(shop, { requestsFail: true });
    await shopper.page.route("**/purchase/*", async (route) => {
      await route.fetch();
      await route.abort("connectionreset");
    });
    await shopper.buy("Vase");
    await shopper.payWithNumber(works);
    await becomes(() => shopper.notices(), "Press again");
    await shopper.page.unrouteAll();
    await shopper.page.addInitScript(`{ const now = Date.now; Date.now = () => now() + ${hourMs}; }`);
    await shopper.reload();
    await becomes(() => shopper.order("Vase"), "It is yours.");
    await shopper.page.getByRole("button", { name: "Check my purchase Vase" }).click();
    await becomes(() => shopper.item("Vase"), "Buy");
    expect(await dialogIsOpen(shopper)).toBe("false");
    expect(await shopper.notices()).toBe("");
    expect(await shop.ordersOf(itemId)).toMatchObject([{ status: "confirmed" }]);
    expect(await shop.chargesOf(itemId)).toBe(1);
    await shopper.leave();
  });

  test("begins at its title, with what is asked and why: a key that is held down closes nothing", async () => {
    await shop.sell("Coat", { paymentRetries: 1 });
    const shopper = await visit(shop);
    await becomes(() => shopper.item("Coat"), "Buy");
    await shopper.buyButton("Coat").focus();
    for (let repeats = 0; repeats < 3; repeats++) await shopper.page.keyboard.down("Enter");
    await shopper.page.keyboard.up("Enter");
    await formOf(shopper).waitFor();
    expect(await shopper.page.evaluate("document.activeElement.textContent")).toBe("Pay for Coat, €19.00");
    await shopper.payWithNumber(isDeclined);
    const described = (await shopper.cardDialog.getAttribute("aria-describedby")) ?? "";
    const description = async () => {
      const texts = described.split(" ").map((id) => shopper.page.locator(`#${id}`).textContent());
      return (await Promise.all(texts)).join(" ");
    };
    await becomes(description, /Your bank refused this card\. Pay with another within \d/);
    await shopper.leave();
  });

  test("has what is said meanwhile in it, where it is read out", async () => {
    await shop.sell("Drum", { paymentRetries: 1 });
    await shop.sell("Flute");
    const shopper = await visit(shop);
    await shop.stopWorker();
    await shopper.buy("Drum");
    await shopper.payWithNumber(works);
    await becomes(() => shopper.order("Drum"), "Waiting in line.");
    await shopper.buy("Flute");
    await formOf(shopper).waitFor();
    await shop.startWorker();
    await becomes(() => shopper.cardDialog.locator("[data-part=said]").textContent().then(String), "It is yours.");
    await shopper.leave();
  });

  test("keeps no form of a question that was closed before the form was there", async () => {
    await shop.sell("Cap");
    await shop.sell("Hat");
    const shopper = await visit(shop);
    await shopper.page.route("**/_simulator/stripe.js", async (route) => {
      await new Promise((resolve) => setTimeout(resolve, 1_500));
      await route.continue();
    });
    await shopper.buy("Cap");
    await shopper.cardDialog.getByRole("button", { name: "Do not pay" }).click();
    await shopper.buy("Hat");
    await shopper.payWithNumber(works);
    await becomes(() => shopper.order("Hat"), "It is yours.");
    expect(await shopper.page.locator("#card-dialog iframe").count()).toBe(0);
    await shopper.leave();
  });

  test("leaves the bank's question to the tab that pays; another one has a button, and waits for it", async () => {
    const itemId = await shop.sell("Ticket");
    const shopper = await visit(shop);
    const other = await shopper.openTab();
    await shopper.buy("Ticket");
    await shopper.payWithNumber(asksBank);
    await bankOf(shopper).waitFor();
    const button = other.orderOf("Ticket").getByRole("button", { name: /^Confirm with your bank/ });
    await button.click();
    await becomes(() => other.notices(), "Your bank asks in another tab. Answer it there.");
    expect(await bankOf(other).count()).toBe(0);
    await shopper.answerBank("Ticket", "yes");
    for (const tab of [shopper, other]) await becomes(() => tab.order("Ticket"), "It is yours.");
    expect(await shop.chargesOf(itemId)).toBe(1);
    await shopper.leave();
  });

  test("says nothing of the provider's where the payment was settled elsewhere meanwhile", async () => {
    const itemId = await shop.sell("Ring");
    const shopper = await visit(shop, { requestsFail: true });
    await shopper.buy("Ring");
    await shopper.payWithNumber(asksBank);
    await bankOf(shopper).waitFor();
    await shopper.reload();
    const button = shopper.orderOf("Ring").getByRole("button", { name: /^Confirm/ });
    await button.waitFor();
    await shopper.page.route(/\/orders/, (route) => route.abort()); // this tab learns of nothing
    await shopper.page.evaluate("dispatchEvent(new Event('online'))"); // nor by the poll that is open
    await becomes(() => shopper.notices(), "We lost the connection");
    const secret = await secretOf(shopper, itemId);
    const body = new URLSearchParams({ client_secret: secret, succeed: "true" });
    const signal = AbortSignal.timeout(10_000);
    const bank = await fetch(`${shop.simulator.url}/_simulator/authenticate`, { method: "POST", body, signal });
    expect(await bank.json()).toMatchObject({ status: "succeeded" });
    await becomes(() => shop.chargesOf(itemId), 1);
    await button.click();
    await shopper.page.waitForTimeout(1_000);
    expect(await shopper.notices()).not.toMatch(/PaymentIntent|state/);
    await shopper.page.unrouteAll();
    await becomes(() => shopper.order("Ring"), "It is yours.", 40_000);
    await shopper.leave();
  });

  /** The secret of the order of an item, as the page was answered. */
  async function secretOf({ page }: StorefrontPage, itemId: string) {
    const [order] = await shop.ordersOf(itemId);
    const { token } = JSON.parse(await page.evaluate<string>("localStorage['holdfast:session']")) as { token: string };
    const headers = { authorization: `Bearer ${token}` };
    const answer = await fetch(`${shop.url}/orders/${order?.id}`, { headers, signal: AbortSignal.timeout(10_000) });
    return ((await answer.json()) as { payment: { clientSecret: string } }).payment.clientSecret;
  }
});
