import type { BrowserContext, Page, Request, Response } from "playwright-core";
import type { BrowserShop } from "./browser-shop.ts";

/** What a person knows of one of their orders: what a page shows. */
export interface SeenOrder {
  readonly id: string;
  readonly status: string;
  readonly payment: string;
}

/** Numbers from 0 up to `below`, by chance. */
export type Chance = (below: number) => number;

const calmMs = 20_000; // an answer, three sends of it, and a server that starts again in between
const settledMs = 60_000;
const restMs = 120_000; // until a page has come to rest, in the worst case
const patienceMs = 15_000; // with one that does not; the longest pause between two of its tries is 15 s
const shownMs = 150; // from an answer to what is drawn of it

/**
 * A person with a browser, who wants one unit at a time and knows nothing but what the page shows.
 * They press, press again, reload, lose the network, open another tab; and press again for the same
 * unit only where a page that has come to rest shows neither their order nor why there is none.
 */
export class Person {
  readonly #shop: BrowserShop;
  readonly #context: BrowserContext;
  readonly #chance: Chance;
  readonly #tell: (what: string) => void;
  readonly #sessions = new Set<string>();
  #page: Page | null = null;
  #offline = false;

  private constructor(shop: BrowserShop, context: BrowserContext, chance: Chance, tell: (what: string) => void) {
    this.#shop = shop;
    this.#context = context;
    this.#chance = chance;
    this.#tell = tell;
    context.on("weberror", (error) => tell(`… error: ${error.error().stack}`));
    const purchases = (sent: Request) => sent.method() === "POST" && sent.url().includes("/purchase/");
    const keyOf = (sent: Request) => sent.headers()["idempotency-key"]?.slice(0, 8);
    context.on("request", (sent) => purchases(sent) && tell(`… sends ${keyOf(sent)} at ${Date.now() % 1e6}`));
    context.on("response", (answer) => {
      const sent = answer.request();
      if (purchases(sent)) tell(`… ${keyOf(sent)} is answered ${answer.status()} at ${Date.now() % 1e6}`);
    });
  }

  static async arrive(shop: BrowserShop, chance: Chance, tell: (what: string) => void): Promise<Person> {
    const person = new Person(shop, await shop.browser.newContext(), chance, tell);
    await person.#newTab();
    return person;
  }

  /** Every guest that this browser was found to be: an order of any of them is this person's. */
  async sessions(): Promise<readonly string[]> {
    const { origins } = await this.#context.storageState();
    const kept = origins.flatMap(({ localStorage }) => localStorage).find(({ name }) => name === "holdfast:session");
    if (kept) this.#sessions.add((JSON.parse(kept.value) as { shopperId: string }).shopperId);
    return [...this.#sessions];
  }

  async leave(): Promise<void> {
    await this.#context.close();
  }

  /**
   * Wants one unit of an item, and goes on until a page at rest shows the order, or why there is
   * none.
   * @returns the orders that came of it: one, or none where the shop refused
   */
  async want(itemId: string, card: string): Promise<readonly string[]> {
    await this.#calmDown();
    const before = new Set((await this.seen()).map(({ id }) => id));
    for (let tries = 0; tries < 6; tries++) {
      await this.#press(itemId, card);
      for (let i = this.#chance(3); i > 0; i--) await this.#disturb();
      await this.#calmDown();
      const fresh = (await this.seen()).filter(({ id }) => !before.has(id));
      if (fresh.length > 0) return fresh.map(({ id }) => id);
      if (await this.#isRefused(itemId)) return [];
    }
    throw new Error(`${itemId} was neither bought nor refused: ${await this.#words()}`);
  }

  /** The orders that a page shows which was loaded just now. */
  async seen(): Promise<SeenOrder[]> {
    await this.#reload();
    await this.#atRest();
    return this.#orders();
  }

  /** Answers what the page asks, until nothing of one's orders is open. */
  async settleAll(): Promise<SeenOrder[]> {
    await this.#calmDown();
    const endsAtMs = Date.now() + settledMs;
    for (;;) {
      const open = (await this.#orders()).filter(({ status }) => status === "queued" || status === "reserved");
      if (open.length === 0) return this.seen();
      if (Date.now() > endsAtMs) throw new Error(`orders stay open: ${JSON.stringify(open)}, ${await this.#words()}`);
      for (const order of open) await this.#answer(order);
      await this.#tab().waitForTimeout(200);
    }
  }

  #tab(): Page {
    if (this.#page === null) throw new Error("no tab is open");
    return this.#page;
  }

  async #newTab(): Promise<void> {
    const page = await this.#context.newPage();
    page.setDefaultTimeout(calmMs);
    this.#page = page;
    await page.goto(this.#shop.url).catch(() => {}); // the server may be down
  }

  /** Until the page has come, with this person's orders where they have any. */
  async #reload(): Promise<void> {
    for (let tries = 0; ; tries++) {
      const page = this.#tab();
      const listed = (answer: Response) => new URL(answer.url()).pathname === "/orders" && answer.ok();
      const orders = page.waitForResponse(listed, { timeout: 8_000 }).catch(() => null);
      const answer = await page.goto(this.#shop.url).catch(() => null);
      const anybody = (await this.sessions()).length > 0;
      if (answer?.ok() && (!anybody || (await orders) !== null)) return page.waitForTimeout(shownMs);
      if (tries === 20) throw new Error("the shop cannot be reached");
      await page.waitForTimeout(500);
    }
  }

  /** Presses Buy as people do. */
  async #press(itemId: string, card: string): Promise<void> {
    const row = this.#tab().locator(`li.item[data-item="${itemId}"]`);
    const button = row.locator("button[type=submit]");
    const there = await button.waitFor({ timeout: 5_000 }).then(
      () => true,
      () => false,
    );
    if (!there) return;
    await row
      .locator("select")
      .selectOption(card)
      .catch(() => {});
    // At once, whatever the button says: the driver would wait for one that cannot be pressed.
    const quickly = { timeout: 3_000, noWaitAfter: true, force: true };
    switch (this.#chance(8)) {
      case 0:
        this.#tell("presses Buy twice");
        await button.dblclick(quickly).catch(() => {});
        return;
      case 1: {
        this.#tell("presses Buy in two tabs");
        const other = await this.#context.newPage();
        await other.goto(this.#shop.url).catch(() => {});
        const theirs = other.locator(`li.item[data-item="${itemId}"] button[type=submit]`);
        await theirs.waitFor({ timeout: 5_000 }).catch(() => {});
        const before = await other.locator("li.order").count();
        await button.click(quickly).catch(() => {});
        // Nobody presses for what they see that they have.
        if ((await other.locator("li.order").count()) > before) return;
        await theirs.click(quickly).catch(() => {});
        if (this.#chance(2) === 0) await other.close();
        return;
      }
      case 2:
        this.#tell("presses Buy and reloads at once");
        await button.click(quickly).catch(() => {});
        await this.#tab()
          .reload({ timeout: 5_000 })
          .catch(() => {});
        return;
      case 3:
        this.#tell("presses Buy and loses the network");
        await Promise.all([button.click(quickly).catch(() => {}), this.#goOffline()]);
        return;
      case 4:
        this.#tell("presses Buy and closes the tab");
        await button.click(quickly).catch(() => {});
        await this.#tab().close();
        await this.#newTab();
        return;
      default:
        this.#tell("presses Buy");
        await button.click(quickly).catch(() => {});
    }
  }

  async #disturb(): Promise<void> {
    const page = this.#tab();
    switch (this.#chance(7)) {
      case 0:
        this.#tell("reloads");
        await page.reload({ timeout: 5_000 }).catch(() => {});
        break;
      case 1:
        this.#tell("goes to another page and back");
        await page.goto(`${this.#shop.url}/problems`, { timeout: 5_000 }).catch(() => {});
        await page.goBack({ timeout: 5_000 }).catch(() => {});
        break;
      case 2:
        if (this.#offline) await this.#goOnline();
        else await this.#goOffline();
        break;
      case 3:
        this.#tell("opens another tab");
        await this.#newTab();
        break;
      case 4: {
        const open = (await this.#orders().catch(() => [])).find(({ status }) => status === "reserved");
        if (open) await this.#answer(open);
        break;
      }
      default:
        await page.waitForTimeout(this.#chance(400));
    }
  }

  async #goOffline(): Promise<void> {
    this.#tell("is offline");
    this.#offline = true;
    await this.#context.setOffline(true);
  }

  async #goOnline(): Promise<void> {
    this.#tell("is online");
    this.#offline = false;
    await this.#context.setOffline(false);
  }

  /** The network is there, one tab is open, and it has come to rest. */
  async #calmDown(): Promise<void> {
    if (this.#offline) await this.#goOnline();
    const [last, ...others] = this.#context.pages().reverse();
    for (const page of others) await page.close();
    if (last) this.#page = last;
    else await this.#newTab();
    await this.#atRest();
  }

  /** Until nothing is being bought and the shop is reached, on whatever page there is. */
  async #atRest(): Promise<void> {
    const atRest = async () => {
      const page = this.#tab();
      const labels = await page.locator("li.item button[type=submit] .action").allTextContents();
      const connection = await page.locator("#connection").textContent({ timeout: 1_000 });
      return labels.length > 0 && !labels.some((label) => label.startsWith("Buying")) && connection === "";
    };
    const endsAtMs = Date.now() + restMs;
    let patientUntilMs = Date.now() + patienceMs;
    for (;;) {
      if (await atRest().catch(() => false)) return;
      if (Date.now() > endsAtMs) throw new Error(`the page does not come to rest: ${await this.#words()}`);
      const elsewhere = this.#tab().url() !== `${this.#shop.url}/`;
      // People load a page again that says so, or that seems to do nothing any more.
      if (elsewhere || Date.now() > patientUntilMs) {
        if (!elsewhere) this.#tell(`loads again what does not come to rest: ${await this.#words()}`);
        await this.#reload();
        patientUntilMs = Date.now() + patienceMs;
      }
      await this.#tab().waitForTimeout(150);
    }
  }

  async #orders(): Promise<SeenOrder[]> {
    return this.#tab()
      .locator("li.order")
      .evaluateAll((rows) =>
        rows.map(({ dataset }) => ({ id: dataset.order, status: dataset.status, payment: dataset.payment })),
      );
  }

  /** Does one of the things an open order offers: the bank's question, another card, cancelling. */
  async #answer({ id, payment }: SeenOrder): Promise<void> {
    const row = this.#tab().locator(`li.order[data-order="${id}"]`);
    const click = async (selector: string) => {
      this.#tell(`presses ${selector} of ${id}`);
      await row
        .locator(selector)
        .click({ timeout: 1_500, noWaitAfter: true })
        .catch(() => {});
    };
    if (payment === "requires_action") await click(["button.yes", "button.no", "button.cancel"][this.#chance(3)] ?? "");
    else if (payment === "declined") await click(["button.pay", "button.pay", "button.cancel"][this.#chance(3)] ?? "");
  }

  async #isRefused(itemId: string): Promise<boolean> {
    const action = this.#tab().locator(`li.item[data-item="${itemId}"] .action`);
    return !/^(Buy|Ask)/.test((await action.textContent().catch(() => "")) ?? "");
  }

  async #words(): Promise<string> {
    const text = this.#tab().locator("body").textContent({ timeout: 1_000 });
    return ((await text.catch((error: Error) => error.message)) ?? "").replaceAll(/\s+/g, " ").slice(0, 600);
  }
}
