import { connect } from "node:net";
import type { OrderBody } from "@holdfast/shared/show-order.ts";
import { createTestApi, shopperAuthorization, type TestApi } from "@holdfast/testing/api.ts";
import { addItem } from "@holdfast/testing/items.ts";
import { createWorld, eventually, type World } from "@holdfast/testing/world.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

describe("a server that closes", () => {
  let world: World;
  let api: TestApi;
  let port: number;
  let authorization: string;
  beforeAll(async () => {
    world = await createWorld();
    await addItem(world.db, "item_1", 5);
    api = await createTestApi(world, {}, { limits: { closingNoticeMs: 1_000 } });
    port = Number(new URL(await api.app.listen({ host: "127.0.0.1", port: 0 })).port);
    authorization = await shopperAuthorization("ann");
  });
  afterAll(async () => {
    await api.close();
    await world.close();
  });

  /** A connection, opened now; asks when it is told to. */
  const open = async () => {
    const socket = connect(port, "127.0.0.1");
    let answer = "";
    socket.on("data", (chunk: Buffer) => {
      answer += chunk.toString();
    });
    const ended = new Promise<string>((resolve, reject) =>
      socket.on("close", () => resolve(answer)).on("error", reject),
    );
    await new Promise((resolve) => socket.once("connect", resolve));
    return { ask: (head: string, body = "") => void socket.write(request(head, body)), ended };
  };
  const request = (head: string, body: string) =>
    [
      `${head} HTTP/1.1`,
      "host: x",
      `authorization: ${authorization}`,
      "prefer: wait=30",
      ...(body ? ["content-type: application/json", `content-length: ${body.length}`] : []),
      `\r\n${body}`,
    ].join("\r\n");
  const card = '{"paymentMethod":"pm_card_visa"}';

  test("answers what is in hand with what is known, and all that arrives with 503 unavailable, on kept and new connections", async () => {
    const waiting = await open();
    waiting.ask("POST /purchase/item_1", card);
    await eventually("it waits", async () => api.watch.size() === 1);
    const kept = await Promise.all(Array.from({ length: 5 }, open));
    const beganAtMs = performance.now();
    const closed = api.app.close();

    const inHand = await waiting.ended;
    expect(inHand).toMatch(/^HTTP\/1.1 202 /);
    expect(inHand).toMatch(/^connection: close\r$/im);
    expect((JSON.parse(inHand.slice(inHand.indexOf("\r\n\r\n") + 4)) as OrderBody).status).toBe("queued");

    const fresh = await open();
    const heads = [
      "GET /items",
      "GET /orders",
      "GET /nothing",
      "GET /readyz",
      "GET /docs/json",
      "POST /purchase/item_1",
    ];
    for (const [i, connection] of [...kept, fresh].entries()) connection.ask(heads[i] ?? "", i === 5 ? card : "");
    for (const answer of await Promise.all([...kept, fresh].map(({ ended }) => ended))) {
      const [head = "", body = ""] = answer.split("\r\n\r\n");
      expect(head).toMatch(/^HTTP\/1.1 503 /);
      expect(head).toMatch(/^content-type: application\/problem\+json/im);
      expect(head).toMatch(/^retry-after: \d+\r$/im);
      expect(head).toMatch(/^connection: close\r?$/im);
      expect(JSON.parse(body)).toMatchObject({ status: 503, code: "unavailable" });
    }
    await closed;
    expect(performance.now() - beganAtMs).toBeLessThan(4_000);
  });
});
