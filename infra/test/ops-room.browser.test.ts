import { AxeBuilder } from "@axe-core/playwright";
import { hashPassword } from "@holdfast/api/ops/ops-users.ts";
import { type BrowserShop, startBrowserShop } from "@holdfast/testing/browser-shop.ts";
import { openRoom, textOf } from "@holdfast/testing/ops-room.ts";
import { becomes, visit } from "@holdfast/testing/storefront-page.ts";
import { eventually } from "@holdfast/testing/world.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const phone = { width: 375, height: 740 };
const password = "a password for tests";

describe("the operations room", () => {
  let shop: BrowserShop;
  beforeAll(async () => {
    const hash = await hashPassword(password);
    shop = await startBrowserShop({ env: { OPS_USERS: `bob:look:${hash}` } });
  });
  afterAll(() => shop.close());

  test("lets nobody in with a wrong password", async () => {
    const operator = { username: "ops", password: "not the password" };
    const context = await shop.browser.newContext({ httpCredentials: operator });
    const page = await context.newPage();
    const answer = await page.goto(`${shop.url}/ops`);
    expect(answer?.status()).toBe(401);
    expect(await page.getByRole("table").count()).toBe(0);
    await context.close();
  });

  test("shows the sale while it goes on, without a reload", async () => {
    const itemId = await shop.sell("Poster", { units: 40 });
    const room = await openRoom(shop);
    await becomes(() => textOf(room.page.locator("#live")), "● live");
    await becomes(() => textOf(room.row("Poster")), "On sale");
    await Promise.all(Array.from({ length: 60 }, () => shop.buyAsAnother(itemId).catch(() => null)));
    await becomes(() => textOf(room.row("Poster")), "Out of stock", 15_000);
    await becomes(() => textOf(room.row("Poster")), "€760.00", 30_000);
    await becomes(() => textOf(room.row("Poster")), "● balance");
    await becomes(() => textOf(room.page.locator("#figures")), /\d+ (confirmed|reserved)/);
    await becomes(() => textOf(room.page.getByRole("row", { name: /^Worker/ })), "● up");
    await room.page.screenshot({ path: "reports/browser/ops-room.png", fullPage: true });
    await room.leave();
  });

  test("units that are added are on sale in an open storefront", async () => {
    await shop.sell("Print", { units: 0 });
    const shopper = await visit(shop);
    await becomes(() => shopper.item("Print"), "Out of stock");
    const room = await openRoom(shop);
    await becomes(() => textOf(room.row("Print")), "Out of stock");
    await room.act("Print", "Add units", { Units: "3" });
    await becomes(() => shopper.item("Print"), "3 units left", 5_000);
    await becomes(() => textOf(room.row("Print")), "On sale");
    await shopper.leave();
    await room.leave();
  });

  test("says why an item cannot be changed, and asks anew", async () => {
    const itemId = await shop.sell("Vase", { units: 5 });
    const room = await openRoom(shop);
    await becomes(() => textOf(room.row("Vase")), "On sale");
    const address = `**/ops/api/items/${itemId}`;
    await room.page.route(address, (route) => route.abort());
    await room.row("Vase").getByRole("button", { name: "Change" }).click();
    await becomes(() => textOf(room.page.locator("#dialog-error")), "The API did not answer");
    await room.confirm();
    await room.page.unroute(address);
    await room.act("Vase", "Change", { Name: "Blue vase" });
    await becomes(() => textOf(room.row("Blue vase")), "On sale");
    await room.leave();
  });

  test("pauses a sale and resumes it; the storefront says so", async () => {
    await shop.sell("Jacket", { units: 5 });
    const shopper = await visit(shop);
    await becomes(() => shopper.item("Jacket"), "5 units left");
    const room = await openRoom(shop);
    await room.act("Jacket", "Pause");
    await becomes(() => shopper.item("Jacket"), "Paused", 5_000);
    await becomes(() => textOf(room.row("Jacket")), "Paused");
    await room.act("Jacket", "Resume");
    await becomes(() => shopper.item("Jacket"), "5 units left", 5_000);
    await shopper.leave();
    await room.leave();
  });

  test("resumes an item that was paused before it opens, and closes a sale by the server's clock", async () => {
    await shop.sell("Sofa", { units: 2, opensAt: new Date(Date.now() + 3_600_000).toISOString() });
    const room = await openRoom(shop);
    await becomes(() => textOf(room.row("Sofa")), /Opens/);
    await room.act("Sofa", "Pause");
    await becomes(() => textOf(room.row("Sofa")), /paused/);
    await room.act("Sofa", "Open now");
    await becomes(() => textOf(room.row("Sofa")), "Paused");
    await room.act("Sofa", "Resume");
    await becomes(() => textOf(room.row("Sofa")), "On sale");
    await room.act("Sofa", "Close now");
    await becomes(() => textOf(room.row("Sofa")), "Over");
    await room.leave();
  });

  test("shows each of several lanes that are paused", async () => {
    const room = await openRoom(shop);
    for (const lane of [2, 3]) await shop.ops("POST", `/ops/api/lanes/${lane}/pause`);
    await becomes(() => textOf(room.page.locator("#alarms")), /Lane 2, 0 orders.*Lane 3, 0 orders/s, 10_000);
    for (const lane of [2, 3]) await shop.ops("POST", `/ops/api/lanes/${lane}/resume`);
    await room.leave();
  });

  test("tells an order's story, and refunds it: the shopper reads it", async () => {
    const itemId = await shop.sell("Kettle", { units: 2 });
    const shopper = await visit(shop);
    await shopper.buy("Kettle");
    await becomes(() => shopper.order("Kettle"), "It is yours.");
    const [order] = await shop.ordersOf(itemId);
    const room = await openRoom(shop);
    await room.find(order?.id ?? "");
    await becomes(
      () => textOf(room.page.locator("#found")),
      /Units were reserved.*The payment was sent to the bank.*paid and confirmed/s,
    );
    await room.page.getByRole("button", { name: "Refund" }).click();
    await becomes(() => textOf(room.page.getByRole("dialog")), "taken out of the stock");
    await room.confirm({ "Put its units on sale again": "checked", Reason: "Wrong colour" });
    await eventually("the room has it", async () => {
      await room.page.getByRole("button", { name: "Look again" }).click();
      await becomes(() => textOf(room.page.locator("#found")), "The order was placed."); // each click looks anew
      return /The money was refunded: €19\.00/.test(await textOf(room.page.locator("#found")));
    });
    await becomes(() => textOf(room.row("Kettle")), "€19.00 refunded");
    await shopper.page.reload();
    await becomes(() => shopper.order("Kettle"), /Refunded: €19\.00/);
    await room.find(order?.shopperId ?? "");
    await becomes(() => textOf(room.page.locator("#found")), "refunded");
    await shopper.leave();
    await room.leave();
  });

  test("of two operators who change an item at once, the second is told and nothing is overwritten", async () => {
    const itemId = await shop.sell("Lamp", { units: 5 });
    const [first, second] = await Promise.all([openRoom(shop), openRoom(shop)]);
    for (const room of [first, second]) {
      await becomes(() => textOf(room.row("Lamp")), "On sale");
      await room.row("Lamp").getByRole("button", { name: "Change" }).click();
      await room.page.getByRole("dialog").waitFor();
    }
    await first.confirm({ "Price of a unit": "2500" });
    await first.page.getByRole("dialog").waitFor({ state: "hidden" });
    await second.confirm({ Name: "Lantern" });
    await becomes(() => textOf(second.page.getByRole("dialog")), "Somebody else has changed it");
    expect(await shop.ops("GET", `/ops/api/items/${itemId}`)).toMatchObject({ name: "Lamp", price: 2_500 });
    await first.leave();
    await second.leave();
  });

  test("whoever may only look has no actions", async () => {
    const room = await openRoom(shop, { operator: { username: "bob", password } });
    await becomes(() => textOf(room.page.locator("#operator")), "bob, may look");
    await becomes(() => textOf(room.row("Lamp")), "On sale");
    expect(await room.page.locator("button.act:visible, .act button:visible").count()).toBe(0);
    await room.leave();
  });

  test("shows what is wrong on top, in sentences, and names from outside as text", async () => {
    await shop.sell("<img src=x onerror=document.title='owned'>", { units: 1 });
    const room = await openRoom(shop);
    await room.row("0").getByRole("button", { name: "Pause" }).click();
    await room.confirm();
    await becomes(
      () => textOf(room.page.locator("#alarms")),
      "A lane is paused, so the orders for its items wait.",
      10_000,
    );
    await becomes(() => textOf(room.row("<img")), "onerror");
    expect(await room.page.title()).toBe("Operations");
    await room.row("0").getByRole("button", { name: "Resume" }).click();
    await room.confirm();
    await becomes(() => textOf(room.page.locator("#alarms")), /^$/, 10_000);
    await room.page.getByText("Who changed what").click();
    await becomes(() => textOf(room.page.locator("#audit")), /lane\.resume lane 0/);
    await room.leave();
  });

  test.each(["light", "dark"] as const)("is clean to axe, in %s", async (colorScheme) => {
    const room = await openRoom(shop, { colorScheme });
    await becomes(() => textOf(room.row("Lamp")), "On sale");
    const { violations } = await new AxeBuilder({ page: room.page }).exclude(".uplot").analyze();
    expect(violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`)).toEqual([]);
    await room.leave();
  });

  test("works on a phone without scrolling sideways, and by keyboard alone", async () => {
    const room = await openRoom(shop, { viewport: phone });
    await becomes(() => textOf(room.row("Lamp")), "On sale");
    expect(await room.page.evaluate("document.documentElement.scrollWidth")).toBe(phone.width);
    await room.page.screenshot({ path: "reports/browser/ops-room-phone.png", fullPage: true });
    await room.row("Lamp").getByRole("button", { name: "Add units" }).focus();
    await room.page.keyboard.press("Enter");
    await room.page.getByRole("dialog").waitFor();
    await room.page.keyboard.type("7");
    await room.page.keyboard.press("Enter");
    await room.page.getByRole("dialog").waitFor({ state: "hidden" });
    await becomes(() => textOf(room.row("Lamp")), /stocked|1\d/i);
    await room.leave();
  });

  test("says that it is not live while the server is gone, and is live again by itself", async () => {
    const room = await openRoom(shop);
    await becomes(() => textOf(room.page.locator("#live")), "● live");
    await shop.killServer();
    await becomes(() => textOf(room.page.locator("#live")), /not live since/, 15_000);
    await shop.reviveServer();
    await becomes(() => textOf(room.page.locator("#live")), "● live", 20_000);
    await room.leave();
  });
});
