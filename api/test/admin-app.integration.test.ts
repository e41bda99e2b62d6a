import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { createLog } from "@holdfast/shared/log.ts";
import type { Tables } from "@holdfast/shared/tables.ts";
import { createTestApi, testJwtSecret } from "@holdfast/testing/api.ts";
import { createWorld, type World } from "@holdfast/testing/world.ts";
import type { Kysely, KyselyPlugin } from "kysely";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readApiConfig } from "../src/config.ts";
import { startServer } from "../src/server.ts";

describe("ADMIN_PORT", () => {
  let world: World;
  beforeAll(async () => {
    world = await createWorld();
  });
  afterAll(() => world.close());

  const start = (env: Record<string, string>) =>
    startServer(
      readApiConfig({ ...world.env, PORT: "0", JWT_SECRET: testJwtSecret, ...env }),
      createLog("api", "silent"),
    );

  test("serves health and metrics on a port of its own, and the metrics on no other", async () => {
    const server = await start({ ADMIN_PORT: "0" });
    try {
      expect(server.adminAddress).not.toBe(server.address);
      const status = async (url: string) => (await fetch(url)).status;
      for (const path of ["/healthz", "/readyz", "/metrics"])
        expect(await status(`${server.adminAddress}${path}`)).toBe(200);
      expect(await status(`${server.adminAddress}/items`)).toBe(404);
      for (const path of ["/healthz", "/readyz"]) expect(await status(`${server.address}${path}`)).toBe(200);
      expect(await status(`${server.address}/metrics`)).toBe(404);
      const metrics = await (await fetch(`${server.adminAddress}/metrics`)).text();
      expect(metrics).toContain('holdfast_http_requests_total{method="GET",route="/readyz",status="200"} 1');
    } finally {
      await server.close();
    }
  });

  test("says there, too, that the server closes, and is alive and measured until it is closed", async () => {
    const server = await start({ ADMIN_PORT: "0" });
    const ask = async (path: string) => fetch(`${server.adminAddress}${path}`);
    expect((await ask("/readyz")).status).toBe(200);
    const closed = server.close();
    await sleep(50);
    const answer = await ask("/readyz");
    expect(answer.status).toBe(503);
    expect(answer.headers.get("content-type")).toContain("application/problem+json");
    expect(answer.headers.get("retry-after")).toBe("1");
    expect(await answer.json()).toMatchObject({ status: 503, code: "unavailable" });
    expect((await fetch(`${server.address}/readyz`)).status).toBe(503);
    for (const path of ["/healthz", "/metrics"]) expect((await ask(path)).status).toBe(200);
    await closed;
  });

  test("answers what arrives while it closes itself as the other port does", async () => {
    const api = await createTestApi(world);
    const socket = connect(Number(new URL(await api.admin.listen({ host: "127.0.0.1", port: 0 })).port), "127.0.0.1");
    let answer = "";
    socket.on("data", (chunk: Buffer) => (answer += chunk.toString()));
    const ended = new Promise((resolve) => socket.on("close", resolve));
    socket.write("GET /metrics HTTP/1.1\r\n");
    await sleep(50);
    const closed = api.admin.close();
    await sleep(50);
    socket.write("host: x\r\n\r\n");
    await Promise.all([ended, closed]);
    expect(answer).toMatch(/^HTTP\/1.1 503 /);
    expect(answer).toMatch(/^content-type: application\/problem\+json/im);
    expect(answer).toMatch(/^retry-after: 1\r$/im);
    await api.close();
  });

  test("without it there are no metrics at all", async () => {
    const server = await start({});
    try {
      expect(server.adminAddress).toBeNull();
      expect((await fetch(`${server.address}/metrics`)).status).toBe(404);
    } finally {
      await server.close();
    }
  });

  test("a thousand who ask whether it is ready, and for its metrics, cost Postgres one query", async () => {
    let queries = 0;
    const counting: KyselyPlugin = {
      transformQuery: ({ node }) => {
        queries += 1;
        return node;
      },
      transformResult: async ({ result }) => result,
    };
    const api = await createTestApi({ ...world, db: (world.db as Kysely<Tables>).withPlugin(counting) });
    queries = 0; // the catalogue was read at start
    const ask = (i: number) => (i % 10 === 0 ? api.admin.inject("/metrics") : api.app.inject("/readyz"));
    const answers = await Promise.all(Array.from({ length: 1_000 }, (_, i) => ask(i)));
    expect(new Set(answers.map(({ statusCode }) => statusCode))).toEqual(new Set([200]));
    expect(queries).toBeLessThanOrEqual(2); // two where they took more than a second
    expect(queries).toBeGreaterThan(0);
    await api.close();
  });
});
