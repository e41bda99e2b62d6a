import { beforeEach, describe, expect, test } from "vitest";

interface Shop {
  ask(path: string): Promise<unknown>;
  askAsShopper(path: string): Promise<unknown>;
  buy(itemId: string, paymentMethod: string): Promise<{ id: string }>;
  payWithAnotherCard(orderId: string, paymentMethod: string): Promise<{ id: string }>;
  isBuying(itemId: string): boolean;
  isUnanswered(itemId: string): boolean;
}
interface Request {
  readonly path: string;
  readonly key: string | undefined;
  readonly token: string | undefined;
  readonly body: string | undefined;
}
type Answer = (request: Request) => Response | Promise<Response>;

// Written for browsers, in plain JavaScript; loaded here as a browser does.
const { createShop, lastingStorage } = (await import(new URL("../web/shop.js", import.meta.url).href)) as {
  createShop: (parts: object) => Shop;
  lastingStorage: (browserStorage: () => unknown) => Pick<Storage, "getItem" | "setItem" | "removeItem">;
};

const answer = (status: number, body: object, headers: Record<string, string> = {}) =>
  new Response(JSON.stringify(body), { status, headers });
const problem = (status: number, code: string, headers?: Record<string, string>) =>
  answer(status, { code, title: code }, headers);
const broken = () => Promise.reject(new TypeError("fetch failed"));

describe("the storefront's page", () => {
  let kept: Map<string, string>;
  let requests: Request[];
  let sessions: number;
  let purchases: Answer[];
  let pauses: number[];
  beforeEach(() => {
    kept = new Map();
    requests = [];
    sessions = 0;
    purchases = [];
    pauses = [];
  });

  const storage = {
    getItem: (name: string) => kept.get(name) ?? null,
    setItem: (name: string, text: string) => void kept.set(name, text),
    removeItem: (name: string) => void kept.delete(name),
  };
  /** The page as it is opened, or opened again: what it knows is what was kept. */
  const openPage = (): Shop =>
    createShop({
      storage,
      pause: async (ms: number) => void pauses.push(ms),
      fetch: async (path: string, options: { headers?: Record<string, string>; body?: string } = {}) => {
        if (path === "/sessions") {
          sessions += 1;
          const name = `guest-${sessions}`;
          await new Promise((resolve) => setTimeout(resolve, 5));
          const expiresAt = new Date(Date.now() + 3_600_000).toISOString();
          return answer(201, { token: `token-of-${name}`, shopperId: name, expiresAt });
        }
        const { authorization, "idempotency-key": key } = options.headers ?? {};
        const request = { path, key, token: authorization?.slice(7), body: options.body };
        requests.push(request);
        const next = purchases.shift();
        if (!next) throw new Error("not expected to be asked");
        return next(request);
      },
    });
  const bought: Answer = ({ key }) => answer(202, { id: `order-of-${key}` });
  const ordersMade = () => new Set(requests.map(({ key, token }) => `${key} ${token}`)).size;

  test("pressing Buy twice is one purchase, sent once", async () => {
    purchases = [bought];
    const page = openPage();
    const presses = [page.buy("item_1", "pm_1"), page.buy("item_1", "pm_1")];
    expect(page.isBuying("item_1")).toBe(true);
    const [first, second] = await Promise.all(presses);
    expect(first).toEqual(second);
    expect(requests).toHaveLength(1);
    expect(page.isBuying("item_1")).toBe(false);
  });

  test.each<[string, Answer]>([
    ["the connection broke", broken],
    ["the server was busy with it", () => problem(503, "unavailable")],
    ["the server failed", () => problem(500, "internal")],
    ["it took too long", () => problem(408, "request_timeout")],
    ["something on the way answered", () => new Response("<h1>Bad gateway</h1>", { status: 502 })],
    ["the answer was cut off", () => new Response('{"id": "ord', { status: 202 })],
    ["it was one too many in this minute", () => problem(429, "rate_limited")],
  ])("asks again under the same key where %s: one order, however often", async (_name, lost) => {
    purchases = [lost, lost, bought];
    const { id } = await openPage().buy("item_1", "pm_1");
    expect(requests).toHaveLength(3);
    expect(ordersMade()).toBe(1);
    expect(id).toBe(`order-of-${requests[0]?.key}`);
  });

  test("an answer that never came keeps the key over a reload, with the card chosen first", async () => {
    purchases = [broken, broken, broken];
    await expect(openPage().buy("item_1", "pm_1")).rejects.toThrow(/same purchase/);
    expect(openPage().isUnanswered("item_1")).toBe(true);
    purchases = [bought];
    await openPage().buy("item_1", "pm_another");
    expect(ordersMade()).toBe(1);
    expect(new Set(requests.map(({ body }) => body)).size).toBe(1);
  });

  test("another card is one try until the shop has answered for good, over a reload too", async () => {
    purchases = [broken];
    await expect(openPage().payWithAnotherCard("order_1", "pm_1")).rejects.toThrow("The shop does not answer");
    purchases = [bought, bought];
    await openPage().payWithAnotherCard("order_1", "pm_1");
    expect(requests.map(({ path }) => path)).toEqual(["/orders/order_1/payment", "/orders/order_1/payment"]);
    expect(ordersMade()).toBe(1);
    await openPage().payWithAnotherCard("order_1", "pm_1"); // after another decline
    expect(ordersMade()).toBe(2);
  });

  test("a definite answer ends the intention: the next press is another purchase", async () => {
    const page = openPage();
    purchases = [bought, () => problem(409, "out_of_stock"), bought];
    await page.buy("item_1", "pm_1");
    await expect(page.buy("item_1", "pm_1")).rejects.toThrow("out_of_stock");
    await page.buy("item_1", "pm_1");
    expect(ordersMade()).toBe(3);
  });

  test("items have intentions of their own", async () => {
    purchases = [bought, bought];
    const page = openPage();
    await Promise.all([page.buy("item_1", "pm_1"), page.buy("item_2", "pm_1")]);
    expect(ordersMade()).toBe(2);
  });

  test("waits as long as the shop says, and no longer than a shopper would", async () => {
    purchases = [() => problem(503, "busy", { "retry-after": "5" }), bought];
    await openPage().buy("item_1", "pm_1");
    expect(pauses).toEqual([5_000]);
    purchases = [() => problem(429, "rate_limited", { "retry-after": "50" })];
    await expect(openPage().buy("item_1", "pm_1")).rejects.toThrow(/rate_limited/);
    expect(pauses).toEqual([5_000]);
  });

  test("one session request at a time, however many need one", async () => {
    const page = openPage();
    purchases = [bought, bought, () => answer(200, [])];
    await Promise.all([page.buy("item_1", "pm_1"), page.buy("item_2", "pm_1"), page.askAsShopper("/orders")]);
    expect(sessions).toBe(1);
    expect(new Set(requests.map(({ token }) => token)).size).toBe(1);
  });

  test("a session the shop no longer takes is replaced, and the purchase goes on", async () => {
    purchases = [() => problem(401, "unauthenticated"), bought];
    await openPage().buy("item_1", "pm_1");
    expect(requests.map(({ token }) => token)).toEqual(["token-of-guest-1", "token-of-guest-2"]);
    expect(kept.has("intention:item_1")).toBe(false);
  });

  test("what may be in line under one session is never sent under another", async () => {
    purchases = [broken, () => problem(401, "unauthenticated"), bought];
    const page = openPage();
    await expect(page.buy("item_1", "pm_1")).rejects.toThrow(/may have gone through/);
    expect(requests).toHaveLength(2);
    expect(page.isUnanswered("item_1")).toBe(false);
    await page.buy("item_1", "pm_1"); // pressed again, knowing that
    expect(ordersMade()).toBe(2);
  });

  test("nor after a reload that came before the answer", async () => {
    purchases = [() => new Promise(() => {})];
    void openPage().buy("item_1", "pm_1");
    while (requests.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    kept.delete("session");
    await expect(openPage().buy("item_1", "pm_1")).rejects.toThrow(/may have gone through/);
    expect(requests).toHaveLength(1);
  });

  test("keeps the key as long as the page is open where the browser keeps nothing", () => {
    const forbidden = lastingStorage(() => {
      throw new Error("The operation is insecure");
    });
    forbidden.setItem("a", "1");
    expect(forbidden.getItem("a")).toBe("1");
    forbidden.removeItem("a");
    expect(forbidden.getItem("a")).toBeNull();
  });
});
