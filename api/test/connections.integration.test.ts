import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { createTestApi, shopperAuthorization, type TestApi } from "@holdfast/testing/api.ts";
import { addItem } from "@holdfast/testing/items.ts";
import { createWorld, eventually, type World } from "@holdfast/testing/world.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connectionLimits } from "../src/http/connections.ts";

// Short, so that the tests are; how they work together is the same.
const limits = { headersTimeoutMs: 300, requestTimeoutMs: 600, checkEveryMs: 50, idleTimeoutMs: 1_500 };
const endsWithinMs = 2_000; // the longest of these, one check later, on a machine that has other things to do

/** The heap that is in use, without what only waits to be collected. */
const usedHeapBytes = () => {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
  return process.memoryUsage().heapUsed;
};

describe("a connection", () => {
  let world: World;
  let api: TestApi;
  let port: number;
  let authorization: string;
  const sockets: Socket[] = [];
  let requestsMet = 0;
  const listen = async ({ app }: TestApi) => Number(new URL(await app.listen({ host: "127.0.0.1", port: 0 })).port);
  beforeAll(async () => {
    world = await createWorld();
    api = await createTestApi(world, {}, { limits });
    api.app.server.on("request", () => (requestsMet += 1));
    port = await listen(api);
    authorization = await shopperAuthorization("ann");
  });
  afterAll(async () => {
    for (const socket of sockets) socket.destroy();
    await api.close();
    await world.close();
  });

  /**
   * Opens a connection; `ended` says what had been answered when the server closed it, and after
   * how long.
   */
  const open = (onPort = port) => {
    const socket = connect(onPort, "127.0.0.1");
    sockets.push(socket);
    const openedAtMs = performance.now();
    let answer = "";
    socket.on("data", (chunk: Buffer) => (answer += chunk.toString()));
    socket.on("error", () => {}); // a reset is an end too
    const ended = new Promise<{ answer: string; afterMs: number }>((resolve) =>
      socket.on("close", () => resolve({ answer, afterMs: performance.now() - openedAtMs })),
    );
    return { socket, ended, answered: () => answer };
  };
  const problemIn = (answer: string) => {
    const [head = "", body = ""] = answer.split("\r\n\r\n");
    expect(head).toMatch(/^content-type: application\/problem\+json/im);
    return JSON.parse(body) as { status: number; code: string; title: string; detail: string };
  };
  /** One byte after the other, for as long as the other side lets us. */
  const drip = (socket: Socket, text: string) => {
    let sent = 0;
    const timer = setInterval(() => {
      if (socket.destroyed || sent === text.length) clearInterval(timer);
      else socket.write(text[sent++] as string);
    }, 40);
  };
  const body = (length: number) =>
    `POST /purchase/item_1 HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\n` +
    `Content-Type: application/json\r\nContent-Length: ${length}\r\n\r\n`;

  test("that sends its headers byte by byte is ended in time, with 408", async () => {
    const patient = await createTestApi(world, {}, { limits: { ...limits, requestTimeoutMs: 60_000 } });
    const { socket, ended } = open(await listen(patient));
    drip(socket, `GET /items HTTP/1.1\r\nHost: x\r\nX-Slow: ${"a".repeat(10_000)}`);
    const { answer, afterMs } = await ended;
    expect(afterMs).toBeLessThan(endsWithinMs);
    expect(problemIn(answer)).toMatchObject({ status: 408, code: "request_timeout" });
    await patient.close();
  });

  test("that sends its body byte by byte is ended in time, with 408", async () => {
    const { socket, ended } = open();
    socket.write(body(10_000));
    drip(socket, "x".repeat(10_000));
    const { answer, afterMs } = await ended;
    expect(afterMs).toBeLessThan(endsWithinMs);
    expect(problemIn(answer)).toMatchObject({ status: 408, code: "request_timeout" });
  });

  test.each([
    ["nothing at all", ""],
    ["half a head", "GET /items HTTP/1.1\r\nHo"],
    [
      "a head, and of its chunked body only the beginning",
      "POST /sessions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    ],
  ])("that sends %s and then no more is ended in time", async (_name, text) => {
    const { socket, ended } = open();
    socket.write(text);
    expect((await ended).afterMs).toBeLessThan(endsWithinMs);
  });

  test("that takes its time holds up nobody else: with two hundred of them others are served", async () => {
    const slow = Array.from({ length: 200 }, () => open());
    for (const { socket } of slow) socket.write("GET /items HTTP/1.1\r\nX-Slow: ");
    const response = await fetch(`http://127.0.0.1:${port}/items`);
    expect(response.status).toBe(200);
    const ends = await Promise.all(slow.map(({ ended }) => ended));
    expect(Math.max(...ends.map(({ afterMs }) => afterMs))).toBeLessThan(endsWithinMs);
  });

  test("that is kept for the next request may be idle for longer than any request may take", async () => {
    // Longer than a machine stands still between the test's clock and the server's.
    const patient = await createTestApi(world, {}, { limits: { ...limits, idleTimeoutMs: 10_000 } });
    const { socket, answered } = open(await listen(patient));
    const answers = () => answered().split('{"status":"ok"}').length - 1;
    for (const count of [1, 2]) {
      socket.write("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
      await eventually("it is answered", async () => answers() === count);
      await sleep(2 * limits.requestTimeoutMs);
      expect(socket.readyState).toBe("open");
    }
    await patient.close();
  });

  test.each([
    ["one header of 64 KB", `X-Large: ${"a".repeat(65_536)}\r\n`],
    ["headers of 64 KB", `X-Some: ${"a".repeat(1_000)}\r\n`.repeat(64)],
    ["a thousand headers", Array.from({ length: 1_000 }, (_, i) => `X${i}: a\r\n`).join("")],
    ["a hundred and one headers", Array.from({ length: 100 }, (_, i) => `X${i}: a\r\n`).join("")],
  ])("that sends %s is answered 431", async (_name, headers) => {
    const { socket, ended } = open();
    socket.write(`GET /items HTTP/1.1\r\nHost: x\r\n${headers}\r\n`);
    expect(problemIn((await ended).answer)).toMatchObject({ status: 431, code: "headers_too_large" });
  });

  test("that sends as many headers as a browser behind proxies is served", async () => {
    const headers = Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`x-${i}`, "a".repeat(100)]));
    expect((await fetch(`http://127.0.0.1:${port}/items`, { headers })).status).toBe(200);
  });

  test("that announces a body too large is refused before the body is sent", async () => {
    const { socket, ended } = open();
    socket.write(body(2_000_000_000));
    expect(problemIn((await ended).answer)).toMatchObject({ status: 413, code: "payload_too_large" });
  });

  test("that sends a chunked body without end is refused when it is too large", async () => {
    const { socket, ended } = open();
    socket.write(body(0).replace("Content-Length: 0", "Transfer-Encoding: chunked"));
    const chunk = `1000\r\n${"x".repeat(4_096)}\r\n`;
    for (let i = 0; i < 8; i++) socket.write(chunk);
    expect((await ended).answer).toMatch(/^HTTP\/1.1 413 /);
  });

  test.each([
    ["no HTTP", "\u0016\u0003\u0001 hello\r\n\r\n"],
    ["two lengths", "POST /sessions HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"],
    [
      "a length and chunks",
      "POST /sessions HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
    ["a line folded into a header", "GET /items HTTP/1.1\r\nHost: x\r\nX-A: b\r\n c\r\n\r\n"],
    ["a space before a header's colon", "GET /items HTTP/1.1\r\nHost: x\r\nX-A : b\r\n\r\n"],
    ["a NUL in a header", "GET /items HTTP/1.1\r\nHost: x\r\nX-A: b\0c\r\n\r\n"],
    ["a bare line feed in a header", "GET /items HTTP/1.1\r\nHost: x\r\nX-A: b\nX-B: c\r\n\r\n"],
  ])("that could be read in two ways, or in none, is 400 and closed: %s", async (_name, text) => {
    const { socket, ended } = open();
    socket.write(text);
    const { answer, afterMs } = await ended;
    expect(afterMs).toBeLessThan(endsWithinMs);
    expect(problemIn(answer)).toMatchObject({ status: 400, code: "invalid_request" });
  });

  test("that pipelines long polls of many shoppers takes eight places at most, and is ended; then all is free", async () => {
    await addItem(world.db, "item_1", 10);
    const shoppers = await Promise.all(Array.from({ length: 20 }, (_, i) => shopperAuthorization(`pipelining-${i}`)));
    const orders = await Promise.all(
      shoppers.map(async (token) => {
        const order = { method: "POST", url: "/purchase/item_1", headers: { authorization: token } } as const;
        return (await api.app.inject({ ...order, payload: { paymentMethod: "pm_card_visa" } })).headers.location;
      }),
    );
    const heads = orders.map(
      (order, i) => `GET ${order} HTTP/1.1\r\nHost: x\r\nAuthorization: ${shoppers[i]}\r\nPrefer: wait=2\r\n\r\n`,
    );
    const requestsBefore = requestsMet;
    const { socket, ended } = open();
    let widest = 0;
    const looking = setInterval(() => (widest = Math.max(widest, api.watch.size())), 5);
    socket.write(heads.slice(0, 8).join(""));
    await eventually("eight wait", async () => api.watch.size() === 8);
    const crowd = heads.join("");
    for (let sent = 0; sent < 20_000 && !socket.destroyed; sent += heads.length) socket.write(crowd);
    await ended;
    expect(requestsMet - requestsBefore).toBeLessThan(2_000); // of twenty thousand; the rest is not even read
    clearInterval(looking);
    expect(widest).toBe(8);
    await eventually("nobody waits", async () => api.watch.size() === 0);
  });

  test("is counted the same where pages of other origins may ask: a preflight makes no room", async () => {
    const open = await createTestApi(world, { CORS_ORIGINS: "https://shop.example" });
    const origin = new URL(await open.app.listen({ host: "127.0.0.1", port: 0 }));
    const authorization = await shopperAuthorization("preflighting");
    const order = { method: "POST", url: "/purchase/item_1", headers: { authorization } } as const;
    const { headers } = await open.app.inject({ ...order, payload: { paymentMethod: "pm_card_visa" } });
    const socket = connect(Number(origin.port), origin.hostname);
    socket.on("error", () => {});
    socket.resume();
    const ended = new Promise((resolve) => socket.once("close", resolve));
    for (let i = 0; i < 20; i++) socket.write("OPTIONS /items HTTP/1.1\r\nHost: x\r\n\r\n");
    await new Promise((resolve) => setTimeout(resolve, 200));
    const poll = `GET ${headers.location} HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\nPrefer: wait=20\r\n\r\n`;
    socket.write(poll.repeat(9));
    await ended; // one more than eight ends the connection
    expect(open.watch.size()).toBeLessThanOrEqual(8);
    await open.close();
  });

  test("that sends thousands of requests behind eight that wait is ended without waiting for them, and holds no memory", async () => {
    const [connections, heapBefore] = [10, usedHeapBytes()];
    const shoppers = await Promise.all(
      Array.from({ length: connections }, (_, i) => shopperAuthorization(`crowding-${i}`)),
    );
    const opened = await Promise.all(
      shoppers.map(async (token) => {
        const order = { method: "POST", url: "/purchase/item_1", headers: { authorization: token } } as const;
        const { headers } = await api.app.inject({ ...order, payload: { paymentMethod: "pm_card_visa" } });
        const connection = open();
        const poll = `GET ${headers.location} HTTP/1.1\r\nHost: x\r\nAuthorization: ${token}\r\nPrefer: wait=20\r\n\r\n`;
        connection.socket.write(poll.repeat(8));
        return connection;
      }),
    );
    await eventually("eight wait on each", async () => api.watch.size() === 8 * connections);
    const small = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    const packet = small.repeat(Math.floor(65_536 / small.length));
    const sentAtMs = performance.now();
    for (const { socket } of opened) {
      socket.write(packet);
      socket.write(packet);
    }
    // Where they are not ended, the memory says by how much it fails.
    await eventually("nobody waits", async () => api.watch.size() === 0, 5_000).catch(() => {});
    const bytesEach = (usedHeapBytes() - heapBefore) / connections;
    expect(bytesEach).toBeLessThan(200e3);
    const ends = await Promise.all(opened.map(({ ended }) => ended));
    expect(performance.now() - sentAtMs).toBeLessThan(10_000); // half of what the eight wait for
    expect(new Set(ends.map(({ answer }) => answer))).toEqual(new Set([""]));
    expect(api.watch.size()).toBe(0);
  });

  test("that breaks off with long polls pipelined on it leaves none of them waiting", async () => {
    const order = { method: "POST", url: "/purchase/item_1", headers: { authorization } } as const;
    const { headers } = await api.app.inject({ ...order, payload: { paymentMethod: "pm_card_visa" } });
    const { socket } = open();
    const poll = `GET ${headers.location} HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\nPrefer: wait=30\r\n\r\n`;
    socket.write(poll.repeat(5));
    await eventually("five wait", async () => api.watch.size() === 5);
    socket.destroy();
    await eventually("nobody waits", async () => api.watch.size() === 0, 2_000);
  });

  test("that pipelines a few requests has all of them answered, in their order", async () => {
    const { socket, answered } = open();
    socket.write("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n".repeat(8));
    await eventually("all are answered", async () => answered().split('{"status":"ok"}').length - 1 === 8);
    socket.destroy();
  });

  test("above the number a server takes is closed, and those before it go on", async () => {
    const small = await createTestApi(
      world,
      {},
      { limits: { ...limits, maxConnections: 5, headersTimeoutMs: 5_000, requestTimeoutMs: 6_000 } },
    );
    const smallPort = await listen(small);
    const kept = Array.from({ length: 5 }, () => open(smallPort));
    await Promise.all(kept.map(({ socket }) => new Promise((resolve) => socket.once("connect", resolve))));
    expect((await open(smallPort).ended).answer).toBe("");
    kept[0]?.socket.write("GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    expect((await kept[0]?.ended)?.answer).toContain('{"status":"ok"}');
    for (const { socket } of kept) socket.destroy();
    await small.close();
  });

  test("of a production server is ended within twelve seconds, whatever it does not send", () => {
    const { headersTimeoutMs, requestTimeoutMs, checkEveryMs } = connectionLimits;
    expect(Math.max(headersTimeoutMs, requestTimeoutMs) + 2 * checkEveryMs).toBeLessThanOrEqual(12_000);
  });
});
