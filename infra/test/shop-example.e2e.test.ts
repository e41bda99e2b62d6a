import { type ChildProcess, spawn } from "node:child_process";
import { appendFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createWorld, eventually, type World } from "@holdfast/testing/world.ts";
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type PrivateSystem, startPrivateSystem } from "../local/private-system.ts";
import { freePort } from "../local/processes.ts";

const program = fileURLToPath(new URL("../../examples/shop/shop.ts", import.meta.url));
const SHOP_WEBHOOK_SECRET = `whsec_${Buffer.alloc(32, "s").toString("base64")}`;
const itemId = "poster";

interface Known {
  readonly id: string;
  readonly shopperId: string;
  readonly metadata: { readonly email?: string } | null;
}
const buyers = 1_000;
const units = 100;
const atATime = 20;
const killedAfter = [30, 70]; // answers: units are left then, and events on their way
const patienceMs = 60_000;

describe("a shop in some sixty lines", () => {
  let world: World;
  let system: PrivateSystem;
  let directory: string;
  let shop: ChildProcess | null = null;
  let port: number;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "holdfast-shop-"));
    [world, port] = await Promise.all([createWorld(), freePort()]);
    const webhooks = { SHOP_WEBHOOK_URL: `http://127.0.0.1:${port}/events`, SHOP_WEBHOOK_ALLOW_PRIVATE: "on" };
    const env = { ...world.env, SHOP_WEBHOOK_SECRET, ...webhooks };
    system = await startPrivateSystem({ apis: 1, workers: 1, env, logDirectory: directory });
    const authorization = `Basic ${Buffer.from(`ops:${system.opsPassword}`).toString("base64")}`;
    const put = await fetch(`${system.apiUrls[0]}/ops/api/items/${itemId}`, {
      method: "PUT",
      headers: { authorization, "content-type": "application/json" },
      body: JSON.stringify({ name: "Poster", price: 1_900, currency: "eur", units }),
    });
    expect(put.status).toBe(201);
  });
  afterAll(async () => {
    shop?.kill("SIGKILL");
    await system?.stop();
    await world?.close();
    await rm(directory, { recursive: true, force: true });
  });

  const open = async () => {
    const args = [program, system.apiUrls[0] ?? "", itemId, String(port), join(directory, "confirmed.jsonl")];
    const child = spawn(process.execPath, args, {
      env: { ...process.env, JWT_SECRET: system.jwtSecret, SHOP_WEBHOOK_SECRET },
      stdio: ["ignore", "pipe", "inherit"],
    });
    await new Promise<void>((resolve, reject) => {
      child.stdout.once("data", () => resolve());
      child.once("exit", (code) => reject(new Error(`the shop ended with ${code}`)));
    });
    shop = child;
  };
  const kill = async () => {
    const ended = new Promise((resolve) => shop?.once("exit", resolve));
    shop?.kill("SIGKILL");
    await ended;
  };
  const ask = async (path: string, body?: object) => {
    const request = body && { method: "POST", body: JSON.stringify(body) };
    return fetch(`http://127.0.0.1:${port}${path}`, { ...request, signal: AbortSignal.timeout(20_000) });
  };
  /** As a buyer does: again and again, until the shop has said yes or no. */
  const buy = async (buyer: string): Promise<void> => {
    const endsAtMs = Date.now() + patienceMs;
    for (;;) {
      const answer = await ask("/buy", { buyer, email: `${buyer}@example.com` }).catch(() => null);
      if (answer?.status === 200 || answer?.status === 409) return;
      if (Date.now() > endsAtMs) throw new Error(`${buyer} got no answer: ${await answer?.text()}`);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  };
  const confirmedHere = () =>
    world.db
      .selectFrom("orders")
      .select(["id", "shopper_id"])
      .where("status", "=", "confirmed")
      .orderBy("id")
      .execute();

  test("sells 100 units to 1,000 buyers, is killed twice, and ends with exactly the confirmed orders", {
    timeout: 180_000,
  }, async () => {
    await open();
    let next = 0;
    let answered = 0;
    const killed = [...killedAfter];
    const crowd = async () => {
      while (next < buyers) {
        await buy(`buyer-${next++}`);
        answered += 1;
        if (answered !== killed[0]) continue;
        killed.shift();
        await kill();
        await open();
      }
    };
    await Promise.all(Array.from({ length: atATime }, crowd));
    expect(killed).toEqual([]);
    const known = async () => (await (await ask("/confirmed")).json()) as Known[];
    await eventually("every confirmed order is the shop's", async () => (await known()).length === units, 60_000);
    const orders = await confirmedHere();
    const theirs = (await known()).toSorted((a, b) => (a.id < b.id ? -1 : 1));
    expect(theirs.map(({ id }) => id)).toEqual(orders.map(({ id }) => id));
    expect(theirs.map(({ shopperId }) => shopperId)).toEqual(orders.map(({ shopper_id }) => shopper_id));
    for (const { shopperId, metadata } of theirs) expect(metadata?.email).toBe(`${shopperId}@example.com`);
    const placed = await world.db.selectFrom("orders").select("shopper_id").execute();
    expect(new Set(placed.map(({ shopper_id }) => shopper_id)).size, "one order per buyer").toBe(placed.length);

    // An event that comes twice is one order, and a line that a crash cut off does not keep it
    // closed.
    await sql`update shop_events set outcome = null, finished_at = null, due_at = now(), tries = 0
      where type = 'order.confirmed'`.execute(world.db);
    await kill();
    await appendFile(join(directory, "confirmed.jsonl"), '{"id":"cut o');
    await open();
    await eventually("all events are delivered again", async () => {
      const { rows } = await sql`select from shop_events where outcome is null limit 1`.execute(world.db);
      return rows.length === 0;
    });
    expect(await known()).toHaveLength(units);
  });

  test("answers what is no event of Holdfast's with a refusal, and stays open", async () => {
    expect((await ask("/events", { type: "order.confirmed" })).status).toBe(401);
    expect((await ask("/nothing")).status).toBe(404);
    expect((await ask("/confirmed")).status).toBe(200);
  });
});
