import { createClient, HoldfastError } from "@holdfast/client";
import { beforeEach, describe, expect, test } from "vitest";
import { type Answer, answer, bought, broken, FakeShop, never, problem, untilTrue } from "./fake-shop.ts";

const visa = { paymentMethod: "pm_1" };
let shop: FakeShop;
beforeEach(() => {
  shop = new FakeShop();
});

describe("a purchase", () => {
  test("pressed twice is one purchase, sent once", async () => {
    shop.script = [bought];
    const page = shop.openPage();
    const presses = [page.buy("item_1", visa), page.buy("item_1", visa)];
    expect(page.isBuying("item_1")).toBe(true);
    const [first, second] = await Promise.all(presses);
    expect(first).toEqual(second);
    expect(shop.requests).toHaveLength(1);
    expect(page.isBuying("item_1")).toBe(false);
  });

  test.each<[string, Answer]>([
    ["the connection broke", broken],
    ["the server was busy with it", () => problem(503, "unavailable")],
    ["the server failed", () => problem(500, "internal")],
    ["it took too long", () => problem(408, "request_timeout")],
    ["it came too early", () => problem(425, "too_early")],
    ["something on the way answered", () => new Response("<h1>Bad gateway</h1>", { status: 502 })],
    ["something on the way refused it", () => new Response("<h1>Forbidden</h1>", { status: 403 })],
    ["something on the way took it", () => answer(200, { welcome: "to this hotel" })],
    ["something on the way said yes", () => new Response('"ok"', { status: 200 })],
    ["the answer was cut off", () => new Response('{"id": "ord', { status: 202 })],
    ["it was one too many in this minute", () => problem(429, "rate_limited")],
  ])("is sent again under the same key where %s: one order, however often", async (_name, lost) => {
    shop.script = [lost, lost, bought];
    const { id } = await shop.openPage().buy("item_1", visa);
    expect(shop.requests).toHaveLength(3);
    expect(shop.ordersMade()).toBe(1);
    expect(id).toBe(`order-of-${shop.requests[0]?.key}`);
  });

  test("has its key kept before anything is sent, the request for a session included", async () => {
    shop.openSession = never;
    void shop.openPage().buy("item_1", visa);
    await untilTrue(() => shop.sessions === 1);
    const kept = JSON.parse(shop.kept.get("holdfast:intention:item_1") ?? "null") as { key: string };
    shop.kept.delete("holdfast:lease:session"); // the page is closed here; its leases run out
    shop.kept.delete("holdfast:lease:intention:item_1");
    shop.openSession = () => shop.guest();
    shop.script = [bought];
    await shop.openPage().buy("item_1", visa);
    expect(shop.requests.map(({ key }) => key)).toEqual([kept.key]);
  });

  test("that was never answered keeps its key over a reload, with the card and quantity chosen first", async () => {
    shop.script = [broken, broken, broken];
    const first = { ...visa, quantity: 2, metadata: { gift: "yes" } };
    await expect(shop.openPage().buy("item_1", first)).rejects.toThrow(/same purchase/);
    expect(shop.openPage().unansweredSince("item_1")).toBeTypeOf("number");
    shop.script = [bought];
    await shop.openPage().buy("item_1", { paymentMethod: "pm_another" });
    expect(shop.ordersMade()).toBe(1);
    expect(new Set(shop.requests.map(({ body }) => body)).size).toBe(1);
    expect(shop.bodies()[0]).toEqual(first);
    expect(shop.openPage().unansweredSince("item_1")).toBeNull();
  });

  test("whose page was closed before the answer came goes on with the same key, through a 503", async () => {
    shop.script = [never];
    void shop.openPage().buy("item_1", visa);
    await untilTrue(() => shop.requests.length === 1);
    shop.kept.delete("holdfast:lease:intention:item_1"); // it is not renewed any more, and runs out
    shop.script = [() => problem(503, "unavailable", { location: "/orders/o" }), bought];
    await shop.openPage().buy("item_1", visa);
    expect(shop.requests).toHaveLength(3);
    expect(shop.ordersMade()).toBe(1);
  });

  test("under a key of the caller's own is sent under that, by whoever repeats it, and beside others of the item", async () => {
    shop.script = [bought, bought, bought];
    const own = { ...visa, key: "cart-1" };
    const [one] = [await shop.openPage().buy("item_1", own), await shop.openPage().buy("item_1", visa)];
    shop.kept.clear(); // a crash of a program that keeps nothing
    expect((await shop.openPage().buy("item_1", own)).id).toBe(one.id);
    expect(shop.requests.filter(({ key }) => key === "cart-1")).toHaveLength(2);
  });

  test("under a key of the caller's own is of one item: another item's is not taken for it while it is unanswered", async () => {
    const page = shop.openPage();
    shop.script = [broken, broken, broken, bought];
    await expect(page.buy("item_1", { ...visa, key: "item_2" })).rejects.toMatchObject({ definite: false });
    await page.buy("item_2", { ...visa, quantity: 2 });
    expect(shop.bodies().at(-1)).toMatchObject({ quantity: 2 });
    expect(shop.requests.at(-1)?.key).not.toBe("item_2");
  });

  test("that is refused for good ends there: the next press asks anew", async () => {
    const page = shop.openPage();
    shop.script = [bought, () => problem(409, "out_of_stock"), bought];
    await page.buy("item_1", visa);
    await expect(page.buy("item_1", visa)).rejects.toMatchObject({
      name: "Error",
      code: "out_of_stock",
      status: 409,
      detail: "out_of_stock in detail",
      definite: true,
    });
    await page.buy("item_1", visa);
    // Nothing came of the key that was refused; should a copy of that request be on its way still,
    // it is this purchase.
    expect(shop.ordersMade()).toBe(2);
  });

  test("of one item is no purchase of another", async () => {
    shop.script = [bought, bought];
    const page = shop.openPage();
    await Promise.all([page.buy("item_1", visa), page.buy("item_2", visa)]);
    expect(shop.ordersMade()).toBe(2);
  });

  test("waits as long as the shop says, and no longer than a shopper would", async () => {
    shop.script = [() => problem(503, "busy", { "retry-after": "5" }), bought];
    await shop.openPage().buy("item_1", visa);
    expect(shop.pauses).toHaveLength(1);
    expect(shop.pauses[0]).toBeGreaterThanOrEqual(5_000);
    expect(shop.pauses[0]).toBeLessThan(6_300);
    shop.script = [() => problem(429, "rate_limited", { "retry-after": "50" })];
    const refused = shop.openPage().buy("item_1", visa);
    await expect(refused).rejects.toMatchObject({ code: "rate_limited", retryAfterSeconds: 50, definite: false });
    expect(shop.pauses).toHaveLength(1);
  });

  test("answers lost three times are an error that says so, and no refusal", async () => {
    shop.script = [broken, broken, broken];
    const error = await shop
      .openPage()
      .buy("item_1", visa)
      .catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(HoldfastError);
    expect(error).toMatchObject({ code: null, status: 0, definite: false });
  });
});

/** The second tab presses while the first waits for its answer; then it is answered by `script`. */
async function pressInBoth(script: Answer[], locks: LockManager, untilSecond = true) {
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  shop.script = [(request) => held.then(() => bought(request)), ...script];
  const first = shop.openPage({ locks }).buy("item_1", visa);
  await untilTrue(() => shop.requests.length === 1);
  const second = shop
    .openPage({ locks })
    .buy("item_1", visa)
    .catch((error: unknown) => error);
  await new Promise((resolve) => setTimeout(resolve, 20));
  release();
  await untilTrue(() => shop.requests.length === 2);
  return [await first, untilSecond ? await second : null];
}

describe("two tabs of one browser", () => {
  const locks = navigator.locks;
  test.each([
    ["with Web Locks", { locks }],
    ["without them, on a page without TLS", {}],
  ])("that both press Buy make one order %s", async (_name, options) => {
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const slow: Answer = async (request) => {
      await held;
      return bought(request);
    };
    shop.script = [slow, bought];
    const first = shop.openPage(options).buy("item_1", visa);
    await untilTrue(() => shop.requests.length === 1);
    const second = shop.openPage(options).buy("item_1", visa);
    await new Promise((resolve) => setTimeout(resolve, 20));
    release();
    const [one, other] = await Promise.all([first, second]);
    expect(other).toEqual(one);
    expect(shop.ordersMade()).toBe(1);
  });

  test("that both press Buy make one order, though nothing that the second asks is answered for a while", async () => {
    const [one, other] = await pressInBoth(
      [broken, () => problem(503, "unavailable"), () => problem(429, "rate_limited", { "retry-after": "50" })],
      locks,
    );
    expect(other).toMatchObject({ definite: false });
    const page = shop.openPage({ locks });
    expect(page.unansweredSince("item_1")).not.toBeNull();
    shop.script = [bought, bought];
    expect(await page.buy("item_1", { paymentMethod: "pm_another" })).toEqual(one);
    expect(shop.ordersMade()).toBe(1);
    expect(new Set(shop.requests.map(({ body }) => body)).size).toBe(1);
    await page.buy("item_1", visa); // the next press is the next purchase
    expect(shop.ordersMade()).toBe(2);
  });

  test("of which the second is left before it learns of the first's answer go on with that order", async () => {
    const [one] = await pressInBoth([never], locks, false);
    shop.script = [bought];
    // Without the lock of the closed page, which a browser lets go.
    const page = shop.openPage({ locks: { request: (_name: string, work: () => unknown) => work() } as LockManager });
    expect(await page.buy("item_1", visa)).toEqual(one);
    expect(shop.ordersMade()).toBe(1);
  });

  test("that press Buy one after the other make two", async () => {
    shop.script = [bought, bought];
    await shop.openPage().buy("item_1", visa);
    await new Promise((resolve) => setTimeout(resolve, 5));
    await shop.openPage().buy("item_1", visa);
    expect(shop.ordersMade()).toBe(2);
  });

  test("of which the first is closed in the middle make one: the second goes on with its key", async () => {
    shop.script = [never, bought];
    void shop.openPage().buy("item_1", visa);
    await untilTrue(() => shop.requests.length === 1);
    shop.kept.set("holdfast:lease:intention:item_1", JSON.stringify({ owner: "closed", until: Date.now() + 30 }));
    await shop.openPage().buy("item_1", { paymentMethod: "pm_another" });
    expect(shop.ordersMade()).toBe(1);
  });

  test.each([
    ["with Web Locks", { locks }],
    ["without them", {}],
  ])("open one session %s", async (_name, options) => {
    const [one, other] = await Promise.all([shop.openPage(options).session(), shop.openPage(options).session()]);
    expect(shop.sessions).toBe(1);
    expect(one).toEqual(other);
  });
});

describe("a confirmation token", () => {
  test("is made once for all sends of one purchase, however old it grows: the shop says whether it is too old", async () => {
    let nowMs = 1_000_000_000_000;
    let made = 0;
    const confirmationToken = async () => `ctoken_${++made}`;
    const now = () => nowMs;
    shop.script = [broken, broken, broken];
    await expect(shop.openPage({ now }).buy("item_1", { confirmationToken })).rejects.toThrow(/same purchase/);
    nowMs += 3_600_000;
    const declined = { status: "reserved", payment: { status: "declined", declineCode: "stale_token" } };
    shop.script = [({ key }) => answer(202, { id: `order-of-${key}`, ...declined })];
    expect(await shop.openPage({ now }).buy("item_1", { confirmationToken })).toMatchObject(declined);
    expect(made).toBe(1);
    expect(new Set(shop.requests.map(({ key, body }) => `${key} ${body}`)).size).toBe(1);
  });

  test("that was given as it is is not asked for again, over a reload", async () => {
    shop.script = [broken, broken, broken];
    await expect(shop.openPage().buy("item_1", { confirmationToken: "ctoken_1" })).rejects.toThrow(/same purchase/);
    shop.script = [bought];
    await shop.openPage().buy("item_1", { confirmationToken: () => Promise.reject(new Error("asked again")) });
    expect(shop.bodies().at(-1)).toEqual({ quantity: 1, confirmationToken: "ctoken_1" });
  });

  test("that its shopper does not give leaves nothing behind: nothing was sent", async () => {
    const closed = new Error("closed");
    const page = shop.openPage();
    await expect(page.buy("item_1", { confirmationToken: () => Promise.reject(closed) })).rejects.toBe(closed);
    expect(page.unansweredSince("item_1")).toBeNull();
    expect(shop.requests).toEqual([]);
  });

  test("is asked for where the purchase was kept before there was one", async () => {
    shop.openSession = broken;
    await expect(shop.openPage().buy("item_1", { confirmationToken: () => "ctoken_1" })).rejects.toThrow(
      /same purchase/,
    );
    shop.openSession = () => shop.guest();
    shop.script = [bought];
    await shop.openPage().buy("item_1", { confirmationToken: () => "ctoken_2" });
    expect(shop.bodies()).toEqual([{ quantity: 1, confirmationToken: "ctoken_2" }]);
  });
});

describe("a purchase that its shopper gives up", () => {
  test("is forgotten, and the next press is another one, in the tab that pressed before too", async () => {
    shop.script = [broken, broken, broken, bought];
    const page = shop.openPage();
    await expect(page.buy("item_1", visa)).rejects.toThrow(/same purchase/);
    page.forgetPurchase("item_1");
    expect(page.unansweredSince("item_1")).toBeNull();
    expect(page.answeredAt("item_1")).toBeNull();
    await page.buy("item_1", { paymentMethod: "pm_another" });
    expect(shop.ordersMade()).toBe(2);
    expect(shop.bodies().at(-1)).toMatchObject({ paymentMethod: "pm_another" });
  });

  test("is none where there is none", async () => {
    const page = shop.openPage();
    page.forgetPurchase("item_1");
    shop.script = [bought];
    await page.buy("item_1", visa);
    expect(shop.requests[0]?.key).toMatch(/-item_1-0$/);
  });
});

describe("what the browser keeps", () => {
  test("cleared while the page is open, the keys are new ones that no other browser has", async () => {
    const keys: (string | undefined)[] = [];
    for (const browser of [new FakeShop(), new FakeShop()]) {
      const page = browser.openPage();
      browser.kept.clear();
      browser.script = [bought, bought];
      await page.buy("item_1", visa);
      browser.kept.clear();
      await page.buy("item_1", visa);
      keys.push(...browser.requests.map(({ key }) => key));
    }
    expect(new Set(keys).size).toBe(4);
    expect(keys.join()).not.toContain("null");
  });

  test("makes a key that a header can carry of every id", async () => {
    shop.script = [bought];
    await shop.openPage().buy("Плакат 1", visa);
    expect(shop.requests[0]?.key).toMatch(/^[\x21-\x7e]{1,255}$/);
  });

  test("lasts where it was given, and does not in a program's own memory", () => {
    expect(shop.openPage().keeps).toBe(true);
    expect(createClient().keeps).toBe(false);
  });
});

describe("another card", () => {
  test("is one try until the shop has answered for good, over a reload too", async () => {
    shop.script = [broken, broken, broken];
    await expect(shop.openPage().payWithAnotherCard("order_1", visa)).rejects.toThrow("The shop does not answer");
    shop.script = [bought, bought];
    await shop.openPage().payWithAnotherCard("order_1", visa);
    expect(new Set(shop.requests.map(({ path }) => path))).toEqual(new Set(["/orders/order_1/payment"]));
    expect(shop.ordersMade()).toBe(1);
    await shop.openPage().payWithAnotherCard("order_1", visa); // after another decline
    expect(shop.ordersMade()).toBe(2);
  });

  test("a different one is a try of its own, and is not passed over for one that was never answered", async () => {
    const page = shop.openPage();
    shop.script = [broken, broken, broken, bought];
    await expect(page.payWithAnotherCard("order_1", visa)).rejects.toThrow("The shop does not answer");
    await page.payWithAnotherCard("order_1", { paymentMethod: "pm_2" });
    expect(shop.bodies().at(-1)).toEqual({ paymentMethod: "pm_2" });
    expect(shop.ordersMade()).toBe(2);
    expect(shop.kept.has("holdfast:card:order_1")).toBe(false);
  });

  test("that was never answered is forgotten with the order's end", async () => {
    const page = shop.openPage();
    shop.script = [broken, broken, broken, () => answer(200, { id: "order_1", status: "cancelled" })];
    await expect(page.payWithAnotherCard("order_1", visa)).rejects.toThrow("The shop does not answer");
    expect(shop.kept.has("holdfast:card:order_1")).toBe(true);
    await page.order("order_1");
    expect(shop.kept.has("holdfast:card:order_1")).toBe(false);
  });

  test("is one order from two tabs, though the second's storage has not heard of the first's purchase or its answer", async () => {
    const shop = new FakeShop();
    shop.script = [bought, bought];
    const first = shop.openPage();
    await first.session();
    const stale = new Map(shop.kept);
    const lateStorage = {
      getItem: (name: string) => stale.get(name) ?? null,
      setItem: (name: string, text: string) => void stale.set(name, text),
      removeItem: (name: string) => void stale.delete(name),
    };
    const second = shop.openPage({ storage: lateStorage });
    const one = await first.buy("item_1", { paymentMethod: "pm_1" });
    expect((await second.buy("item_1", { paymentMethod: "pm_1" })).id).toBe(one.id);
    expect(shop.ordersMade()).toBe(1);
    shop.script = [bought, bought];
    // What is bought afterwards is another purchase, in both.
    const more = await first.buy("item_1", { paymentMethod: "pm_1" });
    expect(more.id).not.toBe(one.id);
  });
});
