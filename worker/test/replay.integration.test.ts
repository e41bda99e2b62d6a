import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { listDeadJobs } from "@holdfast/shared/dead-jobs.ts";
import { createLog } from "@holdfast/shared/log.ts";
import { packPurchaseJob } from "@holdfast/shared/purchase-job.ts";
import {
  type ChargeQueue,
  type LaneQueue,
  openChargeQueue,
  openLanes,
  openWebhookQueue,
  type WebhookQueue,
} from "@holdfast/shared/queues.ts";
import { createTestApi, opsAuthorization, shopperAuthorization } from "@holdfast/testing/api.ts";
import { addItem, booksOf } from "@holdfast/testing/items.ts";
import { purchaseJob, purchaseRequest } from "@holdfast/testing/purchases.ts";
import { createWorld, eventually, type World } from "@holdfast/testing/world.ts";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { QueueWorker } from "../src/open-worker.ts";
import { serveWebhooks } from "../src/payment/serve-webhooks.ts";
import { printDeadJobs, replayJob } from "../src/recovery/replay.ts";
import { serveLane } from "../src/reserve/serve-lane.ts";

const main = fileURLToPath(new URL("../src/recovery/replay-main.ts", import.meta.url));

describe("replaying a dead job", () => {
  let world: World;
  let lanes: LaneQueue[];
  let charges: ChargeQueue;
  let webhooks: WebhookQueue;
  let workers: QueueWorker[];
  beforeEach(async () => {
    world = await createWorld();
    await addItem(world.db, "item_1", 5);
    const { db, redis, keys } = world;
    lanes = openLanes({ redis, keys }, 2);
    charges = openChargeQueue({ redis, keys });
    webhooks = openWebhookQueue({ redis, keys });
    const parts = { db, redis, keys, charges, log: createLog("test", "silent") };
    workers = [await serveLane(lanes[1] as LaneQueue, parts), serveWebhooks(webhooks, parts)];
  });
  afterEach(async () => {
    await Promise.all(workers.map((worker) => worker.close()));
    await Promise.all([...lanes, charges, webhooks].map((queue) => queue.close()));
    await world.close();
  });

  const killJob = async (data: unknown) => {
    const lane = lanes[1] as LaneQueue;
    const job = await lane.add("purchase", data as never);
    await eventually("it is dead", async () => (await lane.getFailedCount()) === 1);
    return `lane-1/${job.id}`;
  };
  const command = (...args: string[]) =>
    new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve) => {
      const env = { PATH: process.env.PATH ?? "", ...world.env, PURCHASE_LANES: "2" };
      const child = execFile(process.execPath, [main, ...args], { env }, (_error, stdout, stderr) =>
        resolve({ code: child.exitCode, stdout, stderr }),
      );
    });

  test("without a name lists the dead ones of all queues with reason, orders and age", async () => {
    expect(printDeadJobs(await listDeadJobs(lanes), Date.now())).toBe("No dead jobs.");
    const bad = packPurchaseJob(purchaseJob("item_1", [purchaseRequest({ currency: "EURO" }), purchaseRequest()]));
    const name = await killJob(bad);
    const { code, stdout } = await command();
    expect(code).toBe(0);
    expect(stdout).toMatch(
      new RegExp(`^${name}  item_1  2 orders  \\d+ s ago  1 order was refused.*orders_currency_check`),
    );
  });

  test("that can be decided now settles its orders, once", async () => {
    const request = purchaseRequest();
    const good = packPurchaseJob(purchaseJob("item_1", [request]));
    const name = await killJob({ ...good, orders: "torn" });
    const job = await lanes[1]?.getJob(name.split("/")[1] ?? "");
    await job?.updateData(good);
    expect(await command(name)).toMatchObject({ code: 0, stdout: expect.stringContaining("is done") });
    expect(await booksOf(world.db, "item_1")).toMatchObject({ inventory: 4, reserved: 1, balanced: true });
    await expect(replayJob(lanes, name, 0)).rejects.toThrow("is not dead");
    expect(await booksOf(world.db, "item_1")).toMatchObject({ inventory: 4, reserved: 1, balanced: true });
  });

  test("that cannot be decided yet is dead again, with its reason and exit code 1", async () => {
    const name = await killJob({ item: "item_1", last: 1, orders: "what is this" });
    const { code, stdout } = await command(name);
    expect(stdout).toBe(`${name} is dead again: Not a purchase job\n`);
    expect(code).toBe(1);
  });

  test("from the queue dashboard does the same", async () => {
    const good = packPurchaseJob(purchaseJob("item_1", [purchaseRequest()]));
    const name = await killJob({ ...good, orders: "torn" });
    const id = name.split("/")[1] ?? "";
    await (await lanes[1]?.getJob(id))?.updateData(good);
    const api = await createTestApi(world, { PURCHASE_LANES: "2" });
    const url = `/ops/queues/api/queues/${encodeURIComponent("{lane-1}")}/${id}/retry`;
    const headers = { authorization: opsAuthorization };
    expect((await api.app.inject({ method: "PUT", url, headers })).statusCode).toBe(204);
    await eventually("it is decided", async () => (await booksOf(world.db, "item_1")).reserved === 1);
    expect(await lanes[1]?.getFailedCount()).toBe(0);
    await api.close();
  });

  test.each([
    ["lane-1/99", /^replay: There is no job lane-1\/99\..*\n$/],
    ["lane-7/1", /^replay: lane-7\/1 names no job: .*one of lane-0, lane-1, webhook\n$/],
    ["17", /^replay: 17 names no job/],
  ])("%s: one clear line, exit code 1", async (name, line) => {
    const { code, stderr } = await command(name);
    expect(stderr).toMatch(line);
    expect(code).toBe(1);
  });

  test("an event of the provider that a later release took waits for one of its workers", async () => {
    const event = { eventId: "evt_later", type: "charge.refunded", paymentIntentId: null, orderId: null };
    const { id = "" } = await webhooks.add("webhook", { ...event, format: 2 });
    await eventually("it was tried twice", async () => ((await webhooks.getJob(id))?.attemptsStarted ?? 0) >= 2);
    expect([await webhooks.getFailedCount(), (await webhooks.getJob(id))?.attemptsMade]).toEqual([0, 0]);
  });

  test("an event of the provider that Postgres refuses is dead at once, and can be replayed", async () => {
    const event = { eventId: "evt_1", type: "payment_intent.succeeded\u0000", paymentIntentId: null, orderId: null };
    const job = await webhooks.add("webhook", event, { jobId: event.eventId });
    await eventually("it is dead", async () => (await webhooks.getFailedCount()) === 1);
    await job.updateData({ ...event, type: "payment_intent.succeeded" });
    expect(await replayJob([...lanes, webhooks], "webhook/evt_1", 10_000)).toEqual({ outcome: "done" });
    const row = await world.db.selectFrom("webhook_events").selectAll().executeTakeFirstOrThrow();
    expect(row).toMatchObject({ id: "evt_1", processed_at: expect.any(Date) });
  });

  test("its shopper is told that the order is over, and it cannot be cancelled any more", async () => {
    const request = purchaseRequest({ shopperId: "ann", currency: "EURO" });
    await killJob(packPurchaseJob(purchaseJob("item_1", [request])));
    const api = await createTestApi(world, { PURCHASE_LANES: "2" });
    const headers = { authorization: await shopperAuthorization("ann") };
    const url = `/orders/${request.orderId}`;
    expect((await api.app.inject({ url, headers })).json()).toMatchObject({
      status: "rejected",
      settledAt: expect.any(String),
    });
    const cancelled = await api.app.inject({ method: "DELETE", url, headers });
    expect(cancelled.json()).toMatchObject({ status: 409, code: "order_settled" });
    await api.close();
  });
});
