import { laneOf } from "@holdfast/shared/lanes.ts";
import type { Serving } from "@holdfast/shared/run-process.ts";
import type { OrderBody } from "@holdfast/shared/show-order.ts";
import { createTestApi, shopperAuthorization, type TestApi } from "@holdfast/testing/api.ts";
import { addItem } from "@holdfast/testing/items.ts";
import { startTestSimulator, type TestSimulator } from "@holdfast/testing/simulator.ts";
import { startTestWorker } from "@holdfast/testing/worker.ts";
import { createWorld, type World } from "@holdfast/testing/world.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const shoppers = 60;
const laneCount = 4;
/** Another item of the same lane. */
const other = Array.from({ length: 100 }, (_, i) => `other-${i}`).find(
  (id) => laneOf(id, laneCount) === laneOf("wanted", laneCount),
);
const slowestPace = 20; // a second; a batch is decided in tens of milliseconds

describe("a crowd in line", () => {
  let world: World;
  let simulator: TestSimulator;
  let worker: Serving | null = null;
  let servers: TestApi[];
  beforeAll(async () => {
    [world, simulator] = await Promise.all([createWorld(), startTestSimulator()]);
    await addItem(world.db, "wanted", shoppers);
    await addItem(world.db, other ?? "", 1_000);
    servers = await Promise.all([createTestApi(world), createTestApi(world)]);
  });
  afterAll(async () => {
    await worker?.close();
    await Promise.all(servers.map((server) => server.close()));
    await simulator.close();
    await world.close();
  });
  const server = (i: number) => servers[i % servers.length] as TestApi;
  const buy = async (i: number, itemId: string) => {
    const authorization = await shopperAuthorization(`${itemId}-${i}`);
    const headers = { authorization, "idempotency-key": "once" };
    const payload = { paymentMethod: "pm_card_visa" };
    const bought = await server(i).app.inject({ method: "POST", url: `/purchase/${itemId}`, headers, payload });
    return { authorization, order: bought.json<OrderBody>() };
  };

  test("is told a place in its own item's line, which only goes forward, and a time with it, whoever is asked", {
    timeout: 60_000,
  }, async () => {
    // Those of another item of the same lane do not count.
    for (let i = 0; i < 20; i++) await buy(i, other ?? "");
    const inLine: Awaited<ReturnType<typeof buy>>[] = [];
    for (let i = 0; i < shoppers; i++) inLine.push(await buy(i, "wanted"));
    expect(inLine.map(({ order }) => order.position)).toEqual(inLine.map((_, i) => i + 1));
    for (const { order } of inLine) expect(order.estimatedSeconds).toBeGreaterThanOrEqual(1);

    worker = await startTestWorker(world, simulator);
    const batchSeconds = shoppers / slowestPace; // all may be decided together
    await Promise.all(
      inLine.map(async ({ authorization, order }, i) => {
        let before = order;
        while (before.status === "queued") {
          const headers = { authorization };
          const now = (
            await server(i + Date.now()).app.inject({ url: `/orders/${order.id}`, headers })
          ).json<OrderBody>();
          if (now.status === "queued") {
            expect(now.position).toBeLessThanOrEqual(before.position ?? 0);
            expect(now.estimatedSeconds).toBeLessThanOrEqual((before.estimatedSeconds ?? 0) + batchSeconds);
          } else {
            expect(now.position).toBeNull();
          }
          before = now;
        }
        expect(before.status).toMatch(/reserved|confirmed/);
        if (before.status === "reserved" && before.payment.status === "pending") {
          expect(before.estimatedSeconds).toBeGreaterThanOrEqual(1);
        }
      }),
    );
  });
});
