import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { createWorld, eventually, type World } from "@holdfast/testing/world.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type PrivateSystem, startPrivateSystem } from "../local/private-system.ts";
import { opsClient } from "../proof/rush/rush.ts";
import { signedTokens } from "../proof/rush/shopper-tokens.ts";

const run = promisify(execFile);

describe("tracing", () => {
  let world: World;
  let system: PrivateSystem;
  let logDirectory: string;
  let collector: Server;
  const received: Buffer[] = [];
  beforeAll(async () => {
    logDirectory = await mkdtemp(join(tmpdir(), "holdfast-tracing-"));
    world = await createWorld();
    collector = createServer((request, answer) => {
      request.on("data", (chunk: Buffer) => received.push(chunk));
      request.on("end", () => answer.writeHead(200).end());
    });
    await new Promise<void>((resolve) => collector.listen(0, "127.0.0.1", resolve));
    const address = collector.address();
    const port = address !== null && typeof address === "object" ? address.port : 0;
    const env = {
      ...world.env,
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
      OTEL_BSP_SCHEDULE_DELAY: "200",
    };
    system = await startPrivateSystem({ apis: 1, workers: 1, env, logDirectory });
    const ops = opsClient(system.apiUrls[0] ?? "", system.opsPassword);
    await ops("PUT", "items/kettle", { name: "Kettle", price: 1_900, currency: "eur", units: 5 });
  }, 120_000);
  afterAll(async () => {
    await system?.stop();
    await new Promise((resolve) => collector.close(resolve));
    await world?.close();
    await rm(logDirectory, { recursive: true, force: true });
  });

  test("a purchase is one trace from the press to the charge, and goes on from the one that it came with", async () => {
    const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
    const headers = {
      authorization: `Bearer ${signedTokens(system.jwtSecret)(1)}`,
      "content-type": "application/json",
      traceparent: `00-${traceId}-00f067aa0ba902b7-01`,
      prefer: "wait=20",
    };
    const body = JSON.stringify({ paymentMethod: "pm_card_visa" });
    const bought = await fetch(`${system.apiUrls[0]}/purchase/kettle`, { method: "POST", headers, body });
    expect(bought.status).toBe(202);
    const { id } = (await bought.json()) as { id: string };
    // Spans are protobuf: names and ids are in it as they are.
    const sent = () => Buffer.concat(received);
    await eventually("the charge's span is there", async () => sent().includes("charge payment"), 30_000);
    await eventually("and the job's, with the request's", async () => {
      return ["purchase job", "reserve orders", "/purchase/:itemId"].every((name) => sent().includes(name));
    });
    const trace = Buffer.from(traceId, "hex");
    const times = (needle: Buffer) => {
      let count = 0;
      for (let at = sent().indexOf(needle); at !== -1; at = sent().indexOf(needle, at + 1)) count += 1;
      return count;
    };
    // The request's, the link of the job and of its reserving, and the charge's.
    expect(times(trace)).toBeGreaterThanOrEqual(4);
    expect(sent().includes(id)).toBe(true);
  });

  test("loads nothing where it is off", async () => {
    const script = `
      const { openTracing } = await import("@holdfast/shared/tracing.ts");
      const tracing = await openTracing({ endpoint: undefined, service: "test", version: "0", log: console });
      await import("@holdfast/api/server.ts");
      await import("@holdfast/worker/worker.ts");
      const { createRequire } = await import("node:module");
      const loaded = Object.keys(createRequire(import.meta.url).cache).filter((file) => /@opentelemetry|@fastify.otel/.test(file));
      console.log(JSON.stringify({ tracing, loaded }));
      process.exit(0);`;
    const cwd = fileURLToPath(new URL("../", import.meta.url));
    const { stdout } = await run(process.execPath, ["--input-type=module", "-e", script], { cwd });
    const { tracing, loaded } = JSON.parse(stdout.trim().split("\n").at(-1) ?? "{}") as {
      tracing: null;
      loaded: string[];
    };
    expect(tracing).toBeNull();
    // BullMQ and prom-client may bring the API, which is a few types and no tracing.
    expect(loaded.filter((file) => !/@opentelemetry[\\/]api[\\/]/.test(file))).toEqual([]);
  });
});
