import { connect } from "node:net";
import { createTestApi, shopperAuthorization, type TestApi } from "@holdfast/testing/api.ts";
import { addItem } from "@holdfast/testing/items.ts";
import { createWorld, eventually, type World } from "@holdfast/testing/world.ts";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const requestTimeoutMs = 1_000;

describe("what is no request that could be read", () => {
  let world: World;
  let api: TestApi;
  let port: number;
  beforeAll(async () => {
    world = await createWorld();
    api = await createTestApi(world, {}, { limits: { requestTimeoutMs, headersTimeoutMs: 300, checkEveryMs: 50 } });
    port = Number(new URL(await api.app.listen({ host: "127.0.0.1", port: 0 })).port);
  });
  afterAll(async () => {
    await api.close();
    await world.close();
  });

  /**
   * Sends bytes as they are, and after them says that there will be no more where it `hangsUp`;
   * reads until the server ends the connection.
   */
  const exchange = (bytes: Buffer | string, hangsUp = false): Promise<string> =>
    new Promise((resolve, reject) => {
      const socket = connect(port, "127.0.0.1");
      let answer = "";
      socket.setTimeout(5_000, () => socket.destroy(new Error(`still open after 5 s, got: ${answer}`)));
      socket.on("data", (chunk) => {
        answer += chunk.toString("latin1");
      });
      socket.on("error", (error) =>
        (error as { code?: string }).code === "ECONNRESET" ? resolve(answer) : reject(error),
      );
      socket.on("close", () => resolve(answer));
      socket.write(typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes);
      if (hangsUp) socket.end();
    });
  const problemIn = (answer: string) => JSON.parse(answer.slice(answer.indexOf("\r\n\r\n") + 4)) as object;

  test.each([
    ["no HTTP", "hello\r\n\r\n", 400, "invalid_request"],
    ["an address outside ASCII", "GET /items/\xe9 HTTP/1.1\r\nhost: x\r\n\r\n", 400, "invalid_request"],
    ["an unknown method", "FROBNICATE / HTTP/1.1\r\nhost: x\r\n\r\n", 400, "invalid_request"],
    [
      "headers past their limit",
      `GET / HTTP/1.1\r\nhost: x\r\nx: ${"x".repeat(20_000)}\r\n\r\n`,
      431,
      "headers_too_large",
    ],
    [
      "two lengths",
      "POST /sessions HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
      400,
      "invalid_request",
    ],
  ])("%s is answered with a problem, and the connection ends", async (_what, bytes, status, code) => {
    const answer = await exchange(bytes);
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(answer.toLowerCase()).toContain("content-type: application/problem+json");
    expect(problemIn(answer)).toMatchObject({ status, code });
  });

  test.each([
    ["alone", ""],
    ["after another's body", "0\r\n\r\n"],
  ])("HEAD is answered without a body, even where it cannot be read: %s in its packet", async (_where, before) => {
    const socket = connect(port, "127.0.0.1");
    let answers = "";
    socket.on("data", (chunk) => {
      answers += chunk.toString("latin1");
    });
    const ended = new Promise((resolve) => socket.on("close", resolve));
    if (before !== "") {
      socket.write("GET /healthz HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n");
      await eventually("the first is answered", async () => answers.includes('{"status":"ok"}'));
    }
    answers = "";
    socket.write(Buffer.from(`${before}HEAD /items?\xff HTTP/1.1\r\nhost: x\r\n\r\n`, "latin1"));
    await ended;
    expect(answers).toMatch(/^HTTP\/1.1 400 [\s\S]*\r\n\r\n$/);
  });

  test("whatever bytes come, nothing breaks: an answer, a refusal or silence, and the next client is served", async () => {
    const start = fc.constantFrom(
      "",
      "GET ",
      "GET / HTTP/1.1\r\n",
      "POST /sessions HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n",
    );
    await fc.assert(
      fc.asyncProperty(start, fc.uint8Array({ minLength: 1, maxLength: 80 }), async (head, tail) => {
        const answer = await exchange(Buffer.concat([Buffer.from(head), tail, Buffer.from("\r\n\r\n\r\n\r\n")]), true);
        expect(answer).toMatch(/^(HTTP\/1\.1 [24]\d\d |$)/);
      }),
      { numRuns: 200 },
    );
    expect((await api.app.inject("/healthz")).statusCode).toBe(200);
  });

  test("an offer of another protocol is not taken up, and nothing follows it on its connection", async () => {
    const answer = await exchange(
      "GET /healthz HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
    );
    expect(answer).toMatch(/^HTTP\/1.1 200 /);
    expect(answer.toLowerCase()).toContain("connection: close");
  });

  test("an offer on an address that cannot be read ends its connection too: what follows is never left without an answer", async () => {
    const offer = "GET /items/% HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n";
    const answer = await exchange(`${offer}GET /orders/\xff HTTP/1.1\r\nhost: x\r\n\r\n`);
    expect(answer).toMatch(/^HTTP\/1.1 400 /);
    expect(answer.toLowerCase()).toContain("connection: close");
  });

  test("a body that nobody wants is not waited for: it is answered while it is still being sent", async () => {
    const socket = connect(port, "127.0.0.1");
    const began = performance.now();
    socket.write("GET /healthz HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n");
    const chunk = `1000\r\n${"x".repeat(4_096)}\r\n`;
    for (let i = 0; i < 80; i++) socket.write(chunk);
    const answer = await new Promise<Buffer>((resolve) => socket.once("data", resolve));
    expect(answer.toString()).toMatch(/^HTTP\/1.1 200 /);
    expect(performance.now() - began).toBeLessThan(1_000);
    socket.destroy();
  });

  describe("a body that nobody wants, of a request that waits for longer than any may take to arrive,", () => {
    let poll: string;
    beforeAll(async () => {
      await addItem(world.db, "item_1", 10);
      const headers = { authorization: await shopperAuthorization("ann") };
      const order = { method: "POST", url: "/purchase/item_1", headers } as const;
      const { location } = (await api.app.inject({ ...order, payload: { paymentMethod: "pm_card_visa" } })).headers;
      poll = `GET ${location} HTTP/1.1\r\nhost: x\r\nauthorization: ${headers.authorization}\r\nprefer: wait=2\r\n`;
    });
    const chunks = (count: number) => `${`1000\r\n${"x".repeat(4_096)}\r\n`.repeat(count)}0\r\n\r\n`;
    const last = "GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

    test.each([
      ["chunked", () => `transfer-encoding: chunked\r\n\r\n${chunks(80)}`],
      ["of a length", () => `content-length: 327680\r\n\r\n${"x".repeat(327_680)}`],
    ])("%s, is discarded: the answer is the order, and the next request is answered, too", async (_how, body) => {
      const answers = await exchange(poll + body() + last);
      expect(answers.match(/HTTP\/1.1 \d+/g)).toEqual(["HTTP/1.1 200", "HTTP/1.1 200"]);
      expect(answers).toContain('"status":"queued"');
    });

    test("is discarded up to a megabyte: past that the connection ends with the answer", async () => {
      const answers = await exchange(`${poll}transfer-encoding: chunked\r\n\r\n${chunks(300)}`);
      expect(answers).toMatch(/^HTTP\/1.1 200 OK/);
      expect(answers).toMatch(/^connection: close\r$/im);
    });

    test("ends the connection where it goes on past a megabyte after the answer", async () => {
      const head = "GET /healthz HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
      const unended = chunks(300).slice(0, -"0\r\n\r\n".length);
      const beganAtMs = performance.now();
      await exchange(head + unended);
      expect(performance.now() - beganAtMs).toBeLessThan(requestTimeoutMs);
    });
  });

  test("an expectation that nobody understands is passed over", async () => {
    const answer = await exchange("GET /healthz HTTP/1.1\r\nhost: x\r\nexpect: a miracle\r\nconnection: close\r\n\r\n");
    expect(answer).toMatch(/^HTTP\/1.1 200 /);
  });
});
