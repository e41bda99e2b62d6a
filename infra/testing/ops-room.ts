import type { Page } from "playwright-core";
import { testOpsPassword } from "./api.ts";
import type { BrowserShop } from "./browser-shop.ts";

/** The operations room in a browser, as an operator sees it. */
export interface OpsRoom {
  readonly page: Page;
  /** The row of an item, lane or process. */
  row(name: string): ReturnType<Page["locator"]>;
  /** Presses an action of an item and confirms it, with its fields filled in. */
  act(item: string, action: string, fields?: Readonly<Record<string, string>>): Promise<void>;
  /** Confirms what the open dialog asks. */
  confirm(fields?: Readonly<Record<string, string>>): Promise<void>;
  find(text: string): Promise<void>;
  leave(): Promise<void>;
}

export interface RoomOptions {
  readonly operator?: { readonly username: string; readonly password: string };
  readonly viewport?: { readonly width: number; readonly height: number };
  readonly colorScheme?: "light" | "dark";
}

const opsUser = { username: "ops", password: testOpsPassword };

/** The text of a part of the page. */
export async function textOf(locator: ReturnType<Page["locator"]>): Promise<string> {
  return (await locator.textContent()) ?? "";
}

/** Opens the room in a browser of its own. */
export async function openRoom(shop: BrowserShop, options: RoomOptions = {}): Promise<OpsRoom> {
  const { operator = opsUser, viewport = { width: 1280, height: 900 }, colorScheme = "light" } = options;
  const context = await shop.browser.newContext({ httpCredentials: operator, viewport, colorScheme });
  const page = await context.newPage();
  const errors: string[] = [];
  page.on("pageerror", (error) => errors.push(error.message));
  await page.goto(`${shop.url}/ops`);
  const dialog = page.getByRole("dialog");
  const confirm: OpsRoom["confirm"] = async (fields = {}) => {
    await dialog.waitFor();
    for (const [label, value] of Object.entries(fields)) {
      const field = dialog.getByLabel(label);
      if (value === "checked") await field.check();
      else await field.fill(value);
    }
    await dialog.locator("#dialog-do").click();
  };
  const row = (name: string) => page.getByRole("row").filter({ has: page.getByRole("rowheader", { name }) });
  return {
    page,
    row,
    confirm,
    async act(item, action, fields) {
      await row(item).getByRole("button", { name: action }).click();
      await confirm(fields);
      await dialog.waitFor({ state: "hidden" });
    },
    async find(text) {
      await page.getByLabel("Find an order").fill(text);
      await page.getByRole("button", { name: "Find" }).click();
    },
    async leave() {
      await context.close();
      if (errors.length > 0) throw new Error(`The page failed: ${errors.join("; ")}`);
    },
  };
}
