import { fileURLToPath } from "node:url";
import AxeBuilder from "@axe-core/playwright";
import type { BrowserContext, BrowserContextOptions, Locator, Page } from "playwright-core";
import { expect } from "vitest";
import type { BrowserShop } from "./browser-shop.ts";
import { watchPage } from "./watch-page.ts";

/** What a person does in the storefront, and what they see; things are found by role and name. */
export interface StorefrontPage {
  readonly page: Page;
  readonly context: BrowserContext;
  /**
   * Presses Buy.
   * @param card which test card is chosen first, by its words, such as "Visa, declined"
   */
  buy(item: string, card?: string): Promise<void>;
  buyButton(item: string): Locator;
  /** The Idempotency-Keys of this tab's purchases so far: one for each that was meant. */
  readonly purchaseKeys: ReadonlySet<string>;
  /** What is on sale under this name, as text. */
  item(item: string): Promise<string>;
  /** The newest order of an item. */
  orderOf(item: string): Locator;
  /** Its text; "" where there is none. */
  order(item: string): Promise<string>;
  /** How many orders of an item the page shows. */
  orderCount(item: string): Promise<number>;
  /** Pays an order that is held with another test card. */
  payWith(item: string, card: string): Promise<void>;
  /** Answers the bank's question about an order, of test cards or of real ones. */
  answerBank(item: string, answer: "yes" | "no"): Promise<void>;
  cancel(item: string): Promise<void>;
  /** The dialog that asks for a real card. */
  readonly cardDialog: Locator;
  /** Types a card into the form of the dialog, and presses Pay. */
  payWithNumber(number: string, expiry?: string): Promise<void>;
  /** What the page says about itself: the connection, and what was refused. */
  notices(): Promise<string>;
  /** All that was written into live regions since the page was loaded, in order. */
  announcements(): Promise<string[]>;
  reload(): Promise<void>;
  /** What axe finds wrong with the page as it is now, by its usual rules. */
  axeFindings(): Promise<{ rule: string; where: string[] }[]>;
  /** A screenshot of what is in view, as reports/browser/<name>.png. */
  picture(name: string): Promise<void>;
  /** Another tab of the same browser. */
  openTab(): Promise<StorefrontPage>;
  /** Fails where anything was complained about on the console; then the browser forgets all. */
  leave(): Promise<void>;
}

export interface VisitOptions extends BrowserContextOptions {
  /** What stands behind the shop's address, such as `#token=…`. */
  readonly path?: string;
  /** Whether the test makes requests fail, which the browser says on the console by itself. */
  readonly requestsFail?: boolean;
}

const pictures = new URL("../../reports/browser/", import.meta.url);

/** A browser of somebody's own that has opened the storefront. */
export async function visit(shop: BrowserShop, options: VisitOptions = {}): Promise<StorefrontPage> {
  const { path = "/", requestsFail = false, ...contextOptions } = options;
  const context = await shop.browser.newContext({ locale: "en-GB", ...contextOptions });
  context.setDefaultTimeout(20_000); // two busy cores; a page that needs longer is broken
  return openTab(context, `${shop.url}${path}`, requestsFail);
}

async function openTab(context: BrowserContext, url: string, requestsFail: boolean): Promise<StorefrontPage> {
  const page = await context.newPage();
  const { complaints, purchaseKeys } = await watchPage(page, requestsFail);
  await page.goto(url);
  return {
    page,
    context,
    purchaseKeys,
    ...buying(page),
    ...reading(page),
    ...paying(page),
    async reload() {
      await page.reload();
    },
    async axeFindings() {
      const { passes, violations } = await new AxeBuilder({ page }).analyze();
      expect(passes.length).toBeGreaterThan(10);
      return violations.map(({ help, nodes }) => ({ rule: help, where: nodes.map(({ html }) => html) }));
    },
    async picture(name) {
      await page.screenshot({ path: fileURLToPath(new URL(`${name}.png`, pictures)) });
    },
    openTab: () => openTab(context, new URL("/", url).href, requestsFail),
    async leave() {
      await context.close();
      expect(complaints).toEqual([]);
    },
  };
}

const itemOf = (page: Page, name: string) =>
  page
    .getByRole("region", { name: "On sale" })
    .getByRole("listitem")
    .filter({ has: page.getByRole("heading", { name, exact: true }) });

const ordersOf = (page: Page, name: string) =>
  page
    .getByRole("region", { name: "Your orders" })
    .getByRole("listitem")
    .filter({ has: page.getByRole("heading", { name: `1 × ${name}`, exact: true }) });

function buying(page: Page) {
  const buyButton = (item: string) => itemOf(page, item).getByRole("button").first();
  return {
    buyButton,
    async buy(item: string, card?: string) {
      if (card) await itemOf(page, item).getByRole("combobox").selectOption({ label: card });
      await page.getByRole("button", { name: `Buy ${item}`, exact: true }).click();
    },
    async cancel(item: string) {
      await ordersOf(page, item)
        .first()
        .getByRole("button", { name: /^Cancel order/ })
        .click();
    },
  };
}

function reading(page: Page) {
  return {
    async item(item: string) {
      return (await itemOf(page, item).allInnerTexts()).join(" ");
    },
    orderOf: (item: string) => ordersOf(page, item).first(),
    async order(item: string) {
      return (await ordersOf(page, item).allInnerTexts())[0] ?? "";
    },
    orderCount: (item: string) => ordersOf(page, item).count(),
    async notices() {
      return (await page.getByRole("main").getByRole("status").allInnerTexts()).join(" ").trim();
    },
    announcements: () => page.evaluate<string[]>("said"),
  };
}

function paying(page: Page) {
  const cardDialog = page.getByRole("dialog", { name: /^Pay for/ });
  return {
    cardDialog,
    async payWith(item: string, card: string) {
      const order = ordersOf(page, item).first();
      await order.getByRole("combobox").selectOption({ label: card });
      await order.getByRole("button", { name: /^Pay order .* with this card$/ }).click();
    },
    async payWithNumber(number: string, expiry = "1234") {
      const form = cardDialog.frameLocator("iframe");
      await form.getByLabel("Card number").fill(number);
      await form.getByLabel("Expiration date").fill(expiry.replace(/^(..)/, "$1 / "));
      await form.getByLabel("Security code").fill("123");
      await cardDialog.getByRole("button", { name: /^Pay / }).click();
    },
    async answerBank(item: string, answer: "yes" | "no") {
      const button = { name: answer === "yes" ? /^Yes, / : /^No, / };
      const bank = page.getByRole("dialog", { name: "Your bank asks" });
      await ordersOf(page, item).first().getByRole("button", button).or(bank.getByRole("button", button)).click();
    },
  };
}

/** Looks until a text has what is expected; what it has instead is what the failure shows. */
export async function becomes(
  read: () => Promise<string | number>,
  expected: string | number | RegExp,
  timeoutMs = 15_000, // seconds on an idle machine
): Promise<void> {
  const text = typeof expected === "number" ? new RegExp(`^${expected}$`) : expected;
  await expect.poll(async () => String(await read()), { timeout: timeoutMs, interval: 50 }).toMatch(text);
}
