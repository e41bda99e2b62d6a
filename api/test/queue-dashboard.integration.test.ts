import { randomUUID } from "node:crypto";
import { chargeQueueEntry } from "@holdfast/shared/charge-job.ts";
import { packPurchaseJob } from "@holdfast/shared/purchase-job.ts";
import { openChargeQueue } from "@holdfast/shared/queues.ts";
import { createTestApi, opsAuthorization, type TestApi } from "@holdfast/testing/api.ts";
import { addDeadJob } from "@holdfast/testing/dead-job.ts";
import { addItem } from "@holdfast/testing/items.ts";
import { purchaseJob, purchaseRequest } from "@holdfast/testing/purchases.ts";
import { routesOf } from "@holdfast/testing/routes.ts";
import { createWorld, eventually, type World } from "@holdfast/testing/world.ts";
import { reserveOrders } from "@holdfast/worker/reserve/reserve-orders.ts";
import { Queue, Worker } from "bullmq";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";

interface Shown {
  readonly queues: {
    readonly name: string;
    readonly jobs: {
      readonly name: string;
      readonly data: { readonly orderId?: string };
      readonly progress: unknown;
    }[];
  }[];
}

describe("the queue dashboard", () => {
  let world: World;
  let api: TestApi;
  let lane: Queue;
  beforeAll(async () => {
    world = await createWorld();
    api = await createTestApi(world);
    lane = new Queue("{lane-0}", { connection: world.redis, prefix: world.keys.queues });
  });
  afterAll(async () => {
    await lane.close();
    await api.close();
    await world.close();
  });
  beforeEach(() => lane.obliterate({ force: true }));

  const ask = (method: "GET" | "PUT" | "POST" | "PATCH", path: string, payload?: object) =>
    api.app.inject({
      method,
      url: `/ops/queues/api/queues${path}`,
      headers: { authorization: opsAuthorization },
      ...(payload && { payload }),
    });
  const state = async () => JSON.stringify([await lane.getJobs(), await lane.isPaused(), await lane.getMeta()]);

  test("shows a lane by its number, and a job by its item, its orders and their places", async () => {
    const requests = [purchaseRequest({ shopperId: "ann" }), purchaseRequest({ shopperId: "ben" })];
    await lane.add("purchase", packPurchaseJob({ itemId: "kettle", lastPlace: 151, requests }));
    const answer = await ask("GET", "?activeQueue=%7Blane-0%7D&status=waiting");
    const { queues } = answer.json<{
      queues: { name: string; displayName: string; jobs: { name: string; data: object }[] }[];
    }>();
    const shown = queues.find(({ name }) => name === "{lane-0}");
    expect(shown?.displayName).toBe("Lane 0");
    expect(shown?.jobs[0]?.name).toBe("kettle · 2 orders · places 150–151");
    expect(JSON.stringify(shown?.jobs[0]?.data)).toContain(requests[0]?.orderId);
  });

  test("shows how far jobs have come: orders decided, a payment tried, a payment settled", async () => {
    await addItem(world.db, "lamp", 2);
    const requests = ["cleo", "dora", "emma", "fay"].map((shopperId) => purchaseRequest({ shopperId }));
    await reserveOrders(world.db, purchaseJob("lamp", requests.slice(0, 3)), new AbortController().signal);
    await lane.add("purchase", packPurchaseJob({ itemId: "lamp", lastPlace: 4, requests }));
    const tried = requests[0]?.orderId ?? "";
    await world.db.updateTable("orders").set({ payment_started_at: new Date() }).where("id", "=", tried).execute();
    const charges = openChargeQueue(world);
    for (const { orderId } of requests) {
      const { name, data, opts } = chargeQueueEntry("charge", orderId, 1);
      await charges.add(name, data, opts);
    }
    const shown = async (queue: string) => {
      const { queues } = (await ask("GET", `?activeQueue=${encodeURIComponent(queue)}&status=waiting`)).json<Shown>();
      return queues.find(({ name }) => name === queue)?.jobs ?? [];
    };
    expect((await shown("{lane-0}")).map(({ progress }) => progress)).toEqual([75]);
    const byOrder = (await shown("{charge}")).map(({ data, progress }) => [data.orderId, progress]);
    expect(Object.fromEntries(byOrder)).toEqual(
      Object.fromEntries(requests.map(({ orderId }, i) => [orderId, [50, 0, 100, 0][i]])),
    );
    await charges.obliterate({ force: true });
    await charges.close();
  });

  test("keeps a finished charge for an hour, which keeps no later one of its order out", async () => {
    const charges = openChargeQueue(world);
    const orderId = randomUUID();
    const add = () => {
      const { name, data, opts } = chargeQueueEntry("check", orderId, "sweep");
      return charges.add(name, data, opts);
    };
    const first = await add();
    expect((await add()).id).toBe(first.id); // waits already
    const worker = new Worker(charges.name, async () => {}, { connection: world.redis, prefix: world.keys.queues });
    await eventually("it is done", async () => (await first.getState()) === "completed");
    const second = await add();
    expect(second.id).not.toBe(first.id);
    await eventually("it is done", async () => (await second.getState()) === "completed");
    await worker.close();
    const { queues } = (await ask("GET", "?activeQueue=%7Bcharge%7D&status=completed")).json<Shown>();
    const jobs = queues.find((queue) => queue.name === "{charge}")?.jobs ?? [];
    expect(jobs.map((job) => job.name)).toEqual([`check · order ${orderId}`, `check · order ${orderId}`]);
    expect(first.opts.removeOnComplete).toMatchObject({ age: 3_600 });
    await charges.close();
  });

  test("loads nothing from elsewhere", async () => {
    const page = (await api.app.inject({ url: "/ops/queues", headers: { authorization: opsAuthorization } })).body;
    const loaded = [...page.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, address]) => address ?? "");
    expect(loaded.length).toBeGreaterThan(1);
    expect(loaded.filter((address) => /^(https?:)?\/\//.test(address))).toEqual([]);
  });

  test("refuses whatever could empty a lane, hold it up or change its jobs, and nothing of it happens", async () => {
    const dead = await addDeadJob(lane, world);
    const delayed = await lane.add("purchase", { orders: [] }, { delay: 3_600_000 });
    const other = await lane.add("purchase", { orders: [] });
    const before = await state();
    const queue = "/%7Blane-0%7D";
    const refused: [Parameters<typeof ask>[0], string, object?][] = [
      ["PUT", "/pause"],
      ["PUT", "/resume"],
      ["POST", `${queue}/add`, { name: "purchase", data: {}, options: {} }],
      ["PUT", `${queue}/empty`],
      ["PUT", `${queue}/obliterate`, { force: true }],
      ["PUT", `${queue}/pause`],
      ["PUT", `${queue}/resume`],
      ["PUT", `${queue}/promote`],
      ["PUT", `${queue}/retry/failed`],
      ["PUT", `${queue}/clean/failed`],
      ["PUT", `${queue}/clean/waiting`],
      ["PUT", `${queue}/concurrency`, { concurrency: 50 }],
      ["PUT", `${queue}/rate-limit`, { max: 1, duration: 1_000 }],
      ["PUT", `${queue}/rate-limit/release`],
      ["PUT", `${queue}/job-schedulers/sweep/remove`],
      ["PUT", `${queue}/job-schedulers/sweep/run`],
      ["PATCH", `${queue}/job-schedulers/sweep`, {}],
      ["PUT", `${queue}/${other.id}/clean`],
      ["PUT", `${queue}/${dead.id}/clean`],
      ["PUT", `${queue}/${delayed.id}/promote`],
      ["PATCH", `${queue}/${other.id}/update-data`, { jobData: {} }],
      ["PATCH", `${queue}/${delayed.id}/delay`, { delay: 0 }],
      ["PATCH", `${queue}/${other.id}/priority`, { priority: 1 }],
      ["PUT", `${queue}/${other.id}/remove-unprocessed-children`],
    ];
    for (const [method, path, payload] of refused) {
      const answer = await ask(method, path, payload);
      expect({ path, status: answer.statusCode }).toEqual({ path, status: 405 });
      expect(answer.json()).toMatchObject({ code: "method_not_allowed" });
      expect(answer.headers.allow).toBe("GET, HEAD");
    }
    expect(await state()).toBe(before);
  });

  test("refuses every route of its own that changes something, but for the retry of a job", async () => {
    const changing = routesOf(api.app).filter(
      ({ method, url }) => url.startsWith("/ops/queues") && !["GET", "HEAD", "OPTIONS"].includes(String(method)),
    );
    expect(changing.length).toBeGreaterThan(15);
    const open: string[] = [];
    for (const { method, url } of changing) {
      const headers = { authorization: opsAuthorization };
      const answer = await api.app.inject({ method: method as "PUT", url, headers });
      if (answer.statusCode !== 405) open.push(`${String(method)} ${url} ${answer.statusCode}`);
    }
    expect(open).toEqual(["PUT /ops/queues/api/queues/:queueName/:jobId/retry 404"]);
  });

  test("puts a dead job in line again, and none that is not dead", async () => {
    const dead = await addDeadJob(lane, world);
    const retry = (id: string | undefined, queue = "%7Blane-0%7D") => ask("PUT", `/${queue}/${id}/retry`);
    expect((await retry(dead.id)).statusCode).toBe(204);
    expect(await dead.getState()).toBe("waiting");
    const trail = await world.db.selectFrom("operations_audit").selectAll().execute();
    expect(trail).toMatchObject([
      { operator: "ops", action: "job.replay", subject: `job lane-0/${dead.id}`, before: { reason: "poison" } },
    ]);
    expect((await retry(dead.id)).json()).toMatchObject({ status: 409, code: "job_not_dead" });
    const absent = { status: 404, code: "job_not_found" };
    expect((await retry("nothing")).json()).toMatchObject(absent);
    expect((await retry(dead.id, "nothing")).json()).toMatchObject(absent);
    expect(await lane.getJobCounts()).toMatchObject({ waiting: 1, failed: 0 });
  });

  test("shows its buttons among the dead jobs alone", async () => {
    type Buttons = { queues: { name: string; readOnlyMode: boolean; allowRetries: boolean }[] };
    const writable = async (query: string) =>
      (await ask("GET", query)).json<Buttons>().queues.filter((queue) => !queue.readOnlyMode);
    expect(await writable("")).toEqual([]);
    expect(await writable("?activeQueue=%7Blane-0%7D&status=waiting")).toEqual([]);
    expect(await writable("?activeQueue=%7Blane-0%7D&status=failed")).toMatchObject([
      { name: "{lane-0}", allowRetries: true },
    ]);
    expect(await writable("?activeQueue=%7Bcharge%7D&status=failed")).toEqual([]);
  });
});
