import type { Client, Order } from "@holdfast/client";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { type Answer, answer, bought, broken, FakeShop, notModified, problem } from "./fake-shop.ts";

const queued = { id: "order_1", status: "queued", position: 2 } as Order;
const shown =
  (order: object, etag: string): Answer =>
  () =>
    answer(200, { ...queued, ...order }, { etag });
let shop: FakeShop;
beforeEach(() => {
  shop = new FakeShop();
});
const asked = () => shop.requests.map(({ prefer, ifNoneMatch }) => [prefer ?? null, ifNoneMatch ?? null]);

describe("waiting for an order", () => {
  test("is one long poll at a time, each with the tag of the answer before", async () => {
    shop.script = [shown({}, '"1"'), shown({ status: "reserved" }, '"2"'), shown({ status: "confirmed" }, '"3"')];
    const seen: string[] = [];
    const order = await shop.openPage().waitFor("order_1", { onChange: ({ status }) => seen.push(status) });
    expect(order.status).toBe("confirmed");
    expect(seen).toEqual(["queued", "reserved", "confirmed"]);
    expect(asked()).toEqual([
      [null, null],
      ["wait=20", '"1"'],
      ["wait=20", '"2"'],
    ]);
    expect(shop.pauses).toEqual([]);
  });

  test("begins with the tag that the purchase was answered with", async () => {
    const page = shop.openPage();
    shop.script = [() => answer(202, queued, { etag: '"1"' }), shown({ status: "confirmed" }, '"2"')];
    await page.waitFor(await page.buy("item_1", { paymentMethod: "pm_1" }));
    expect(asked()[1]).toEqual(["wait=20", '"1"']);
  });

  test("a wait for nothing is followed by a look at the place in line, which changes no tag", async () => {
    shop.script = [
      shown({}, '"1"'),
      notModified('"1"'),
      shown({ position: 1 }, '"1"'),
      shown({ status: "confirmed" }, '"2"'),
    ];
    const places: (number | null)[] = [];
    let nowMs = 0;
    const page = shop.openPage({ now: () => (nowMs += 1_500) });
    await page.waitFor("order_1", { onChange: ({ position }) => places.push(position) });
    expect(places.slice(0, 2)).toEqual([2, 1]);
    expect(asked().slice(1)).toEqual([
      ["wait=20", '"1"'],
      [null, null],
      ["wait=20", '"1"'],
    ]);
  });

  test("is over where its asker says so", async () => {
    shop.script = [shown({}, '"1"'), shown({ status: "reserved" }, '"2"')];
    const order = await shop.openPage().waitFor("order_1", { until: ({ status }) => status !== "queued" });
    expect(order.status).toBe("reserved");
  });

  test("asks nothing about an order that is final already", async () => {
    const order = { ...queued, status: "confirmed" } as Order;
    expect(await shop.openPage().waitFor(order)).toBe(order);
    expect(shop.requests).toEqual([]);
  });

  test("asks for an answer at once after an outage: one that is held would hide for its time that the shop is back", async () => {
    const shop = new FakeShop();
    shop.script = [
      () => answer(200, { id: "o", status: "queued" }, { etag: '"0"' }),
      broken,
      () => answer(200, { id: "o", status: "queued" }, { etag: '"0"' }),
      () => answer(200, { id: "o", status: "confirmed" }, { etag: '"1"' }),
    ];
    await shop.openPage().waitFor("o");
    expect(shop.requests.map(({ prefer }) => prefer)).toEqual([undefined, "wait=20", undefined, "wait=20"]);
  });

  test("goes on through whatever gets lost, ever more slowly, and says when the shop is gone and back", async () => {
    shop.script = [broken, () => problem(503, "unavailable"), broken, shown({ status: "confirmed" }, '"2"')];
    const states: string[] = [];
    const order = await shop.openPage().waitFor(queued, { onConnection: (state) => states.push(state) });
    expect(order.status).toBe("confirmed");
    expect(states).toEqual(["lost", "back"]);
    expect(shop.pauses.map((ms) => Math.floor(Math.log2(ms / 1_000)))).toEqual([0, 1, 2]);
  });

  test("takes its time between polls in a long outage, though never more than 38 seconds", async () => {
    shop.script = [...Array.from({ length: 12 }, () => broken), shown({ status: "confirmed" }, '"2"')];
    await shop.openPage().waitFor(queued);
    expect(Math.max(...shop.pauses)).toBeGreaterThanOrEqual(30_000);
    expect(Math.max(...shop.pauses)).toBeLessThan(38_000);
  });

  test("waits as long as the shop asks for, and takes one wait too many for no outage", async () => {
    shop.script = [() => problem(429, "rate_limited", { "retry-after": "7" }), shown({ status: "confirmed" }, '"2"')];
    const states: string[] = [];
    await shop.openPage().waitFor(queued, { onConnection: (state) => states.push(state) });
    expect(states).toEqual([]);
    expect(shop.pauses[0]).toBeGreaterThanOrEqual(7_000);
  });

  test.each(["3600", "1e999"])("does not wait for an hour because of a Retry-After of %s", async (retryAfter) => {
    const late = () => problem(429, "rate_limited", { "retry-after": retryAfter });
    shop.script = [late, shown({ status: "confirmed" }, '"2"')];
    await shop.openPage().waitFor(queued);
    expect(shop.pauses[0]).toBeGreaterThanOrEqual(60_000);
    expect(shop.pauses[0]).toBeLessThanOrEqual(75_000);
  });

  test("needs nothing that browsers of 2022 lack, and gives up a request that hangs", async () => {
    vi.useFakeTimers();
    vi.stubGlobal("AbortSignal", undefined);
    try {
      const hang = (_url: string, { signal }: RequestInit) =>
        new Promise<Response>((_resolve, reject) => signal?.addEventListener("abort", () => reject(new Error("gone"))));
      const lost = new Promise<string>((resolve) => {
        const fetch = (url: string, request: RequestInit) =>
          url === "/sessions" ? Promise.resolve(shop.guest()) : hang(url, request);
        const { signal } = new AbortController();
        void shop.openPage({ fetch }).waitFor(queued, { signal, onConnection: resolve });
      });
      await vi.advanceTimersByTimeAsync(16_000);
      expect(await lost).toBe("lost");
    } finally {
      vi.unstubAllGlobals();
      vi.useRealTimers();
    }
  });

  test("does not ask in a loop where answers are not held, as by a server that is closing", async () => {
    const [still, final] = [notModified('"1"'), shown({ status: "confirmed" }, '"2"')];
    shop.script = [shown({ status: "reserved" }, '"1"'), still, still, still, final];
    await shop.openPage().waitFor("order_1");
    expect(shop.pauses).toEqual([1_000, 1_000, 1_000]);
  });

  test("ends where the order was lost in a fault, with what the shop says of it", async () => {
    shop.script = [() => problem(404, "order_not_found")];
    const waiting = shop.openPage().waitFor(queued);
    await expect(waiting).rejects.toMatchObject({ code: "order_not_found", detail: "order_not_found in detail" });
    expect(shop.requests).toHaveLength(1);
  });

  test("ends with its signal, in a request and between two", async () => {
    const stop = new AbortController();
    const stopped = () => {
      stop.abort(new Error("enough"));
      return broken();
    };
    shop.script = [shown({ status: "reserved" }, '"1"'), stopped];
    await expect(shop.openPage().waitFor("order_1", { signal: stop.signal })).rejects.toThrow("enough");
    const between = new AbortController();
    shop.script = [broken];
    const waiting = shop.openPage().waitFor(queued, { signal: between.signal, onConnection: () => between.abort() });
    await expect(waiting).rejects.toThrow(/aborted/);
  });
});

describe("the client", () => {
  test("asks what is on sale with the tag of its last answer, and a 304 costs nothing", async () => {
    const page = shop.openPage();
    shop.script = [() => answer(200, [{ id: "item_1" }], { etag: '"a"' }), notModified('"a"')];
    const first = await page.items();
    expect(await page.items()).toBe(first);
    expect(asked()).toEqual([
      [null, null],
      [null, '"a"'],
    ]);
    expect(shop.sessions).toBe(0);
  });

  test.each<[string, (page: Client) => Promise<Order>]>([
    ["a cancellation", (page) => page.cancel("order_1")],
    ["an order", (page) => page.order("order_1")],
  ])("asks for %s three times at most, as long as no answer comes", async (_name, work) => {
    const page = shop.openPage();
    shop.script = [broken, () => problem(503, "unavailable"), shown({}, '"1"')];
    expect(await work(page)).toMatchObject({ id: "order_1" });
    shop.script = [broken, broken, broken];
    await expect(work(page)).rejects.toMatchObject({ definite: false });
    shop.script = [() => problem(409, "payment_in_progress")];
    await expect(work(page)).rejects.toMatchObject({ definite: true });
    shop.script = [() => problem(503, "unavailable", { "retry-after": "50" })];
    await expect(work(page)).rejects.toMatchObject({ retryAfterSeconds: 50 });
    expect(shop.requests).toHaveLength(8);
  });

  test("cancels, looks at an order, and turns the pages of one's own", async () => {
    const page = shop.openPage();
    shop.script = [bought, bought, bought, bought];
    await page.cancel("order_1");
    await page.order("order_1");
    await page.orders();
    await page.orders({ limit: 10, after: "a b" });
    expect(shop.requests.map(({ method, path }) => `${method} ${path}`)).toEqual([
      "DELETE /orders/order_1",
      "GET /orders/order_1",
      "GET /orders?",
      "GET /orders?limit=10&after=a+b",
    ]);
  });
});
