import { readdir, readFile } from "node:fs/promises";
import { createTestApi, opsAuthorization, shopperAuthorization, type TestApi } from "@holdfast/testing/api.ts";
import { cuttableProxy } from "@holdfast/testing/cuttable-proxy.ts";
import { addItem } from "@holdfast/testing/items.ts";
import { purchaseJob, purchaseRequest } from "@holdfast/testing/purchases.ts";
import { createWorld, eventually, type World } from "@holdfast/testing/world.ts";
import { reserveOrders } from "@holdfast/worker/reserve/reserve-orders.ts";
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { tellEvent, toldEvents } from "../src/ops/order-story.ts";

interface Shown {
  events?: { event: string }[];
  id: string;
  itemId: string;
  status: string;
  shopperId: string;
  placedAt: string;
}

describe("operations find an order", () => {
  let world: World;
  let api: TestApi;
  const placed: string[] = [];
  beforeAll(async () => {
    world = await createWorld();
    api = await createTestApi(world);
    for (const id of ["kettle", "lamp"]) await addItem(world.db, id, 3);
    const startMs = Date.now() - 60_000;
    for (let i = 0; i < 10; i++) {
      const itemId = i % 2 === 0 ? "kettle" : "lamp";
      const request = purchaseRequest({ shopperId: `shopper-${i % 3}`, placedAtMs: startMs + i, quantity: 1 });
      await reserveOrders(world.db, purchaseJob(itemId, [request]), new AbortController().signal);
      placed.unshift(request.orderId);
    }
    await sql`update orders set payment_intent_id = 'pi_of_the_newest' where id = ${placed[0]}`.execute(world.db);
    await sql`
      insert into unmatched_payments (order_id, payment_intent_id, next_step) values (${placed[1]}, 'pi_too_late', 'ask')
    `.execute(world.db);
  });
  afterAll(async () => {
    await api.close();
    await world.close();
  });
  const ask = (url: string, method: "GET" | "DELETE" = "GET") =>
    api.app.inject({ method, url, headers: { authorization: opsAuthorization } });
  const idsOf = async (query: string) => {
    const answer = await ask(`/ops/api/orders?${query}`);
    expect(answer.statusCode).toBe(200);
    return answer.json<{ orders: Shown[] }>().orders.map(({ id }) => id);
  };

  test("among all of them, the newest first, page by page", async () => {
    const seen: string[] = [];
    for (let after = ""; ; ) {
      const { orders, next } = (await ask(`/ops/api/orders?limit=3${after}`)).json<{
        orders: Shown[];
        next: string | null;
      }>();
      seen.push(...orders.map(({ id }) => id));
      if (next === null) break;
      after = `&after=${next}`;
    }
    expect(seen).toEqual(placed);
  });

  test("by item, status, shopper and payment, also one that the order does not go by", async () => {
    expect(await idsOf("item=lamp")).toEqual(placed.filter((_, i) => i % 2 === 0));
    expect(await idsOf("status=out_of_stock")).toEqual(placed.slice(0, 4));
    expect(await idsOf("item=kettle&status=reserved")).toHaveLength(3);
    expect(await idsOf("shopper=shopper-0")).toEqual([placed[0], placed[3], placed[6], placed[9]]);
    expect(await idsOf("shopper=shopper-0&status=reserved&item=kettle")).toEqual([placed[9]]);
    expect(await idsOf("payment=pi_of_the_newest")).toEqual([placed[0]]);
    expect(await idsOf("payment=pi_too_late")).toEqual([placed[1]]);
    expect(await idsOf("payment=pi_none")).toEqual([]);
    expect(await idsOf("item=nothing")).toEqual([]);
    expect((await ask("/ops/api/orders?status=lost")).statusCode).toBe(400);
  });

  test("with its whole story, in sentences to be read to a customer, and nothing that carries a payment out", async () => {
    const answer = await ask(`/ops/api/orders/${placed[9]}`);
    expect(answer.json()).toMatchObject({
      status: "reserved",
      shopperId: "shopper-0",
      events: [{ event: "reserved", from: "queued", to: "reserved", sentence: "Units were reserved, for €19.99." }],
      otherPayments: [],
      refund: null,
    });
    expect(answer.body).not.toContain("clientSecret");
    const story = (await ask(`/ops/api/orders/${placed[1]}`)).json();
    expect(story).toMatchObject({ otherPayments: [{ paymentIntent: "pi_too_late", nextStep: "ask", outcome: null }] });
    expect((await ask("/ops/api/orders/018f0000-0000-7000-8000-000000000000")).statusCode).toBe(404);
    expect((await ask("/ops/api/orders/nonsense")).statusCode).toBe(404);
  });

  test("as a file of all of an item's, with a header, times in UTC, and no formula for a spreadsheet", async () => {
    const evil = purchaseRequest({ shopperId: '=cmd|"calc"', placedAtMs: Date.now(), metadata: { note: 'a "b",\nc' } });
    await reserveOrders(world.db, purchaseJob("lamp", [evil]), new AbortController().signal);
    const csv = await ask("/ops/api/orders/export?item=lamp&format=csv");
    expect(csv.headers["content-type"]).toContain("text/csv");
    expect(csv.headers["content-disposition"]).toMatch(/^attachment; filename="orders-lamp-\d{4}-\d\d-\d\d\.csv"$/);
    const [header, ...lines] = csv.body.trimEnd().split("\n");
    expect(header).toContain("id,itemId,shopperId,quantity,amount,currency,status");
    expect(lines).toHaveLength(6);
    expect(lines.find((line) => line.includes(evil.orderId))).toContain(`"'=cmd|""calc"""`);
    expect(lines[0]).toMatch(/,\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z,/);
    const ndjson = await ask("/ops/api/orders/export?item=lamp&format=ndjson");
    const objects = ndjson.body
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as Shown & { metadata: object });
    expect(objects).toHaveLength(6);
    expect(objects.find(({ id }) => id === evil.orderId)).toMatchObject({
      shopperId: '=cmd|"calc"',
      metadata: { note: 'a "b",\nc' },
    });
    expect((await ask("/ops/api/orders/export?format=xml")).statusCode).toBe(400);
  });

  test("a client that goes away frees the connection: exports go on being served", async () => {
    await sql`
      insert into orders (id, shopper_id, item_id, quantity, amount_minor, currency, status, placed_at, settled_at)
      select gen_random_uuid(), 'crowd', 'lamp', 1, 100, 'eur', 'out_of_stock', now(), now() from generate_series(1, 100000)
    `.execute(world.db);
    const address = await api.app.listen({ host: "127.0.0.1", port: 0 });
    const headers = { authorization: opsAuthorization };
    const begin = async () => {
      const controller = new AbortController();
      const answer = await fetch(`${address}/ops/api/orders/export?item=lamp`, { headers, signal: controller.signal });
      return { status: answer.status, controller };
    };
    const open = await Promise.all([begin(), begin()]);
    expect(open.map(({ status }) => status)).toEqual([200, 200]);
    expect((await begin()).status).toBe(503);
    for (const { controller } of open) controller.abort();
    await eventually(
      "another is served",
      async () => (await fetch(`${address}/ops/api/orders/export?item=kettle`, { headers })).ok,
    );
    await eventually("Postgres has none of it any more", async () => {
      const { rows } = await sql<{ n: number }>`
        select count(*) as n from pg_stat_activity
        where application_name = 'holdfast export' and datname = current_database()`.execute(world.db);
      return rows[0]?.n === 0;
    });
    const whole = await (await fetch(`${address}/ops/api/orders/export?item=lamp`, { headers })).text();
    expect(whole.trimEnd().split("\n")).toHaveLength(1 + 6 + 100_000);
  });

  test("a client that goes before its file has begun frees its place, too", async () => {
    const { hostname, port } = new URL(world.databaseUrl);
    const proxy = await cuttableProxy(hostname, Number(port));
    const slow = await createTestApi(world, {
      DATABASE_URL: world.databaseUrl.replace(`${hostname}:${port}`, proxy.address),
    });
    const url = `${await slow.app.listen({ host: "127.0.0.1", port: 0 })}/ops/api/orders/export?item=kettle`;
    const headers = { authorization: opsAuthorization };
    let arrived = 0;
    slow.app.server.on("request", () => {
      arrived += 1;
    });
    proxy.freeze();
    const controller = new AbortController();
    const begun = [1, 2].map(() => fetch(url, { headers, signal: controller.signal }).catch(() => "gone"));
    await eventually("both have come", async () => arrived === 2);
    controller.abort();
    expect(await Promise.all(begun)).toEqual(["gone", "gone"]);
    await proxy.mend();
    await eventually("others are served", async () => {
      const answers = await Promise.all([fetch(url, { headers }), fetch(url, { headers })]);
      await Promise.all(answers.map((answer) => answer.text()));
      return answers.every(({ ok }) => ok);
    });
    await slow.close();
    await proxy.close();
  });

  test("all that is known of a shopper, until they are forgotten: the orders stay and stand for nobody", async () => {
    const known = (await ask("/ops/api/shoppers/shopper-1")).json<{ orders: Shown[] }>();
    expect(known.orders.map(({ id }) => id)).toEqual([placed[2], placed[5], placed[8]]);
    const stories = known.orders.map(({ events }) => events?.map(({ event }) => event));
    expect(stories).toEqual([["out_of_stock"], ["reserved"], ["reserved"]]);
    const refused = await ask("/ops/api/shoppers/shopper-1", "DELETE");
    expect([refused.statusCode, refused.json()]).toMatchObject([409, { code: "shopper_has_open_orders" }]);
    await sql`update shop_webhook set delivering_at = now()`.execute(world.db);
    await sql`
      update orders set status = 'cancelled', reason = 'by_shopper', payment_status = null, settled_at = now()
      where shopper_id = 'shopper-1' and status = 'reserved'`.execute(world.db);
    await sql`update items set inventory = inventory + 2 where id = 'lamp'`.execute(world.db);
    const forgotten = await ask("/ops/api/shoppers/shopper-1", "DELETE");
    expect(forgotten.statusCode).toBe(200);
    const { shopperId } = forgotten.json<{ shopperId: string }>();
    expect(shopperId).toMatch(/^forgotten-/);
    expect((await ask("/ops/api/shoppers/shopper-1")).json()).toMatchObject({ orders: [] });
    expect(await idsOf(`shopper=${shopperId}`)).toEqual([placed[2], placed[5], placed[8]]);
    const traces = await sql`
      select 1 from shop_events where payload::text like '%shopper-1%'
      union all select 1 from operations_audit where operations_audit::text like '%shopper-1%'
      union all select 1 from order_events where detail::text like '%shopper-1%'`.execute(world.db);
    expect(traces.rows).toEqual([]);
    expect((await ask("/ops/api/shoppers/shopper-1", "DELETE")).json()).toMatchObject({ forgotten: 0 });
  });

  test("an order that is reserved while its shopper is forgotten keeps its shopper; the older ones do not", async () => {
    const older = purchaseRequest({ shopperId: "quick" });
    const newer = purchaseRequest({ shopperId: "quick" });
    await reserveOrders(world.db, purchaseJob("kettle", [older]), new AbortController().signal);
    let forgetting: ReturnType<typeof ask> | null = null;
    await world.db.transaction().execute(async (trx) => {
      await sql`select 1 from orders where id = ${older.orderId} for update`.execute(trx);
      forgetting = ask("/ops/api/shoppers/quick", "DELETE");
      await eventually("it waits for the older order", async () => {
        const { rows } = await sql`
          select 1 from pg_stat_activity
          where datname = current_database() and wait_event_type = 'Lock' and query like '%"shopper_id" = %'`.execute(
          world.db,
        );
        return rows.length > 0;
      });
      await sql`
        insert into orders (id, shopper_id, item_id, quantity, amount_minor, currency, status, payment_status, payment_method, placed_at, reserved_at)
        values (${newer.orderId}, 'quick', 'kettle', 1, 1999, 'eur', 'reserved', 'pending', 'pm_card_visa', now(), now())`.execute(
        trx,
      );
    });
    const answer = await (forgetting ?? ask("/ops/api/shoppers/quick"));
    expect([answer.statusCode, answer.json()]).toMatchObject([200, { forgotten: 1 }]);
    expect(await idsOf("shopper=quick")).toEqual([newer.orderId]);
  });

  test("a shopper with an order in line is not forgotten, and the order stays in line", async () => {
    const headers = { authorization: await shopperAuthorization("in-line") };
    const bought = await api.app.inject({
      method: "POST",
      url: "/purchase/kettle",
      headers,
      payload: { paymentMethod: "pm_card_visa" },
    });
    if (bought.statusCode === 409)
      await sql`update items set inventory = inventory + 1, stocked = stocked + 1 where id = 'kettle'`.execute(
        world.db,
      );
    const again = bought.statusCode === 202 ? bought : await eventuallyBought(headers);
    expect((await ask("/ops/api/shoppers/in-line", "DELETE")).statusCode).toBe(409);
    const { id } = again.json<{ id: string }>();
    expect((await api.app.inject({ url: `/orders/${id}`, headers })).json()).toMatchObject({ status: "queued" });
  });
  const eventuallyBought = async (headers: { authorization: string }) => {
    let answer: Awaited<ReturnType<typeof api.app.inject>> | null = null;
    await eventually("it is for sale", async () => {
      answer = await api.app.inject({
        method: "POST",
        url: "/purchase/kettle",
        headers,
        payload: { paymentMethod: "pm_card_visa" },
      });
      return answer.statusCode === 202;
    });
    if (answer === null) throw new Error("not bought");
    return answer as Awaited<ReturnType<typeof api.app.inject>>;
  };

  test("what was ordered changes in no other way, whoever asks", async () => {
    for (const change of ["shopper_id = 'somebody'", "metadata = '{}'", "shopper_id = 'forgotten-x', quantity = 2"]) {
      await expect(sql`update orders set ${sql.raw(change)} where id = ${placed[0]}`.execute(world.db)).rejects.toThrow(
        "only added to",
      );
    }
    const held = sql`update orders set shopper_id = 'forgotten-x', metadata = null where id = ${placed[9]}`;
    await expect(held.execute(world.db)).rejects.toThrow("only added to");
  });
});

describe("an order's story", () => {
  test("has a sentence for every event that the code writes", async () => {
    const folders = [
      "worker/src/payment",
      "worker/src/reserve",
      "worker/src/recovery",
      "api/src/orders",
      "api/src/ops",
    ];
    const root = new URL("../../", import.meta.url);
    const written = new Set<string>();
    for (const folder of folders) {
      for (const file of await readdir(new URL(folder, root))) {
        if (!file.endsWith(".ts") || file === "serve-sweeps.ts") continue;
        const source = await readFile(new URL(`${folder}/${file}`, root), "utf8");
        for (const [, name = ""] of source.matchAll(/(?:appendEvent\([^,]+, [^,]+, |\{ name: |event: )"([a-z_]+)"/g))
          written.add(name);
      }
    }
    expect(written.size).toBeGreaterThan(6);
    expect([...written].filter((name) => !toldEvents.includes(name))).toEqual([]);
  });

  test("says what happened in words, with amounts in the order's currency", () => {
    const money = (minor: number) => `${minor / 100} euros`;
    expect(tellEvent({ event: "refunded", detail: { refunded: 500 } }, money)).toBe("The money was refunded: 5 euros.");
    expect(tellEvent({ event: "cancelled", detail: { reason: "hold_expired" } }, money)).toBe(
      "The order was cancelled: it was not paid in time.",
    );
    expect(tellEvent({ event: "of_a_newer_version", detail: {} }, money)).toBe("of a newer version.");
  });
});
