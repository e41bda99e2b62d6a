import type { Order } from "@holdfast/shared/order.ts";
import { publishOrders, readView } from "@holdfast/shared/order-view.ts";
import { unpackPurchaseJob } from "@holdfast/shared/purchase-job.ts";
import { type LaneQueue, openLanes } from "@holdfast/shared/queues.ts";
import type { OrderBody } from "@holdfast/shared/show-order.ts";
import { createTestApi, shopperAuthorization, type TestApi } from "@holdfast/testing/api.ts";
import { addItem } from "@holdfast/testing/items.ts";
import { createWorld, eventually, type World } from "@holdfast/testing/world.ts";
import { reserveOrders } from "@holdfast/worker/reserve/reserve-orders.ts";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

describe("Prefer: wait", () => {
  let world: World;
  let api: TestApi;
  let lanes: LaneQueue[];
  beforeEach(async () => {
    world = await createWorld();
    await addItem(world.db, "item_1", 3);
    api = await createTestApi(world);
    lanes = openLanes(world, 4);
  });
  afterEach(async () => {
    await api.close();
    await Promise.all(lanes.map((lane) => lane.close()));
    await world.close();
  });

  const buy = async (shopper: string, prefer?: string) =>
    api.app.inject({
      method: "POST",
      url: "/purchase/item_1",
      headers: { authorization: await shopperAuthorization(shopper), ...(prefer && { prefer }) },
      payload: { paymentMethod: "pm_card_visa" },
    });
  const get = async (id: string, shopper: string, prefer?: string) =>
    api.app.inject({
      url: `/orders/${id}`,
      headers: { authorization: await shopperAuthorization(shopper), ...(prefer && { prefer }) },
    });
  /** What a worker does with all that is in line, as far as shoppers can see. */
  const decideLine = async () => {
    const jobs = (await Promise.all(lanes.map((lane) => lane.getJobs(["waiting"], 0, 10_000, true)))).flat();
    const decided: Order[] = [];
    for (const job of jobs) {
      const { orders } = await reserveOrders(world.db, unpackPurchaseJob(job.data), new AbortController().signal);
      decided.push(...orders);
      await job.remove();
    }
    await publishOrders(world, decided);
    return decided;
  };
  const inLine = (count: number) =>
    eventually(`${count} are in line`, async () => {
      const jobs = (await Promise.all(lanes.map((lane) => lane.getJobs(["waiting"])))).flat();
      return jobs.reduce((sum, job) => sum + unpackPurchaseJob(job.data).requests.length, 0) === count;
    });

  test("holds the answer to a purchase until the order is decided", async () => {
    const waiting = Array.from({ length: 5 }, (_, i) => buy(`shopper-${i}`, "wait=20"));
    await inLine(5);
    await decideLine();
    const answers = await Promise.all(waiting);
    expect(answers.map((answer) => answer.statusCode)).toEqual([202, 202, 202, 202, 202]);
    const statuses = answers.map((answer) => answer.json<OrderBody>().status).sort();
    expect(statuses).toEqual(["out_of_stock", "out_of_stock", "reserved", "reserved", "reserved"]);
    expect(answers[0]?.headers["preference-applied"]).toBe("wait=20");
  });

  test("answers with the order as it stands when the time is over", async () => {
    const began = performance.now();
    const answer = await buy("ann", "wait=1");
    expect(performance.now() - began).toBeGreaterThan(990);
    expect(performance.now() - began).toBeLessThan(3_000);
    expect(answer.json<OrderBody>()).toMatchObject({ status: "queued", message: "Waiting in line" });
  });

  test("holds the answer to a look at an order until it changes, and a settled one not at all", async () => {
    const { id } = (await buy("ann")).json<OrderBody>();
    const looking = get(id, "ann", "wait=20");
    await decideLine();
    expect((await looking).json<OrderBody>()).toMatchObject({ id, status: "reserved" });
    await buy("ben");
    await buy("cem");
    const loser = (await buy("dan")).json<OrderBody>();
    await decideLine();
    const began = performance.now();
    expect((await get(loser.id, "dan", "wait=20")).json<OrderBody>().status).toBe("out_of_stock");
    expect(performance.now() - began).toBeLessThan(1_000);
  });

  test("two windows of one shopper, and nobody else, hear of an order", async () => {
    const { id } = (await buy("ann")).json<OrderBody>();
    const both = [get(id, "ann", "wait=20"), get(id, "ann", "wait=20")];
    expect((await get(id, "ben", "wait=20")).json()).toMatchObject({ code: "order_not_found" });
    await decideLine();
    for (const answer of await Promise.all(both)) expect(answer.json<OrderBody>().status).toBe("reserved");
  });

  test("a lost message costs a few seconds, not the answer", async () => {
    const { id } = (await buy("ann")).json<OrderBody>();
    const looking = get(id, "ann", "wait=30");
    await eventually("it waits", async () => api.watch.size() === 1);
    // The view is replaced and the message counted, but the message itself reaches nobody.
    const decided = await (async () => {
      const channel = world.keys.orderMessages.channel;
      const deaf = { ...world.keys, orderMessages: { ...world.keys.orderMessages, channel: `${channel}:nowhere` } };
      const [job] = (await Promise.all(lanes.map((lane) => lane.getJobs(["waiting"])))).flat();
      const purchase = unpackPurchaseJob(job?.data);
      const { orders } = await reserveOrders(world.db, purchase, new AbortController().signal);
      await publishOrders({ redis: world.redis, keys: deaf }, orders);
      return orders;
    })();
    expect(decided).toHaveLength(1);
    const began = performance.now();
    expect((await looking).json<OrderBody>().status).toBe("reserved");
    expect(performance.now() - began).toBeLessThan(5_000);
  });

  test("an older message changes nothing for whoever waits for a newer one", async () => {
    const { id } = (await buy("ann")).json<OrderBody>();
    const [reserved] = await decideLine();
    const looking = get(id, "ann", "wait=2");
    await eventually("it waits", async () => api.watch.size() === 1);
    await publishOrders(world, [{ ...(reserved as Order), version: 0, status: "queued" }]);
    expect((await looking).json<OrderBody>().status).toBe("reserved");
    expect((await readView(world, "ann", id))?.status).toBe("reserved");
  });

  test("nobody is left in the watch when all have their answers", async () => {
    const waiting = Array.from({ length: 20 }, (_, i) => buy(`shopper-${i}`, "wait=20"));
    await inLine(20);
    expect(api.watch.size()).toBe(20);
    await decideLine();
    await Promise.all(waiting);
    expect(api.watch.size()).toBe(0);
  });

  test("a shopper's ninth wait is 429 with Retry-After, of looks and purchases together, and nothing is bought by it", async () => {
    const { id } = (await buy("ann")).json<OrderBody>();
    const waiting = [...Array.from({ length: 7 }, () => get(id, "ann", "wait=20")), buy("ann", "wait=20")];
    await eventually("eight wait", async () => api.watch.size() === 8);
    await inLine(2);
    for (const ninth of [await get(id, "ann", "wait=20"), await buy("ann", "wait=20")]) {
      expect(ninth.json()).toMatchObject({ status: 429, code: "rate_limited" });
      expect(Number(ninth.headers["retry-after"])).toBeGreaterThan(0);
    }
    await inLine(2);
    // Without waiting they are served, and so is everybody else.
    expect((await get(id, "ann")).statusCode).toBe(200);
    const other = buy("ben", "wait=20");
    await inLine(3);
    await decideLine();
    for (const answer of await Promise.all([...waiting, other])) expect(answer.statusCode).toBeLessThan(300);
    expect(api.watch.size()).toBe(0);
    expect((await buy("ann", "wait=1")).statusCode).toBe(202); // their places are free again
  });

  test("a server that closes while an order is being looked at lets its shopper go too", async () => {
    const { id } = (await buy("ann")).json<OrderBody>();
    const known = await readView(world, "ann", id);
    const looking = Promise.withResolvers<Order>();
    const waiter = { shopperId: "ann", orderId: id, waitMs: 20_000, onGone: () => {} };
    const answer = api.watch.answer(
      waiter,
      () => looking.promise,
      () => false,
    );
    api.watch.close();
    const began = performance.now();
    looking.resolve(known as Order);
    expect((await answer).id).toBe(id);
    expect(performance.now() - began).toBeLessThan(1_000);
  });

  test("a shopper who left while their order was looked at is not waited with", async () => {
    const { id } = (await buy("ann")).json<OrderBody>();
    const known = (await readView(world, "ann", id)) as Order;
    const waiter = { shopperId: "ann", orderId: id, waitMs: 20_000, onGone: (gone: () => void) => gone() };
    const began = performance.now();
    await api.watch.answer(
      waiter,
      async () => known,
      () => false,
    );
    expect(performance.now() - began).toBeLessThan(1_000);
    expect(api.watch.size()).toBe(0);
  });

  test("a server that closes lets everybody go with what is known", async () => {
    const waiting = buy("ann", "wait=30");
    await inLine(1);
    const began = performance.now();
    await api.app.close();
    expect((await waiting).json<OrderBody>().status).toBe("queued");
    expect(performance.now() - began).toBeLessThan(2_000);
  });
});
