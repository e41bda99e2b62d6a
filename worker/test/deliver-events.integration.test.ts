import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { Mortal } from "@holdfast/testing/mortal.ts";
import { startShopReceiver } from "@holdfast/testing/shop-receiver.ts";
import { eventually } from "@holdfast/testing/world.ts";
import { sql } from "kysely";
import { Webhook } from "standardwebhooks";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { claimEvents } from "../src/shop-webhooks/claim-events.ts";
import { deliverOnce, type InHand } from "../src/shop-webhooks/deliver-events.ts";
import { finishEvent, putOffEvent } from "../src/shop-webhooks/finish-event.ts";
import { replayEvents } from "../src/shop-webhooks/replay-events.ts";
import { sendEvent } from "../src/shop-webhooks/send-event.ts";
import { Dice } from "./dice.ts";
import { createShopWorld, type ShopWorld, secretOf } from "./shop-world.ts";

const leaseSeconds = 31; // and one more
const daySeconds = 86_400;
const room = { events: 10, retries: 10 };

describe("an event for the shop", () => {
  let world: ShopWorld;
  beforeEach(async () => {
    world = await createShopWorld();
  });
  afterEach(() => world.close());

  test("is delivered once, under an id of its own, with a good signature", async () => {
    const [orderId = ""] = await world.reserve(1);
    await world.confirm(orderId);
    await world.deliver();
    await world.deliver();
    const { received } = world.shop;
    expect(world.taken(orderId)).toEqual(["order.reserved", "order.confirmed"]);
    expect(new Set(received.map(({ id }) => id)).size).toBe(2);
    for (const { text, headers, body, id } of received) {
      expect(id).toMatch(/^msg_/);
      expect(headers["content-type"]).toBe("application/json");
      expect(new Webhook(secretOf(1)).verify(text, headers)).toEqual(body);
      expect(() => new Webhook(secretOf(2)).verify(text, headers)).toThrow("No matching signature found");
      expect(() => new Webhook(secretOf(1)).verify(text.replace("item_1", "item_2"), headers)).toThrow(
        "No matching signature found",
      );
    }
  });

  test("is signed with both secrets while one is being replaced: it is good before and after the shop changed its own", async () => {
    await world.reserve(1);
    await world.deliver(world.parts({ secrets: [secretOf(1), secretOf(2)] }));
    const [{ text, headers } = { text: "", headers: {} }] = world.shop.received;
    for (const byte of [1, 2]) expect(() => new Webhook(secretOf(byte)).verify(text, headers)).not.toThrow();
    expect(() => new Webhook(secretOf(3)).verify(text, headers)).toThrow("No matching signature found");
  });

  test("shows its own moment, also where it is delivered after the next one was written", async () => {
    const [orderId = ""] = await world.reserve(1);
    await world.confirm(orderId);
    await world.refund(orderId);
    await world.deliver();
    expect(world.shop.taken.map(({ body }) => [body.type, body.data.status])).toEqual([
      ["order.reserved", "reserved"],
      ["order.confirmed", "confirmed"],
      ["order.refunded", "refunded"],
    ]);
  });

  test.each([301, 400, 404, 410, 429, 500, 503])(
    "that is answered %i is not delivered, and tried again within seconds under its id, signed anew",
    async (status) => {
      await world.reserve(1);
      world.shop.answer(() => status);
      await world.deliverOnce();
      const [row] = await world.rows();
      expect(row).toMatchObject({ outcome: null, tries: 1, lastError: `HTTP ${status}` });
      expect(row?.waitMs).toBeGreaterThan(500);
      expect(row?.waitMs).toBeLessThan(1_300);
      world.shop.answer(() => 200);
      await sleep(1_100); // a signature has whole seconds
      await world.letTimePass(1);
      await world.deliver();
      expect((await world.rows())[0]).toMatchObject({ outcome: "delivered", lastError: null });
      const [first, second] = world.shop.received;
      expect([second?.id, second?.text]).toEqual([first?.id, first?.text]);
      expect(second?.headers["webhook-timestamp"]).not.toBe(first?.headers["webhook-timestamp"]);
    },
  );

  test("waits while an earlier one of its order fails, and comes at once when that was delivered", async () => {
    const [failing = "", fine = ""] = await world.reserve(2);
    await world.confirm(failing);
    await world.confirm(fine);
    world.shop.answer(({ body }) => (body.data.id === failing ? 500 : 204));
    for (let i = 0; i < 5; i++) {
      await world.deliver();
      await world.letTimePass(3_600);
    }
    expect(world.taken(fine)).toEqual(["order.reserved", "order.confirmed"]);
    const early = world.shop.received.filter(({ body }) => body.data.id === failing && body.type !== "order.reserved");
    expect(early).toEqual([]);
    world.shop.answer(() => 204);
    await world.deliver();
    expect(world.taken(failing)).toEqual(["order.reserved", "order.confirmed"]);
  });

  test("is due the moment the one before it is delivered, also where somebody looked meanwhile", async () => {
    const [orderId = ""] = await world.reserve(1);
    const answering = Promise.withResolvers<number>();
    world.shop.answer(() => answering.promise);
    const delivering = world.deliverOnce();
    await eventually("it is being sent", async () => world.shop.received.length === 1);
    await world.confirm(orderId);
    expect((await claimEvents(world.db, room)).events).toEqual([]);
    expect((await world.rows())[1]?.waitMs).toBeGreaterThan(1_000);
    answering.resolve(204);
    await delivering;
    expect((await world.rows())[1]?.waitMs).toBeLessThanOrEqual(0);
  });

  test("is due the moment the one before it is noted as delivered, also where a look goes on meanwhile", async () => {
    const { db } = world;
    const [orderId = ""] = await world.reserve(1);
    const [first] = (await claimEvents(db, room)).events;
    await world.confirm(orderId);
    // A look that holds the second one's row and saw the first one being sent.
    const [put, commit] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const looking = db.transaction().execute(async (trx) => {
      await sql`update shop_events set due_at = now() + interval '30 seconds' where lease is null`.execute(trx);
      put.resolve();
      await commit.promise;
    });
    await put.promise;
    const finishing = finishEvent(db, first as NonNullable<typeof first>, "delivered", null);
    await eventually("the first one is noted", async () => (await world.rows())[0]?.outcome === "delivered");
    commit.resolve();
    await Promise.all([looking, finishing]);
    expect((await world.rows())[1]?.waitMs).toBeLessThanOrEqual(0);
  });

  test("is due the moment the one before it is noted as delivered, also where it was written meanwhile", async () => {
    const { db } = world;
    const [orderId = ""] = await world.reserve(1);
    const [first] = (await claimEvents(db, room)).events;
    const [locked, release] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const holding = db.transaction().execute(async (trx) => {
      await sql`select from shop_events for update`.execute(trx);
      locked.resolve();
      await release.promise;
    });
    await locked.promise;
    const finishing = finishEvent(db, first as NonNullable<typeof first>, "delivered", null);
    await eventually("its noting waits", async () => {
      const { rows } = await sql`select from pg_stat_activity where datname = current_database()
        and wait_event_type = 'Lock'`.execute(db);
      return rows.length === 1;
    });
    await world.confirm(orderId);
    expect(await claimEvents(db, room)).toMatchObject({ events: [] }); // puts it off behind the first
    release.resolve();
    await Promise.all([holding, finishing]);
    expect((await world.rows())[1]?.waitMs).toBeLessThanOrEqual(0);
  });

  test("is not kept from being sent by hundreds that wait behind failing ones", async () => {
    const failing = new Set(await world.reserve(250));
    for (const orderId of failing) await world.confirm(orderId);
    world.shop.answer(({ body }) => (failing.has(String(body.data.id)) ? 500 : 204));
    await world.deliver();
    const [fine = ""] = await world.reserve(1);
    await world.deliverOnce();
    expect(world.taken(fine)).toEqual(["order.reserved"]);
  });

  test("has its place in its order's events, with two workers at a time, whatever fails in between", async () => {
    const dice = new Dice(2_026);
    const orderIds = await world.reserve(20);
    const underWay = new Set<unknown>();
    let atOnce = 0;
    world.shop.answer(async ({ body }) => {
      if (underWay.has(body.data.id)) atOnce += 1;
      underWay.add(body.data.id);
      await sleep(dice.below(10));
      underWay.delete(body.data.id);
      return dice.oneIn(3) ? 500 : 204;
    });
    let settled = false;
    const unfinished = async () => (await world.rows()).some(({ outcome }) => outcome === null);
    const work = async () => {
      const parts = world.parts();
      while (!settled || (await unfinished())) {
        await world.deliver(parts);
        await sql`update shop_events set due_at = now() where outcome is null and lease is null`.execute(world.db);
      }
    };
    const settleAll = async () => {
      for (const orderId of orderIds) {
        await world.confirm(orderId);
        await sleep(dice.below(20));
        await world.refund(orderId);
      }
      settled = true;
    };
    await Promise.all([work(), work(), settleAll()]);
    for (const orderId of orderIds) {
      expect(world.taken(orderId)).toEqual(["order.reserved", "order.confirmed", "order.refunded"]);
    }
    expect(atOnce).toBe(0);
    expect(world.shop.received.length).toBeGreaterThan(70); // some did fail
  });

  test("is never with two workers at once, however many look at the same time", async () => {
    await world.reserve(200);
    const claimed = await Promise.all(Array.from({ length: 20 }, () => claimEvents(world.db, room)));
    const ids = claimed.flatMap(({ events }) => events.map(({ id }) => id));
    expect(ids.length).toBeGreaterThanOrEqual(20);
    expect(new Set(ids).size).toBe(ids.length);
    expect((await claimEvents(world.db, room)).events.filter(({ id }) => ids.includes(id))).toEqual([]);
  });

  test("whose worker dies between sending and noting it comes twice, under one id, and before the next", async () => {
    const [orderId = ""] = await world.reserve(1);
    await world.confirm(orderId);
    const { connections, shop, closing } = world.parts();
    const [event] = (await claimEvents(world.db, room)).events;
    if (!event) throw new Error("There is one event to claim");
    expect(await sendEvent(shop, connections, event, closing)).toEqual({ outcome: "delivered" });
    await world.deliver();
    expect(world.taken(orderId)).toEqual(["order.reserved"]); // the lease is not over
    await world.letTimePass(leaseSeconds);
    await world.deliver();
    expect(world.taken(orderId)).toEqual(["order.reserved", "order.reserved", "order.confirmed"]);
    const [first, second] = world.shop.taken;
    expect(second?.id).toBe(first?.id);
    // Should the dead one come back to life, it has nothing to say any more.
    await finishEvent(world.db, event, "dead", "late");
    expect((await world.rows()).map(({ outcome }) => outcome)).toEqual(["delivered", "delivered"]);
  });

  test("is not lost and not out of order, at whichever statement a worker dies", async () => {
    for (let steps = 1; steps <= 12; steps++) {
      const [orderId = ""] = await world.reserve(1);
      await world.confirm(orderId);
      const mortal = new Mortal();
      mortal.liveFor(steps);
      const dying = { ...world.parts(), db: mortal.database(world.db) };
      await world.deliverOnce(dying).catch(() => {});
      await world.deliverOnce(dying).catch(() => {});
      await world.letTimePass(leaseSeconds);
      await world.deliver();
      const taken = world.taken(orderId);
      expect(taken.filter((type, i) => type !== taken[i - 1])).toEqual(["order.reserved", "order.confirmed"]);
      expect(taken.length).toBeLessThanOrEqual(3);
    }
    expect((await world.rows()).every(({ outcome }) => outcome === "delivered")).toBe(true);
  });

  test("is dead after three days of failures, with one alarm, and the order's next one goes on", async () => {
    const [orderId = ""] = await world.reserve(1);
    await world.confirm(orderId);
    world.shop.answer(({ body }) => (body.type === "order.reserved" ? 500 : 204));
    for (let i = 0; i < 20; i++) {
      await world.deliverOnce();
      await world.letTimePass(daySeconds * 0.14);
    }
    expect((await world.rows())[0]).toMatchObject({ outcome: null, tries: 20 });
    expect(world.alarms).toEqual([]);
    await world.letTimePass(daySeconds * 0.3);
    await world.deliver();
    const [reserved, confirmed] = await world.rows();
    expect(reserved).toMatchObject({ outcome: "dead", tries: 21, lastError: "HTTP 500" });
    expect(confirmed).toMatchObject({ outcome: "delivered" });
    expect(world.alarms.filter((name) => name === "shop_event_dead")).toHaveLength(1);
  });

  test("has its three days from its own first try, not while it waits behind another or nobody tries", async () => {
    const [orderId = ""] = await world.reserve(1);
    await world.confirm(orderId);
    await world.letTimePass(daySeconds * 10); // no worker runs
    world.shop.answer(() => 500);
    for (let i = 0; i < 9; i++) {
      await world.deliverOnce();
      await world.letTimePass(daySeconds * 0.5);
    }
    expect((await world.rows()).map(({ outcome, tries }) => [outcome, tries])).toEqual([
      ["dead", 8],
      [null, 1],
    ]);
    for (let i = 0; i < 5; i++) {
      await world.deliverOnce();
      await world.letTimePass(daySeconds * 0.1);
    }
    expect((await world.rows())[1]).toMatchObject({ outcome: null, tries: 6 });
  });

  test("is not dead by a try that its own worker cut short, and that does not count", async () => {
    await world.reserve(1);
    await sql`update shop_events set tries = 20, first_tried_at = now() - interval '4 days'`.execute(world.db);
    world.shop.answer(() => "hang");
    const closing = new AbortController();
    const delivering = world.deliverOnce({ ...world.parts(), closing: closing.signal });
    await eventually("it is being sent", async () => world.shop.received.length === 1);
    closing.abort();
    await delivering;
    const [row] = await world.rows();
    expect(row).toMatchObject({ outcome: null, tries: 20, lastError: null });
    expect(row?.waitMs).toBeLessThanOrEqual(0);
  });

  test("cut short in its first try is as one that was never tried", async () => {
    await world.reserve(1);
    await world.deliverOnce({ ...world.parts(), closing: AbortSignal.abort() });
    const { rows } = await sql`select tries, first_tried_at, lease from shop_events`.execute(world.db);
    expect(rows).toEqual([{ tries: 0, first_tried_at: null, lease: null }]);
  });

  test("is with nobody else for longer than a try of it can take", async () => {
    await world.reserve(1);
    expect((await claimEvents(world.db, room)).events).toHaveLength(1);
    await world.letTimePass(20); // a try takes fifteen seconds at most
    expect((await claimEvents(world.db, room)).events).toEqual([]);
    await world.letTimePass(11);
    expect((await claimEvents(world.db, room)).events).toHaveLength(1);
  });

  test("that another worker has meanwhile is not put off by the one that lost it", async () => {
    await world.reserve(1);
    const [late] = (await claimEvents(world.db, room)).events;
    if (!late) throw new Error("There is one event to claim");
    await world.letTimePass(leaseSeconds);
    expect((await claimEvents(world.db, room)).events).toHaveLength(1);
    await putOffEvent(world.db, late, "late", 3_600_000);
    const [row] = await world.rows();
    expect(row?.lastError).toBeNull();
    expect(row?.waitMs).toBeLessThanOrEqual(leaseSeconds * 1_000);
  });

  test("waits where it is sent again while a later one of its order is being sent", async () => {
    const [orderId = ""] = await world.reserve(1);
    await world.deliver();
    await world.confirm(orderId);
    const answering = Promise.withResolvers<number>();
    world.shop.answer(() => answering.promise);
    const delivering = world.deliverOnce();
    await eventually("the later one is being sent", async () => world.shop.received.length === 2);
    await replayEvents(world.db, { event: (await world.rows())[0]?.id ?? "" });
    expect((await claimEvents(world.db, room)).events).toEqual([]);
    answering.resolve(204);
    await delivering;
    await world.deliver();
    expect(world.taken(orderId)).toEqual(["order.reserved", "order.confirmed", "order.reserved"]);
  });

  test("that is new has a place while others hang again and again", async () => {
    await world.reserve(150);
    await sql`update shop_events set tries = 5, first_tried_at = now()`.execute(world.db);
    world.shop.answer(() => "hang");
    const [parts, inHand]: [ReturnType<typeof world.parts>, InHand] = [world.parts(), new Map()];
    const closing = new AbortController();
    await deliverOnce({ ...parts, closing: closing.signal }, inHand);
    expect(inHand.size).toBe(8);
    world.shop.answer(() => 204);
    const [fresh = ""] = await world.reserve(1);
    await deliverOnce({ ...parts, closing: closing.signal }, inHand);
    await eventually("the new one is delivered", async () => world.taken(fresh).length === 1);
    closing.abort();
    await Promise.all(inHand.keys());
  });

  test("is held up for two looks at most by thousands that are due of one item", async () => {
    await sql`
      insert into shop_events (type, subject, payload, due_at)
      select 'item.available', 'item item_1', '{}', now() - interval '1 minute'
      from generate_series(1, 2000)`.execute(world.db);
    const [fresh = ""] = await world.reserve(1);
    const ids: unknown[] = [];
    for (let look = 1; look <= 3; look++)
      ids.push(...(await claimEvents(world.db, room)).events.map(({ payload }) => payload.id));
    expect(ids).toContain(fresh);
  });

  test("is tried again when the shop's Retry-After says, in seconds or as a date", async () => {
    const asks = [["120"], [new Date(Date.now() + 120_000).toUTCString()]];
    for (const [retryAfter = ""] of asks) {
      const busy = await startShopReceiver({ "retry-after": retryAfter });
      busy.answer(() => 429);
      await world.reserve(1);
      await world.deliverOnce(world.parts({ url: new URL(busy.url) }));
      const waitMs = (await world.rows()).at(-1)?.waitMs ?? 0;
      expect(waitMs).toBeGreaterThan(115_000);
      expect(waitMs).toBeLessThanOrEqual(120_000);
      await busy.close();
    }
  });

  test("that cannot even be made is one that fails, and holds up nobody else's", async () => {
    await world.reserve(1);
    await sql`update shop_events set payload = payload - 'placed_at'`.execute(world.db);
    const [fine = ""] = await world.reserve(1);
    await world.deliver();
    expect(world.taken(fine)).toEqual(["order.reserved"]);
    expect((await world.rows())[0]).toMatchObject({
      outcome: null,
      tries: 1,
      lastError: expect.stringMatching(/getTime/),
    });
  });

  test("is delivered to a shop that answers without end, whose connection is closed", async () => {
    let chunks = 0;
    const server = createServer((_request, response) => {
      response.writeHead(200);
      const timer = setInterval(() => {
        response.write(Buffer.alloc(65_536));
        chunks += 1;
      }, 5);
      response.on("close", () => clearInterval(timer));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    await world.reserve(1);
    await world.deliver(world.parts({ url: new URL(`http://127.0.0.1:${port}/`) }));
    expect((await world.rows())[0]).toMatchObject({ outcome: "delivered" });
    await sleep(300);
    expect(chunks).toBeLessThan(20);
    await new Promise((resolve) => server.close(resolve));
  });
});
