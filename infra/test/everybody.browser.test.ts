import { type BrowserShop, startBrowserShop } from "@holdfast/testing/browser-shop.ts";
import { becomes, type StorefrontPage, visit } from "@holdfast/testing/storefront-page.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const phone = { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2 };
const leastTargetPx = 24; // WCAG 2.2, 2.5.8
const inMs = (ms: number) => new Date(Date.now() + ms).toISOString();

describe("for everybody", () => {
  let shop: BrowserShop;
  beforeAll(async () => {
    shop = await startBrowserShop();
    const names = ["Poster, signed", "Tour poster", "Print", "Jacket", "Cap", "Scarf", "Mug", "Book", "Vase", "Bowl"];
    for (const name of names) await shop.sell(name, { units: 1_000 });
    for (const name of names.slice(0, 7)) await shop.sell(`${name}, second colour`, { units: 1_000 });
    await shop.sell("A name so long that it does not fit on a phone: Donaudampfschifffahrtsgesellschaftskapitän");
    await shop.sell("Test pressing", { opensAt: inMs(3_600_000) });
    await shop.buyAsAnother(await shop.sell("Last one", { units: 1 }));
  });
  afterAll(() => shop.close());

  const focused = ({ page }: StorefrontPage) => page.evaluate<string>("document.activeElement.textContent");
  const twenty = 20;

  test("a phone shows twenty items without scrolling sideways, and each Buy can be touched", async () => {
    const shopper = await visit(shop, phone);
    const { page } = shopper;
    await becomes(() => shopper.item("Last one"), "Out of stock");
    const buttons = page.getByRole("region", { name: "On sale" }).getByRole("button");
    expect(await buttons.count()).toBe(twenty);
    for (const button of await buttons.all()) {
      const box = await button.boundingBox();
      expect(Math.min(box?.width ?? 0, box?.height ?? 0)).toBeGreaterThanOrEqual(leastTargetPx);
      expect((box?.x ?? -1) >= 0 && (box?.x ?? 0) + (box?.width ?? 0) <= 360).toBe(true);
    }
    await shopper.buyButton("Bowl").tap();
    await becomes(() => shopper.order("Bowl"), "It is yours.");
    expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(360);
    await becomes(async () => String((await shopper.orderOf("Bowl").boundingBox())?.y), /^\d/); // scrolled to it
    await shopper.picture("phone");
    await shopper.leave();
  });

  test("the keyboard alone is enough, from the first Tab to the paid order", async () => {
    const shopper = await visit(shop);
    const { keyboard } = shopper.page;
    await becomes(() => shopper.item("Jacket"), "Buy");
    await tabTo(shopper, /^Buy Jacket$/);
    await shopper.picture("keyboard");
    await keyboard.press("Enter");
    await becomes(() => shopper.order("Jacket"), "It is yours.");
    expect(await focused(shopper)).toBe("1 × Jacket");
    await shopper.leave();
  });

  test("and it chooses another card, and answers the bank", async () => {
    await shop.sell("Kettle", { paymentRetries: 1 });
    const shopper = await visit(shop);
    const { keyboard } = shopper.page;
    await becomes(() => shopper.item("Kettle"), "Buy");
    await tabTo(shopper, /Visa, works/, "Pay Kettle with");
    for (let times = 0; times < 2; times++) await keyboard.press("ArrowDown"); // Visa, declined
    await keyboard.press("Tab");
    await keyboard.press("Enter");
    await becomes(() => shopper.order("Kettle"), "Pay with another card within");
    await keyboard.press("Tab");
    await keyboard.press("ArrowDown"); // asks your bank
    await keyboard.press("Tab");
    await keyboard.press("Enter");
    await becomes(() => shopper.order("Kettle"), "your bank asks you to confirm");
    expect(await focused(shopper)).toBe("1 × Kettle");
    await keyboard.press("Tab");
    await keyboard.press("Enter"); // Yes, pay
    await becomes(() => shopper.order("Kettle"), "It is yours.");
    expect(await focused(shopper)).toBe("1 × Kettle");
    await shopper.leave();
  });

  async function tabTo({ page }: StorefrontPage, text: RegExp, label?: string) {
    const labelled = "document.activeElement.labels?.[0]?.textContent ?? ''";
    for (let presses = 0; presses < 100; presses++) {
      await page.keyboard.press("Tab");
      const here = await page.evaluate<string>("document.activeElement.textContent");
      if (text.test(here.trim()) && (!label || (await page.evaluate<string>(labelled)).includes(label))) return;
    }
    throw new Error(`A hundred times Tab did not come to ${text}`);
  }

  test("one who wants no motion sees the new order at once, without scrolling to it", async () => {
    const shopper = await visit(shop, { ...phone, reducedMotion: "reduce" });
    await shopper.page.evaluate(`addEventListener("focusin", ({ target }) => {
      window.focusedAt = target.getBoundingClientRect().top;
    })`);
    await shopper.buy("Vase");
    await becomes(() => shopper.order("Vase"), "It is yours.");
    const top = await shopper.page.evaluate<number>("focusedAt");
    expect(top).toBeGreaterThanOrEqual(0);
    expect(top).toBeLessThan(740);
    expect(await shopper.page.evaluate("document.getAnimations().length")).toBe(0);
    await shopper.leave();
  });

  test("without JavaScript the page says in a sentence what it needs", async () => {
    const shopper = await visit(shop, { javaScriptEnabled: false });
    await shopper.page.getByText(/buys with JavaScript, which is turned off in your browser/).waitFor();
    expect(await shopper.page.getByRole("heading", { level: 1 }).textContent()).toBe("Holdfast");
    await shopper.picture("without-script");
    await shopper.leave();
  });

  test("every button says what it is for, each in words of its own", async () => {
    const shopper = await visit(shop);
    await shopper.buy("Print", "Visa, asks your bank (3-D Secure)");
    await becomes(() => shopper.order("Print"), "your bank asks");
    await shopper.buy("Cap", "Visa, asks your bank (3-D Secure)");
    await becomes(() => shopper.order("Cap"), "your bank asks");
    const names = await shopper.page.getByRole("button").allTextContents();
    expect(names.filter((name, i) => names.indexOf(name) !== i && !/^\s*$/.test(name))).toEqual([]);
    await shopper.leave();
  });
});

describe("axe finds nothing", () => {
  let shop: BrowserShop;
  beforeAll(async () => {
    shop = await startBrowserShop();
  });
  afterAll(() => shop.close());

  const looks = [
    { name: "light", options: { colorScheme: "light" } },
    { name: "dark", options: { colorScheme: "dark" } },
    { name: "phone", options: phone },
  ] as const;

  test.each(looks)("on the first page, waiting, declined, asked, paid, sold out and over ($name)", async (look) => {
    const called = (name: string) => `${name} ${look.name}`;
    await shop.sell(called("Poster"), { paymentRetries: 1 });
    await shop.sell(called("Print"), { units: 1 });
    await shop.sell(called("Test pressing"), { opensAt: inMs(3_600_000) });
    await shop.sell(called("Old stock"), { closesAt: inMs(1) });
    const shopper = await visit(shop, look.options);
    await becomes(() => shopper.item(called("Poster")), "Buy");
    expect(await shopper.axeFindings()).toEqual([]);
    await shopper.picture(`first-page-${look.name}`);
    await shop.stopWorker();
    await shopper.buy(called("Print"));
    await becomes(() => shopper.order(called("Print")), "Waiting in line.");
    expect(await shopper.axeFindings()).toEqual([]);
    await shop.startWorker();
    await becomes(() => shopper.order(called("Print")), "It is yours.");
    await shopper.buy(called("Poster"), "Visa, declined");
    await becomes(() => shopper.order(called("Poster")), "Pay with another card within");
    expect(await shopper.axeFindings()).toEqual([]);
    await shopper.payWith(called("Poster"), "Visa, asks your bank (3-D Secure)");
    await becomes(() => shopper.order(called("Poster")), "your bank asks you to confirm");
    expect(await shopper.axeFindings()).toEqual([]);
    await shopper.answerBank(called("Poster"), "no");
    await becomes(() => shopper.order(called("Poster")), "Nothing was charged.");
    await becomes(() => shopper.item(called("Print")), "Out of stock");
    expect(await shopper.axeFindings()).toEqual([]);
    await shopper.picture(`orders-${look.name}`);
    await shopper.leave();
  });
});
