import { createServer, type RequestListener, type Server } from "node:http";
import { createLog } from "@holdfast/shared/log.ts";
import { exportJWK, generateKeyPair, type JWTHeaderParameters } from "jose";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { KeysUnavailable, publishedKeys } from "../src/http/published-keys.ts";

describe("the published keys, while their server is sick", () => {
  let server: Server;
  let answer: RequestListener;
  let asked: number;
  let keyOf: (kid: string) => Promise<unknown>;
  const publish = (...kids: string[]) => {
    const keys = Promise.all(
      kids.map(async (kid) => ({
        ...(await exportJWK((await generateKeyPair("ES256")).publicKey)),
        kid,
        alg: "ES256",
      })),
    );
    answer = (_request, response) => void keys.then((published) => response.end(JSON.stringify({ keys: published })));
  };
  beforeEach(async () => {
    asked = 0;
    publish("k1");
    server = createServer((request, response) => {
      asked += 1;
      answer(request, response);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    const find = publishedKeys(`http://127.0.0.1:${port}/keys`, createLog("api", "silent"));
    const token = { payload: "", signature: "", protected: "" };
    keyOf = async (kid) => find({ alg: "ES256", kid } as JWTHeaderParameters, token);
  });
  afterEach(() => {
    vi.useRealTimers();
    server.closeAllConnections();
    server.close();
  });

  const hours = (count: number) => {
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + count * 3_600_000 });
  };
  const sicknesses: [string, RequestListener][] = [
    ["500", (_request, response) => response.writeHead(500).end("{}")],
    ["no JSON", (_request, response) => response.end("<h1>Maintenance</h1>")],
    ["an empty set", (_request, response) => response.end(JSON.stringify({ keys: [] }))],
    ["a set of nothing", (_request, response) => response.end(JSON.stringify({ keys: [7] }))],
    ["a broken connection", (request) => request.socket.destroy()],
  ];

  test.each(sicknesses)(
    "known ones stay good for hours, unknown ones are unavailable and not refused: %s",
    async (_name, sick) => {
      const known = await keyOf("k1");
      answer = sick;
      for (const passed of [1, 2, 3]) {
        hours(passed);
        expect(await keyOf("k1")).toEqual(known);
        await expect(keyOf("k2")).rejects.toThrow(KeysUnavailable);
      }
      publish("k1", "k2");
      hours(4);
      await expect(keyOf("k2")).resolves.toBeDefined();
    },
  );

  test("a server that never answers holds up nobody with a known key", async () => {
    await keyOf("k1");
    answer = () => {};
    hours(1);
    const startedAt = performance.now();
    for (let i = 0; i < 10; i++) await keyOf("k1");
    expect(performance.now() - startedAt).toBeLessThan(1_000);
    await vi.waitFor(() => expect(asked).toBe(2)); // once for all of them
  });

  test("a server that is healthy says for good that a key is unknown, and is asked again only after a while", async () => {
    await keyOf("k1");
    for (let i = 0; i < 10; i++) await expect(keyOf("made-up")).rejects.toThrow(/no applicable key/i);
    expect(asked).toBe(1);
  });

  test("a key that was withdrawn is good for ten minutes more at most", async () => {
    await keyOf("k1");
    publish("k2");
    hours(1);
    await keyOf("k1"); // whoever comes first after that has the keys loaded again
    await vi.waitFor(() => expect(asked).toBe(2));
    await vi.waitFor(() => expect(keyOf("k1")).rejects.toThrow(/no applicable key/i));
  });
});
