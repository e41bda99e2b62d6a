import { connect } from "node:net";
import { createTestApi, opsAuthorization, shopperAuthorization } from "@holdfast/testing/api.ts";
import { addItem } from "@holdfast/testing/items.ts";
import { createWorld, eventually, type World } from "@holdfast/testing/world.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

describe("an API server that has more to do than it can", () => {
  let world: World;
  beforeAll(async () => {
    world = await createWorld();
    await addItem(world.db, "item_1", 10);
  });
  afterAll(() => world.close());

  /** Keeps the event loop turning slowly, as a crowd does. */
  const strain = () => {
    const stop = new AbortController();
    const turn = () => {
      const untilMs = performance.now() + 80;
      while (performance.now() < untilMs);
      if (!stop.signal.aborted) setTimeout(turn, 1);
    };
    turn();
    return () => stop.abort();
  };

  test("sheds load while its event loop is late, is seen alive all the time, and takes work again by itself", async () => {
    const api = await createTestApi(world, {}, { limits: { maxLoopDelayMs: 25 } });
    const status = async (url: string) => (await api.app.inject(url)).statusCode;
    expect(await status("/items")).toBe(200);
    const relax = strain();
    try {
      await eventually("load is shed", async () => (await status("/items")) === 503, 10_000);
      const purchase = await api.app.inject({
        method: "POST",
        url: "/purchase/item_1",
        headers: { authorization: await shopperAuthorization("ann") },
        payload: { paymentMethod: "pm_card_visa" },
      });
      expect(purchase.statusCode).toBe(503);
      expect(purchase.headers["content-type"]).toBe("application/problem+json; charset=utf-8");
      expect(purchase.headers["retry-after"]).toBe("2");
      expect(purchase.headers["x-content-type-options"]).toBe("nosniff");
      expect(purchase.json()).toMatchObject({ status: 503, code: "busy" });
      for (const url of ["/healthz", "/readyz"]) expect(await status(url)).toBe(200);
      expect((await api.admin.inject("/metrics")).body).toContain(
        'holdfast_http_requests_total{method="POST",route="/purchase/:itemId",status="503"} 1',
      );
    } finally {
      relax();
    }
    await eventually("it takes work again", async () => (await status("/items")) === 200, 10_000);
    await api.close();
  });

  test("counts what it sheds: a connection that was shed on has eight requests under way at most afterwards", async () => {
    const api = await createTestApi(world, {}, { limits: { maxLoopDelayMs: 25 } });
    const authorization = await shopperAuthorization("ben");
    const order = { method: "POST", url: "/purchase/item_1", headers: { authorization } } as const;
    const { headers } = await api.app.inject({ ...order, payload: { paymentMethod: "pm_card_visa" } });
    const socket = connect(Number(new URL(await api.app.listen({ host: "127.0.0.1", port: 0 })).port), "127.0.0.1");
    let answered = 0;
    socket.setEncoding("latin1").on("data", (text: string) => {
      answered += text.split("HTTP/1.1 ").length - 1;
    });
    socket.on("error", () => {});
    const ask = async (path: string) => {
      const before = answered;
      socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
      await eventually("it is answered", async () => answered > before);
    };
    await ask("/items");
    const relax = strain();
    try {
      await eventually("load is shed", async () => (await api.app.inject("/items")).statusCode === 503, 10_000);
      for (let i = 0; i < 10; i++) await ask("/items");
    } finally {
      relax();
    }
    await eventually("it takes work again", async () => (await api.app.inject("/items")).statusCode === 200, 10_000);
    const poll = `GET ${headers.location} HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\nPrefer: wait=2\r\n\r\n`;
    socket.write(poll.repeat(9));
    await eventually("the connection is ended", async () => socket.destroyed, 1_500);
    await api.close();
  });

  test("sheds load while its memory is nearly used up, pages, addresses unknown and operations too", async () => {
    const api = await createTestApi(world, {}, { limits: { maxHeapBytes: 1 } });
    const ask = (url: string) => api.app.inject({ url, headers: { authorization: opsAuthorization } });
    await eventually("load is shed", async () => (await ask("/items")).statusCode === 503, 10_000);
    for (const url of ["/", "/nothing", "/docs/", "/docs/json", "/ops/queues"]) {
      expect((await ask(url)).json()).toMatchObject({ status: 503, code: "busy" });
    }
    expect((await ask("/healthz")).statusCode).toBe(200);
    await api.close();
  });
});
