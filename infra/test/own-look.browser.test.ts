import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { shopperAuthorization } from "@holdfast/testing/api.ts";
import { type BrowserShop, startBrowserShop } from "@holdfast/testing/browser-shop.ts";
import { becomes, type StorefrontPage, visit } from "@holdfast/testing/storefront-page.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const look = {
  name: "Nadja’s <Prints>",
  tagline: "Twenty sheets, pulled by hand.",
  picture: "sign.svg",
  colours: { accent: "#7c2d12", accentDark: "#fb923c" },
};
const square = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"><path d="M0 0h1v1H0z"/></svg>';

describe("a shop of one's own", () => {
  let shop: BrowserShop;
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "holdfast-look-"));
    await writeFile(join(directory, "shop.json"), JSON.stringify(look));
    await writeFile(join(directory, "sign.svg"), square);
    shop = await startBrowserShop({ env: { STOREFRONT_DIRECTORY: directory } });
    await shop.sell("Sheet");
  });
  afterAll(async () => {
    await shop.close();
    await rm(directory, { recursive: true, force: true });
  });

  const bearer = async (shopperId: string) => (await shopperAuthorization(shopperId)).replace("Bearer ", "");

  async function signInAs({ page }: StorefrontPage, shopperId: string) {
    const orders = page.waitForResponse("**/orders?*");
    await page.evaluate(`location.hash = "token=${await bearer(shopperId)}"`);
    await (await orders).finished();
    await page.waitForTimeout(500);
  }

  test.each([
    ["light", "rgb(124, 45, 18)"],
    ["dark", "rgb(251, 146, 60)"],
  ] as const)("has its name, its picture and its colour on a %s page", async (colorScheme, accent) => {
    const shopper = await visit(shop, { colorScheme });
    const { page } = shopper;
    expect(await page.title()).toBe(look.name);
    expect(await page.getByRole("heading", { level: 1 }).textContent()).toBe(look.name);
    await page.getByText(look.tagline).waitFor();
    await becomes(() => shopper.item("Sheet"), "Buy");
    const style = (selector: string) => `getComputedStyle(document.querySelector("${selector}"))`;
    expect(await page.evaluate(`${style(".item button")}.backgroundColor`)).toBe(accent);
    expect(await page.evaluate(`${style(".shop-picture")}.backgroundImage`)).toContain("/shop/sign.svg");
    await shopper.picture(`own-look-${colorScheme}`);
    await shopper.leave();
  });

  test("signs its shoppers in by a token, which is taken out of the address at once", async () => {
    const shopperId = "nadja-17";
    const shopper = await visit(shop, { path: `/?from=mail#token=${await bearer(shopperId)}` });
    const { page } = shopper;
    expect(page.url()).toBe(`${shop.url}/?from=mail`);
    const sessions: string[] = [];
    page.on("request", (request) => void (request.url().endsWith("/sessions") && sessions.push(request.url())));
    await shopper.buy("Sheet");
    await becomes(() => shopper.order("Sheet"), "It is yours.");
    const orders = (await shop.ordersOf("item_1")).filter((order) => order.shopperId === shopperId);
    expect(orders).toMatchObject([{ status: "confirmed" }]);
    await shopper.reload();
    await becomes(() => shopper.order("Sheet"), "It is yours.");
    expect(sessions).toEqual([]);
    expect(await page.evaluate("Object.values({ ...localStorage }).join()")).not.toContain("eyJ");
    await page.evaluate("history.pushState(null, '', '/second'); history.back()");
    await becomes(async () => page.url(), `${shop.url}/?from=mail`);
    await shopper.leave();
  });

  test("shows a shopper the orders of the token, and those of no other", async () => {
    const shopper = await visit(shop, { path: `/#token=${await bearer("maria-1")}` });
    await shopper.buy("Sheet");
    await becomes(() => shopper.order("Sheet"), "It is yours.");
    await signInAs(shopper, "maria-2"); // with the page still open
    expect(await shopper.orderCount("Sheet")).toBe(0);
    await signInAs(shopper, "maria-1");
    await becomes(() => shopper.order("Sheet"), "It is yours.");
    expect(shopper.page.url()).not.toContain("token");
    await shopper.leave();
  });

  test.each([
    ["has run out", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIiwiZXhwIjoxfQ.AAAA"],
    ["is nonsense", "nonsense"],
  ])("asks to sign in again where the token %s, and makes nobody a guest", async (_what, token) => {
    const before = (await shop.ordersOf("item_1")).length;
    const shopper = await visit(shop, { path: `/#token=${token}`, requestsFail: true });
    const sessions: string[] = [];
    shopper.page.on("request", (request) => void (request.url().endsWith("/sessions") && sessions.push(request.url())));
    await becomes(() => shopper.notices(), `Sign in again at ${look.name}.`);
    await shopper.buy("Sheet");
    await shopper.page.waitForTimeout(1_000);
    await becomes(() => shopper.notices(), `Sign in again at ${look.name}.`);
    expect(sessions).toEqual([]);
    expect((await shop.ordersOf("item_1")).length).toBe(before);
    await shopper.leave();
  });
});
