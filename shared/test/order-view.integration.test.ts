import { randomUUID } from "node:crypto";
import { purchaseRequest } from "@holdfast/testing/purchases.ts";
import { createWorld, type World } from "@holdfast/testing/world.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Order } from "../src/order.ts";
import { publishOrders, readView, readViewTexts } from "../src/order-view.ts";
import { encodeView } from "../src/order-view-text.ts";
import { queuedOrder } from "../src/purchase-job.ts";

describe("the live views of one shopper", () => {
  let world: World;
  beforeAll(async () => {
    world = await createWorld();
  });
  afterAll(() => world.close());

  const nowMs = Date.now();
  const order = (shopperId: string, placedAtMs: number, more: Partial<Order> = {}): Order => ({
    ...queuedOrder("item_1", purchaseRequest({ shopperId, placedAtMs })),
    status: "confirmed",
    paymentStatus: "succeeded",
    reservedAtMs: placedAtMs,
    settledAtMs: placedAtMs,
    version: 2,
    ...more,
  });
  const asked = {
    status: "reserved",
    paymentStatus: "requires_action",
    settledAtMs: null,
    clientSecret: "pi_1_secret_2",
  } as const;
  const publish = (orders: readonly Order[]) => publishOrders(world, orders);
  const isThere = async ({ shopperId, id }: Order) => (await readView(world, shopperId, id)) !== null;
  const count = (shopperId: string) => world.redis.hlen(world.keys.shopperOrders(shopperId));

  test("past a hundred, the newest keeps its view and its client secret; the oldest decided one goes", async () => {
    const decided = Array.from({ length: 100 }, (_, i) => order("ann", nowMs - i * 1_000));
    await publish(decided);
    const newest = order("ann", nowMs + 1, asked);
    await publish([newest]);
    expect(await readView(world, "ann", newest.id)).toMatchObject({ clientSecret: "pi_1_secret_2" });
    expect(await isThere(decided[99] as Order)).toBe(false);
    expect(await isThere(decided[98] as Order)).toBe(true);
    expect(await count("ann")).toBe(100);
  });

  test("that are in line, reserved or have a client secret all stay, however many and however old they are", async () => {
    const live = Array.from({ length: 150 }, (_, i) => {
      const placedAtMs = nowMs - 1_000_000 - i;
      if (i % 3 === 0) return order("ben", placedAtMs, { status: "queued", version: 1, settledAtMs: null });
      return order("ben", placedAtMs, i % 3 === 1 ? { status: "reserved", settledAtMs: null } : asked);
    });
    await publish(live);
    for (let i = 0; i < 5; i++) await publish([order("ben", nowMs + i)]);
    expect(await Promise.all(live.map(isThere))).not.toContain(false);
    expect(await count("ben")).toBe(150); // decided ones are in Postgres
  });

  test("are a hundred again once those in line are decided, in one batch or one by one", async () => {
    const queued = Array.from({ length: 300 }, (_, i) =>
      order("cem", nowMs + i, { status: "queued", version: 1, settledAtMs: null }),
    );
    await publish(queued);
    expect(await count("cem")).toBe(300);
    const decided = queued.map((one) => ({ ...one, status: "out_of_stock" as const, version: 2 }));
    await publish(decided.slice(0, 250));
    expect(await count("cem")).toBe(100);
    for (const one of decided.slice(250)) await publish([one]);
    expect(await count("cem")).toBe(100);
    expect(await Promise.all(decided.slice(200).map(isThere))).not.toContain(false); // the newest
  });

  test("are read together with others', each asked for by its shopper and id", async () => {
    const [ann, ben] = [order(`ann-${randomUUID()}`, nowMs), order(`ben-${randomUUID()}`, nowMs)];
    await publish([ann, ben]);
    const ask = ({ shopperId, id }: Order) => ({ shopperId, orderId: id });
    const asked = [ask(ben), { shopperId: ann.shopperId, orderId: ben.id }, ask(order("nobody", nowMs)), ask(ann)];
    const texts = await readViewTexts(world, asked);
    expect(texts).toEqual([encodeView(ben), null, null, encodeView(ann)]);
  });
});
