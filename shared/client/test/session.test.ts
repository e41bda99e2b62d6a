import { readFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import { type Client, createClient, type Order } from "@holdfast/client";
import { beforeEach, describe, expect, test } from "vitest";
import { type Answer, answer, bought, broken, FakeShop, never, problem, untilTrue } from "./fake-shop.ts";

const visa = { paymentMethod: "pm_1" };
const tokenOf = (sub: string, more: object = {}) =>
  `h.${Buffer.from(JSON.stringify({ sub, ...more })).toString("base64url")}.s`;
const queuedOrder: Answer = ({ key }) => answer(202, { id: `order-of-${key}`, status: "queued" }, { etag: '"1"' });
let shop: FakeShop;
beforeEach(() => {
  shop = new FakeShop();
});

describe("a guest's session", () => {
  test("is asked for once, however many need one", async () => {
    const page = shop.openPage();
    shop.script = [bought, bought, bought];
    await Promise.all([page.buy("item_1", visa), page.buy("item_2", visa), page.orders()]);
    expect(shop.sessions).toBe(1);
    expect(new Set(shop.requests.map(({ token }) => token)).size).toBe(1);
  });

  test("that the shop no longer takes is replaced, and the purchase goes on under its key", async () => {
    shop.script = [() => problem(401, "unauthenticated"), bought];
    await shop.openPage().buy("item_1", visa);
    expect(shop.requests.map(({ token }) => token)).toEqual(["token-of-guest-1", "token-of-guest-2"]);
    expect(new Set(shop.requests.map(({ key }) => key)).size).toBe(1);
    expect(shop.kept.has("holdfast:intention:item_1")).toBe(false);
  });

  test("that the shop no longer takes ends nothing, where the page is closed before there is another", async () => {
    shop.script = [() => problem(401, "unauthenticated")];
    shop.openSession = () => (shop.sessions === 1 ? shop.guest() : never());
    void shop.openPage().buy("item_1", visa);
    await untilTrue(() => shop.sessions === 2);
    for (const name of ["session", "intention:item_1"]) shop.kept.delete(`holdfast:lease:${name}`); // they run out
    shop.openSession = () => shop.guest();
    shop.script = [bought];
    await shop.openPage().buy("item_1", visa);
    expect(new Set(shop.requests.map(({ key }) => key)).size).toBe(1);
  });

  test("what may be in line under one is never sent under another", async () => {
    shop.script = [broken, () => problem(401, "unauthenticated"), bought];
    const page = shop.openPage();
    await expect(page.buy("item_1", visa)).rejects.toThrow(/may have gone through/);
    // Kept until its shopper knows: neither another press nor another tab buys a second time.
    await expect(shop.openPage().buy("item_1", visa)).rejects.toMatchObject({ code: "session_ended", definite: false });
    expect(shop.requests).toHaveLength(2);
    page.forgetPurchase("item_1");
    await page.buy("item_1", visa);
    expect(shop.ordersMade()).toBe(2);
  });

  test("nor after a reload that came before the answer", async () => {
    shop.script = [never];
    void shop.openPage().buy("item_1", visa);
    await untilTrue(() => shop.requests.length === 1);
    shop.kept.delete("holdfast:session");
    shop.kept.delete("holdfast:lease:intention:item_1");
    await expect(shop.openPage().buy("item_1", visa)).rejects.toThrow(/may have gone through/);
    expect(shop.requests).toHaveLength(1);
  });

  test("that does not come keeps the purchase for the next press", async () => {
    shop.openSession = broken;
    await expect(shop.openPage().buy("item_1", visa)).rejects.toMatchObject({ definite: false });
    expect(shop.sessions).toBe(3);
    const kept = JSON.parse(shop.kept.get("holdfast:intention:item_1") ?? "null") as { key: string };
    shop.openSession = () => shop.guest();
    shop.script = [bought];
    await shop.openPage().buy("item_1", visa);
    expect(shop.requests[0]?.key).toBe(kept.key);
  });

  test("is good until the shop says otherwise, whatever the device's clock says", async () => {
    const page = shop.openPage({ now: () => Date.now() + 25 * 3_600_000 });
    const cancelled = { status: "cancelled" };
    shop.script = [queuedOrder, ({ path }) => answer(200, { id: path.split("/").at(-1), ...cancelled })];
    expect(await page.waitFor(await page.buy("item_1", visa))).toMatchObject(cancelled);
    expect(shop.sessions).toBe(1);
    expect(page.hasSession()).toBe(true);
  });

  test.each<[string, (page: Client, order: Order) => Promise<unknown>]>([
    ["a wait", (page, order) => page.waitFor(order)],
    ["an order", (page, { id }) => page.order(id)],
    ["a cancellation", (page, { id }) => page.cancel(id)],
    ["another card", (page, { id }) => page.payWithAnotherCard(id, visa)],
    ["one's orders", (page) => page.orders()],
  ])("that the shop no longer takes ends %s, and nobody else asks for it", async (_name, work) => {
    const page = shop.openPage();
    shop.script = [queuedOrder, () => problem(401, "unauthenticated")];
    const order = await page.buy("item_1", visa);
    await expect(work(page, order)).rejects.toMatchObject({ code: "session_ended", definite: false });
    expect(shop.sessions).toBe(1);
    expect(page.hasSession()).toBe(false);
  });

  test.each<[string, (page: Client, order: Order) => Promise<unknown>]>([
    ["a wait", (page, order) => page.waitFor(order)],
    ["an order", (page, { id }) => page.order(id)],
    ["a cancellation", (page, { id }) => page.cancel(id)],
    ["another card", (page, { id }) => page.payWithAnotherCard(id, visa)],
  ])("replaced in another tab sends nothing for %s of the one before", async (_name, work) => {
    const page = shop.openPage();
    shop.script = [queuedOrder, () => problem(401, "unauthenticated"), bought];
    const order = await page.buy("item_1", visa);
    await shop.openPage().buy("item_2", visa);
    expect(shop.sessions).toBe(2);
    await expect(work(page, order)).rejects.toMatchObject({ code: "session_ended" });
    expect(shop.requests).toHaveLength(3);
  });

  test("that ended before another tab's answer could be looked at buys nothing under the next one", async () => {
    const locks = navigator.locks;
    const answered: Answer = (request) => {
      second = shop.openPage({ locks }).buy("item_1", visa);
      void second.catch(() => {});
      return new Promise((resolve) => setTimeout(() => resolve(bought(request)), 20));
    };
    let second: Promise<unknown> = Promise.resolve();
    shop.script = [answered, () => problem(401, "unauthenticated")];
    await shop.openPage({ locks }).buy("item_1", visa);
    await expect(second).rejects.toMatchObject({ code: "session_ended" });
    expect(shop.sessions).toBe(1);
    expect(shop.requests).toHaveLength(2);
  });

  test("is the shop's alone: what something on the way says keeps the purchase, and is no session", async () => {
    const hotel = () => answer(200, { welcome: "to this hotel" });
    shop.openSession = hotel;
    await expect(shop.openPage().buy("item_1", visa)).rejects.toMatchObject({ definite: false });
    expect(shop.requests).toEqual([]);
    shop.openSession = () => shop.guest();
    shop.script = [bought];
    await shop.openPage().buy("item_1", visa);
    expect(shop.ordersMade()).toBe(1);
  });

  test("is not asked for without end where the shop refuses every one", async () => {
    shop.script = Array.from({ length: 9 }, () => () => problem(401, "unauthenticated"));
    await expect(shop.openPage().buy("item_1", visa)).rejects.toMatchObject({ code: "unauthenticated" });
    expect(shop.sessions).toBe(2);
  });

  test("is not opened to find out whether there is one", () => {
    expect(shop.openPage().hasSession()).toBe(false);
    expect(shop.sessions).toBe(0);
  });
});

describe("a shop's own token", () => {
  test("is used in place of guest sessions, and says itself whose it is", async () => {
    const token = tokenOf("Zoë", { exp: 1_900_000_000 });
    const page = shop.openPage({ token });
    shop.script = [bought];
    await page.buy("item_1", visa);
    expect(shop.requests[0]?.token).toBe(token);
    expect(shop.sessions).toBe(0);
    expect(page.hasSession()).toBe(true);
    expect(await page.session()).toEqual({ token, shopperId: "Zoë", expiresAt: "2030-03-17T17:46:40.000Z" });
  });

  test("that is refused is reported, and no guest takes its place", async () => {
    const page = shop.openPage({ token: tokenOf("anna") });
    shop.script = [() => problem(401, "unauthenticated"), () => problem(401, "unauthenticated")];
    await expect(page.buy("item_1", visa)).rejects.toMatchObject({ code: "unauthenticated" });
    await expect(page.orders()).rejects.toMatchObject({ code: "unauthenticated" });
    expect(shop.sessions).toBe(0);
  });

  test("that ends while a purchase is unanswered keeps its key: signed in again, it is the same order", async () => {
    const page = shop.openPage({ token: tokenOf("anna", { exp: 1 }) });
    shop.script = [broken, () => problem(401, "unauthenticated")];
    await expect(page.buy("item_1", visa)).rejects.toMatchObject({ code: "unauthenticated" });
    page.signIn(tokenOf("anna", { exp: 2 }));
    shop.script = [bought];
    await page.buy("item_1", visa);
    expect(new Set(shop.requests.map(({ key }) => key)).size).toBe(1);
  });

  test("of somebody else neither sends nor forgets what may be in line for the one before", async () => {
    const [anna, ben] = ["anna", "ben"].map((sub) => shop.openPage({ token: tokenOf(sub) })) as [Client, Client];
    shop.script = [broken, broken, broken];
    await expect(anna.buy("item_1", visa)).rejects.toThrow(/same purchase/);
    expect(ben.unansweredSince("item_1")).toBeNull();
    shop.script = [bought, bought, bought];
    await ben.buy("item_1", visa);
    expect(ben.answeredAt("item_1")).not.toBeNull();
    expect(anna.answeredAt("item_1")).toBeNull();
    await anna.buy("item_1", visa);
    const keysOf = (sub: string) => shop.requests.filter(({ token }) => token === tokenOf(sub)).map(({ key }) => key);
    expect(new Set(keysOf("anna")).size).toBe(1);
    expect(keysOf("anna")).toHaveLength(4);
    expect(keysOf("ben")).toHaveLength(1);
  });

  test("of two that press at the same time in one browser buys for each", async () => {
    shop.script = [bought, bought];
    const [anna, ben] = ["anna", "ben"].map((sub) => shop.openPage({ token: tokenOf(sub) })) as [Client, Client];
    await Promise.all([anna.buy("item_1", visa), ben.buy("item_1", visa)]);
    expect(shop.requests.map(({ method, token }) => `${method} ${token}`).sort()).toEqual(
      ["anna", "ben"].map((sub) => `POST ${tokenOf(sub)}`).sort(),
    );
  });

  test("given in the middle of a guest's purchase sends nothing of it under the new name", async () => {
    const page = shop.openPage();
    shop.script = [broken];
    const buying = page.buy("item_1", visa);
    await untilTrue(() => shop.requests.length === 1);
    page.signIn(tokenOf("anna"));
    await expect(buying).rejects.toMatchObject({ code: "session_ended" });
    expect(shop.requests).toHaveLength(1);
  });

  test("that is none to anybody is the shop's to refuse", async () => {
    const session = await shop.openPage({ token: "not.a.token" }).session();
    expect(session).toMatchObject({ token: "not.a.token", expiresAt: null });
  });
});

describe("the client", () => {
  test("works without any storage, in memory, as in Node", async () => {
    const asked: string[] = [];
    const fetch = async (url: string) => {
      asked.push(url);
      return url.endsWith("/sessions") ? shop.guest() : answer(202, { id: "order_1" });
    };
    const client = createClient({ baseUrl: "https://shop.example", fetch });
    expect(await client.buy("item 1", visa)).toEqual({ id: "order_1" });
    expect(asked).toEqual(["https://shop.example/sessions", "https://shop.example/purchase/item%201"]);
  });

  test("takes what somebody else has written into the storage for nothing", async () => {
    shop.kept.set("holdfast:session", "{");
    shop.script = [bought];
    await shop.openPage().buy("item_1", visa);
    expect(shop.sessions).toBe(1);
  });

  test("is under 5 KB: all its files together, compressed, without their comments, as the API serves them", async () => {
    const files = ["client.js", "ask.js", "keep.js"].map((name) => new URL(`../${name}`, import.meta.url));
    const sources = await Promise.all(files.map((file) => readFile(file, "utf8")));
    const code = sources.join("").replaceAll(/^\s*(\/\/|\/?\*).*\n/gm, "");
    expect(gzipSync(code, { level: 9 }).length).toBeLessThan(5 * 1024);
  });
});
