import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Serving } from "@holdfast/shared/run-process.ts";
import { createTestApi, shopperAuthorization, type TestApi } from "@holdfast/testing/api.ts";
import { type FailoverPair, failoverPair } from "@holdfast/testing/failover.ts";
import { addItem, booksOf } from "@holdfast/testing/items.ts";
import { startTestSimulator, type TestSimulator } from "@holdfast/testing/simulator.ts";
import { startTestWorker } from "@holdfast/testing/worker.ts";
import { createWorld, eventually, type World } from "@holdfast/testing/world.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

describe("a failover of Redis that breaks no connection", () => {
  let directory: string;
  let pair: FailoverPair;
  let world: World;
  let behind: World; // with the pair as its Redis
  let simulator: TestSimulator;
  let api: TestApi;
  let worker: Serving;
  let bought = 0;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "holdfast-failover-"));
    pair = await failoverPair(directory);
    [world, simulator] = await Promise.all([createWorld(), startTestSimulator()]);
    await addItem(world.db, "item_1", 1_000);
    behind = { ...world, redisUrl: pair.url, env: { ...world.env, REDIS_URL: pair.url } };
    api = await createTestApi(behind);
    worker = await startTestWorker(behind, simulator);
  });
  afterAll(async () => {
    await api?.close();
    await worker?.close();
    await Promise.all([simulator?.close(), world?.close()]);
    await pair?.close();
    if (directory) await rm(directory, { recursive: true, force: true });
  });

  const buy = async () => {
    const authorization = await shopperAuthorization(`shopper-${bought++}`);
    const payload = { paymentMethod: "pm_card_visa" };
    const response = await api.app.inject({
      method: "POST",
      url: "/purchase/item_1",
      headers: { authorization },
      payload,
    });
    return { status: response.statusCode, body: response.json<{ id: string; code?: string }>(), authorization };
  };
  type Bought = Awaited<ReturnType<typeof buy>>;
  const isConfirmed =
    ({ body, authorization }: Bought) =>
    async () => {
      const response = await api.app.inject({ url: `/orders/${body.id}`, headers: { authorization } });
      return response.json<{ status: string }>().status === "confirmed";
    };
  const readiness = async () => (await api.app.inject("/readyz")).statusCode;

  test("refuses purchases and is not ready while the address leads to the demoted master; then all goes on by itself, three times over", {
    timeout: 120_000,
  }, async () => {
    const accepted: Bought[] = [];
    for (let round = 0; round < 3; round++) {
      accepted.push(await buy());
      await eventually("the first is paid", isConfirmed(accepted.at(-1) as Bought));
      // The worker is at rest, with nothing but its blocking commands under way.
      await pair.failOver();
      const demotedAtMs = Date.now();
      const refused = [];
      while (Date.now() - demotedAtMs < 4_000) {
        refused.push(await buy());
        await sleep(50);
      }
      expect(refused.map(({ status }) => status).filter((status) => status !== 503)).toEqual([]);
      expect(refused.length).toBeGreaterThan(10);
      expect(refused[0]?.body.code).toBe("unavailable");
      expect(await readiness()).toBe(503);

      pair.moveAddress();
      await eventually("it is ready again", async () => (await readiness()) === 200, 5_000);
      const next = await buy();
      expect(next.status).toBe(202);
      accepted.push(next);
      await eventually("it is paid", isConfirmed(next), 10_000);
    }
    const paid = (await simulator.ledger()).filter((payment) => payment.status === "succeeded");
    expect(paid).toHaveLength(accepted.length);
    expect(await booksOf(world.db, "item_1")).toMatchObject({ confirmed: accepted.length, balanced: true });
  });

  test("an API server that nobody buys from notices it by its readiness, and is ready again by itself", async () => {
    expect(await readiness()).toBe(200);
    await pair.failOver();
    const demotedAtMs = Date.now();
    await eventually("it is not ready", async () => (await readiness()) === 503, 5_000);
    expect(Date.now() - demotedAtMs).toBeLessThan(2_500);
    pair.moveAddress();
    await eventually("it is ready again", async () => (await readiness()) === 200, 5_000);
  });

  test("orders that waited in line over the failover are decided and paid once", async () => {
    await worker.close();
    const waiting = [await buy(), await buy()];
    expect(waiting.map(({ status }) => status)).toEqual([202, 202]);
    await pair.failOver();
    const starting = startTestWorker(behind, simulator); // it waits for a Redis that takes its settings
    await sleep(1_500);
    pair.moveAddress();
    worker = await starting;
    for (const order of waiting) await eventually("it is paid", isConfirmed(order), 15_000);
  });
});
