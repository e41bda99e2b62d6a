import { type BrowserShop, startBrowserShop } from "@holdfast/testing/browser-shop.ts";
import { booksOf } from "@holdfast/testing/items.ts";
import { becomes, visit } from "@holdfast/testing/storefront-page.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const bankCard = "Visa, asks your bank (3-D Secure)";
const bankAsks = "Reserved for you, your bank asks you to confirm. Confirm within";

describe("a card that is not charged at once", () => {
  let shop: BrowserShop;
  beforeAll(async () => {
    shop = await startBrowserShop();
  });
  afterAll(() => shop.close());

  async function expectUnitBack(itemId: string) {
    expect(await booksOf(shop.world.db, itemId)).toMatchObject({ stocked: 10, inventory: 10, balanced: true });
    expect(await shop.chargesOf(itemId)).toBe(0);
  }

  test.each([
    ["Visa, declined", "Your bank refused this card."],
    ["Visa, insufficient funds", "The card does not have enough money."],
    ["Visa, expired", "The card has expired."],
  ])("%s: the page says why, nothing is charged and the unit is on sale again", async (card, reason) => {
    const name = `For ${card}`;
    const itemId = await shop.sell(name);
    const shopper = await visit(shop);
    await shopper.buy(name, card);
    await becomes(() => shopper.order(name), `Not paid: ${reason} Nothing was charged.`);
    await expectUnitBack(itemId);
    await shopper.leave();
  });

  test("while the hold lasts another card pays the same order, and the page counts down", async () => {
    const itemId = await shop.sell("Poster", { paymentRetries: 1 });
    const shopper = await visit(shop);
    await shopper.buy("Poster", "Visa, declined");
    const asks = /Your bank refused this card\. Pay with another card within (\d:\d\d)/;
    await becomes(() => shopper.order("Poster"), asks);
    const left = asks.exec(await shopper.order("Poster"))?.[1] ?? "";
    await becomes(async () => String(asks.exec(await shopper.order("Poster"))?.[1] !== left), "true");
    await shopper.picture("declined");
    await shopper.payWith("Poster", "Visa, works");
    await becomes(() => shopper.order("Poster"), "It is yours.");
    expect(await shop.ordersOf(itemId)).toMatchObject([{ status: "confirmed" }]);
    expect(await shop.chargesOf(itemId)).toBe(1);
    expect(await shopper.page.evaluate("document.activeElement.textContent")).toBe("1 × Poster");
    await shopper.leave();
  });

  test("another card is charged once where the answer to it is lost", async () => {
    const itemId = await shop.sell("Stamp", { paymentRetries: 3 });
    const shopper = await visit(shop, { requestsFail: true });
    await shopper.buy("Stamp", "Visa, declined");
    await becomes(() => shopper.order("Stamp"), "Pay with another card within");
    let lost = 0;
    await shopper.page.route("**/orders/*/payment", async (route) => {
      await route.fetch();
      lost += 1;
      await (lost === 1 ? route.abort("connectionreset") : route.continue());
    });
    await shopper.payWith("Stamp", "Visa, works");
    await becomes(() => shopper.order("Stamp"), "It is yours.");
    await becomes(async () => lost, 2);
    await shopper.page.waitForTimeout(500);
    expect(await shopper.notices()).toBe("");
    expect(await shop.chargesOf(itemId)).toBe(1);
    await shopper.leave();
  });

  test("a second decline, where the item has one more try, ends the order without a charge", async () => {
    const itemId = await shop.sell("Print", { paymentRetries: 1 });
    const shopper = await visit(shop);
    await shopper.buy("Print", "Visa, declined");
    await becomes(() => shopper.order("Print"), "Pay with another card within");
    await shopper.payWith("Print", "Visa, expired");
    await becomes(() => shopper.order("Print"), "Not paid: The card has expired. Nothing was charged.");
    await expectUnitBack(itemId);
    await shopper.leave();
  });

  test("with the bank's question answered with yes, the order is paid", async () => {
    const itemId = await shop.sell("Jacket");
    const shopper = await visit(shop);
    await shopper.buy("Jacket", bankCard);
    await becomes(() => shopper.order("Jacket"), bankAsks);
    await shopper.answerBank("Jacket", "yes");
    await becomes(() => shopper.order("Jacket"), "It is yours.");
    expect(await shop.chargesOf(itemId)).toBe(1);
    await shopper.leave();
  });

  test("with no, nothing is charged and the unit is on sale again", async () => {
    const itemId = await shop.sell("Cap");
    const shopper = await visit(shop);
    await shopper.buy("Cap", bankCard);
    await becomes(() => shopper.order("Cap"), bankAsks);
    await shopper.answerBank("Cap", "no");
    await becomes(
      () => shopper.order("Cap"),
      "Not paid: Your bank did not get your confirmation. Nothing was charged.",
    );
    await expectUnitBack(itemId);
    await shopper.leave();
  });

  test("a question that is ignored ends the order at its deadline, charged nothing", async () => {
    const itemId = await shop.sell("Scarf", { holdSeconds: 2 });
    const shopper = await visit(shop);
    await shopper.buy("Scarf", bankCard);
    await becomes(() => shopper.order("Scarf"), bankAsks);
    await becomes(() => shopper.order("Scarf"), "Not paid in time, nothing was charged.", 45_000);
    await expectUnitBack(itemId);
    await shopper.leave();
  });

  test("another card pays in place of the bank's question", async () => {
    const itemId = await shop.sell("Belt", { paymentRetries: 1 });
    const shopper = await visit(shop);
    await shopper.buy("Belt", bankCard);
    await becomes(() => shopper.order("Belt"), bankAsks);
    await shopper.answerBank("Belt", "no");
    await becomes(() => shopper.order("Belt"), "Your bank did not get your confirmation. Pay with another card within");
    await shopper.payWith("Belt", "Visa, works");
    await becomes(() => shopper.order("Belt"), "It is yours.");
    expect(await shop.chargesOf(itemId)).toBe(1);
    await shopper.leave();
  });

  test("a held order that its shopper cancels gives the unit back, charged nothing", async () => {
    const itemId = await shop.sell("Watch");
    const shopper = await visit(shop);
    await shopper.buy("Watch", bankCard);
    await becomes(() => shopper.order("Watch"), bankAsks);
    await shopper.cancel("Watch");
    await becomes(() => shopper.order("Watch"), "Cancelled by you, nothing was charged.");
    await becomes(async () => (await booksOf(shop.world.db, itemId)).inventory, 10);
    await expectUnitBack(itemId);
    expect(await shopper.page.evaluate("document.activeElement.textContent")).toBe("1 × Watch");
    await shopper.leave();
  });

  test("while the provider is down the unit stays reserved, and is paid once afterwards", async () => {
    const itemId = await shop.sell("Vase");
    const shopper = await visit(shop);
    await shop.simulator.configure({ outage: true });
    await shopper.buy("Vase");
    await becomes(() => shopper.order("Vase"), /Reserved for you, (the payment is under way|we are asking)/);
    await shop.simulator.configure({ outage: false });
    await becomes(() => shopper.order("Vase"), "It is yours.", 60_000);
    expect(await shop.chargesOf(itemId)).toBe(1);
    await shopper.leave();
  });
});
