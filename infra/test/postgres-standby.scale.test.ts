import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { newOrderId } from "@holdfast/api/orders/order-id.ts";
import { migrate } from "@holdfast/migrations/migrate.ts";
import { type Database, openDatabase } from "@holdfast/shared/database.ts";
import { createLog } from "@holdfast/shared/log.ts";
import { publishOrders } from "@holdfast/shared/order-view.ts";
import { isOutage } from "@holdfast/shared/outage.ts";
import { findOrders } from "@holdfast/shared/rows.ts";
import { createTestApi, shopperAuthorization, type TestApi } from "@holdfast/testing/api.ts";
import { addItem, booksOf } from "@holdfast/testing/items.ts";
import { type PostgresPair, startPostgresPair } from "@holdfast/testing/postgres-pair.ts";
import { purchaseJob, purchaseRequest } from "@holdfast/testing/purchases.ts";
import { describeSale, saleUnderChange } from "@holdfast/testing/sale-under-change.ts";
import { createWorld, eventually, type World } from "@holdfast/testing/world.ts";
import { saleGate } from "@holdfast/worker/recovery/sale-gate.ts";
import { samePostgres } from "@holdfast/worker/recovery/same-postgres.ts";
import { reserveOrders } from "@holdfast/worker/reserve/reserve-orders.ts";
import { sql } from "kysely";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type PrivateSystem, startPrivateSystem } from "../local/private-system.ts";
import { shopClient } from "../proof/faults/shop-client.ts";
import { signedTokens } from "../proof/rush/shopper-tokens.ts";

describe("on Postgres with a streaming standby", () => {
  let world: World; // of which only Redis is used
  let directory: string;
  let pair: PostgresPair;
  let db: Database;
  let system: PrivateSystem | undefined;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "holdfast-standby-test-"));
    world = await createWorld({ schema: false });
  });
  afterEach(async () => {
    await system?.stop();
    system = undefined;
    await db?.destroy();
    await pair?.close();
    await world.close();
    await rm(directory, { recursive: true, force: true });
  });

  const start = async (more: Record<string, string> = {}) => {
    await migrate(pair.url);
    db = openDatabase(pair.url, 10, () => {});
    const env = { ...world.env, DATABASE_URL: pair.url, CHARGE_RATE_PER_SECOND: "500", ...more };
    system = await startPrivateSystem({ apis: 2, workers: 2, env, logDirectory: join(directory, "log") });
  };
  const sell = async (name: string, change: () => Promise<undefined>) => {
    const parts = { system: system as PrivateSystem, db, redis: world.redis, redisPrefix: world.redisPrefix };
    const sale = await saleUnderChange(parts, change);
    process.stdout.write(describeSale(name, sale));
    return sale;
  };
  const clean = { gone: 0, lost: 0, doubled: 0, oversold: 0 };
  const failed = ({ findings }: { findings: readonly { ok: boolean }[] }) => findings.filter(({ ok }) => !ok);

  test("2,000 shoppers while the primary crashes and its synchronous standby takes over", async () => {
    pair = await startPostgresPair(directory, { synchronous: true });
    await start();
    const sale = await sell("the primary killed", async () => {
      await pair.killPrimary();
      await pair.promote();
      await pair.moveAddress();
      return undefined;
    });
    expect(failed(sale)).toEqual([]);
    expect(sale).toMatchObject(clean);
  });

  /** A standby that lagged by a second takes over; the connections to the primary break, or fall silent. */
  const takeOver = async (others: "break" | "silent") => {
    pair = await startPostgresPair(directory);
    await start();
    await addItem(db, "kettle", 60, { payment_retries: 1 });
    const tokenOf = signedTokens((system as PrivateSystem).jwtSecret);
    const client = shopClient((system as PrivateSystem).apiUrls);
    const buy = (shopper: number) =>
      client.ask({
        method: "POST",
        path: "/purchase/kettle",
        token: tokenOf(shopper),
        body: { paymentMethod: "pm_card_visa" },
        repeatable: false,
      });
    const buyAll = (from: number, to: number) =>
      Promise.all(Array.from({ length: to - from }, (_, i) => buy(from + i)));
    const statuses = async (of: Database) => {
      const rows = await of.selectFrom("orders").select("status").execute();
      return Object.fromEntries(
        [...Map.groupBy(rows, ({ status }) => status)].map(([name, all]) => [name, all.length]),
      );
    };
    await eventually("it is on sale", async () => (await buy(0)).status === 202);
    await buyAll(1, 10);
    await eventually("ten are paid", async () => (await statuses(db)).confirmed === 10);
    await pair.caughtUp();
    pair.link.freeze();
    const bought = await buyAll(10, 40);
    expect(bought.map(({ status }) => status)).toEqual(bought.map(() => 202));
    await eventually("thirty more are paid", async () => (await statuses(db)).confirmed === 40);
    await db.destroy();
    if (others === "break") await pair.killPrimary();
    await pair.link.cut();
    await pair.promote();
    await pair.moveAddress(others);
    if (others === "silent") await pair.killPrimary();
    db = openDatabase(pair.url, 10, () => {});
    await eventually("purchases are accepted", async () => (await buy(40)).status === 202, 30_000);
    await buyAll(41, 45);
    const alarmed = async () => (await world.redis.hkeys(world.keys.alarms)).includes("postgres_behind");
    await eventually("it is noticed", alarmed, 60_000);
    await sleep(2_000);
    expect(await statuses(db)).toEqual({ confirmed: 10 });

    const main = fileURLToPath(new URL("../../worker/src/recovery/restore-check-main.ts", import.meta.url));
    const env = { ...process.env, ...world.env, DATABASE_URL: pair.url };
    const { stdout } = await promisify(execFile)(process.execPath, [main, "--apply"], { env });
    process.stdout.write(stdout);
    expect(stdout).toContain("Workers go on within a second.");
    await eventually("all that were paid are confirmed", async () => (await statuses(db)).confirmed === 45, 60_000);
    const ledger = await fetch(`${(system as PrivateSystem).simulatorUrl}/_simulator/ledger`);
    const { payments } = (await ledger.json()) as { payments: { amountReceived: number; amountRefunded: number }[] };
    expect(payments.filter((one) => one.amountReceived > one.amountRefunded)).toHaveLength(45);
    await client.close();
    return booksOf(db, "kettle");
  };

  const soldOnce = "takes over, a second behind: nothing is sold twice, and restore-check writes the orders again";
  const books = { inventory: 15, confirmed: 45, balanced: true };
  test(`the primary crashes, and its standby ${soldOnce}`, async () => {
    expect(await takeOver("break")).toMatchObject(books);
  });
  // As of a machine that lost its power: nobody's connection breaks.
  test(`the primary falls silent, and its standby ${soldOnce}`, async () => {
    expect(await takeOver("silent")).toMatchObject(books);
  });

  test("at a standby that was promoted a worker's connections do nothing before a look has found it sound", async () => {
    pair = await startPostgresPair(directory);
    await migrate(pair.url);
    const gate = saleGate();
    gate.noteLook("sound", performance.now());
    const { forWork, forLooks } = samePostgres(gate, createLog("test", "silent"));
    const now = (one: Database) => sql`select now()`.execute(one).then(() => "answered", isOutage);
    const open = () => openDatabase(pair.url, 1, () => {}, forWork);
    const looks = openDatabase(pair.url, 1, () => {}, forLooks);
    const before = open();
    db = before;
    expect([await now(before), gate.isUnsure()]).toEqual(["answered", false]);
    await pair.caughtUp();
    await pair.promote();
    await pair.moveAddress("silent");
    // All that had passed the gate by then.
    const others = Array.from({ length: 4 }, open);
    expect(await Promise.all(others.map(now))).toEqual([true, true, true, true]);
    expect([await now(looks), gate.isUnsure()]).toEqual(["answered", true]);
    expect(await Promise.all(others.map(now))).toEqual([true, true, true, true]);
    gate.noteLook("sound", performance.now());
    expect(await Promise.all(others.map(now))).toEqual(Array(4).fill("answered"));
    // It gets no answer from where the other one was, leaves that, and is answered where all are.
    expect([await now(before), await now(before)]).toEqual([true, "answered"]);
    await Promise.all([looks, ...others].map((one) => one.destroy()));
  });

  /** How often the standby was asked for orders by an index, as far as it has counted. */
  const readsThere = async () => {
    const { rows } = await sql<{ n: number }>`select sum(idx_scan)::bigint as n from pg_stat_user_tables
      where relname in ('orders', 'order_events')`.execute(pair.standby);
    return rows[0]?.n ?? 0;
  };

  test("2,000 shoppers with reads at a standby that lags, is gone, and is there again: nobody's list goes back", async () => {
    pair = await startPostgresPair(directory);
    await start({ DATABASE_READ_URL: pair.standbyUrl });
    await addItem(db, "kettle", 10_000);
    const before = await readsThere();
    const client = shopClient((system as PrivateSystem).apiUrls);
    const tokenOf = signedTokens((system as PrivateSystem).jwtSecret);
    // Shoppers who buy now and then, and look at their list all the while.
    const stages = { queued: 0, reserved: 1 } as Record<string, number>; // what else there is comes after those
    const seen = new Map<string, number>();
    const wentBack: string[] = [];
    let looked = 0;
    let buying = true;
    const lookAt = async (shopper: number) => {
      const token = tokenOf(shopper);
      if (buying && looked % 3 === 0) {
        const body = { paymentMethod: "pm_card_visa" };
        await client.ask({ method: "POST", path: "/purchase/kettle", token, body, repeatable: false });
      }
      const known = [...seen.keys()].filter((key) => key.startsWith(`${shopper} `));
      const { status, body } = await client.ask({ method: "GET", path: "/orders", token, repeatable: true });
      if (status !== 200) return;
      const { orders } = body as unknown as { orders: { id: string; status: string }[] };
      const now = new Map(orders.map((order) => [`${shopper} ${order.id}`, stages[order.status] ?? 2]));
      for (const key of known) if ((now.get(key) ?? -1) < (seen.get(key) ?? 0)) wentBack.push(key);
      for (const [key, stage] of now) seen.set(key, stage);
      looked += 1;
    };
    const looking = new AbortController();
    const lists = (async () => {
      for (let i = 0; !looking.signal.aborted; i += 1) {
        await lookAt(i % 10);
        await sleep(20);
      }
    })();
    const sale = await sell("reads at a standby", async () => {
      pair.link.freeze();
      await sleep(1_500);
      await pair.link.cut();
      await sleep(1_500);
      await pair.link.mend();
      buying = false; // so that all of it settles
      return undefined;
    });
    looking.abort();
    await lists;
    await client.close();
    const there = (await readsThere()) - before;
    process.stdout.write(`${looked} lists of ${seen.size} orders, ${there} reads at the standby\n`);
    expect(seen.size).toBeGreaterThan(10);
    expect(wentBack).toEqual([]);
    expect(there).toBeGreaterThan(looked / 4); // while it is well
    expect(failed(sale)).toEqual([]);
    expect(sale).toMatchObject(clean);
  });

  describe("an API server that reads at it", () => {
    let api: TestApi;
    let authorization: string;
    let orderId: string;
    let here: World;
    beforeEach(async () => {
      pair = await startPostgresPair(directory);
      await migrate(pair.primaryUrl);
      db = openDatabase(pair.primaryUrl, 10, () => {});
      here = { ...world, db, env: { ...world.env, DATABASE_URL: pair.primaryUrl } };
      await addItem(db, "item_1", 10);
      const request = purchaseRequest({ shopperId: "ann", orderId: newOrderId(Date.now()) });
      orderId = request.orderId;
      await reserveOrders(db, purchaseJob("item_1", [request]), new AbortController().signal);
      await pair.caughtUp();
      api = await createTestApi(here, { DATABASE_READ_URL: pair.standbyUrl });
      authorization = await shopperAuthorization("ann");
    });
    afterEach(() => api.close());

    const get = (url: string, more: Record<string, string> = {}) =>
      api.app.inject({ url, headers: { authorization, ...more } });
    const seen = (version: number) => ({ "if-none-match": `"${version}"` });
    const confirm = () =>
      sql`update orders set status = 'confirmed', payment_status = 'succeeded', payment_intent_id = 'pi_1',
        settled_at = now(), version = version + 1 where id = ${orderId}`.execute(db);
    const versionNow = async () => {
      const row = await db.selectFrom("orders").select("version").where("id", "=", orderId).executeTakeFirstOrThrow();
      return row.version;
    };

    test("answers from it, primary or not, whoever has seen no later version", async () => {
      const version = await versionNow();
      await pair.killPrimary();
      expect((await get(`/orders/${orderId}`, seen(version - 1))).json()).toMatchObject({ status: "reserved" });
      expect((await get(`/orders/${orderId}`, seen(version))).statusCode).toBe(304);
      expect((await get("/orders")).json()).toMatchObject({ orders: [{ id: orderId, status: "reserved" }] });
    });

    test("never shows an older order than its shopper has seen, while it lags", async () => {
      pair.link.freeze();
      await confirm();
      const version = await versionNow();
      const late = await get(`/orders/${orderId}`, seen(version - 1));
      expect([late.statusCode, late.headers.etag]).toEqual([304, `"${version - 1}"`]); // what they have, no older one
      expect((await get(`/orders/${orderId}`, seen(version))).statusCode).toBe(304);
      expect((await get(`/orders/${orderId}`)).json()).toMatchObject({ status: "confirmed" }); // who says nothing
      await pair.killPrimary();
      expect((await get(`/orders/${orderId}`, seen(version))).statusCode).toBe(503);
      expect((await get(`/orders/${orderId}`)).statusCode).toBe(503);
      await pair.link.mend();
    });

    test("lists what it does not have yet from the live views", async () => {
      pair.link.freeze();
      await confirm();
      const later = purchaseRequest({ shopperId: "ann", orderId: newOrderId(Date.now()) });
      await reserveOrders(db, purchaseJob("item_1", [later]), new AbortController().signal);
      const orders = [...(await findOrders(db, [orderId, later.orderId])).values()];
      await publishOrders(world, orders);
      const { orders: listed } = (await get("/orders")).json() as { orders: { id: string; status: string }[] };
      expect(listed.map(({ id, status }) => [id, status])).toEqual([
        [later.orderId, "reserved"],
        [orderId, "confirmed"],
      ]);
      await pair.link.mend();
    });

    const listed = async () => ((await get("/orders")).json() as { orders: { status: string }[] }).orders[0]?.status;
    /** Whether a list is read at the standby now. */
    const listsThere = async () => {
      const { rows } = await sql<{ now: string }>`select clock_timestamp()::text as now`.execute(pair.standby);
      await listed();
      const asked = await sql<{ n: number }>`select count(*) as n from pg_stat_activity
        where query like '%from "archived_as_orders"%' and query_start > ${rows[0]?.now}::timestamptz
          and pid <> pg_backend_pid()`.execute(pair.standby);
      return (asked.rows[0]?.n ?? 0) > 0;
    };
    const refund = () =>
      sql`update orders set status = 'refunded', payment_status = 'refunded', version = version + 1`.execute(db);

    test("reads at the primary where it is far behind, at it again afterwards, and at the primary where it was promoted", async () => {
      pair.link.freeze();
      // Heartbeats of workers and API servers, which nobody else writes here.
      await sql`insert into redis_generations (generation, token, cause, heartbeats, heartbeat_at)
        values (1, gen_random_uuid(), 'first_start', 1, now())`.execute(db);
      await confirm();
      await eventually("it is taken for far behind", async () => (await listed()) === "confirmed");
      await pair.link.mend();
      await pair.caughtUp();
      await eventually("it is read again", listsThere);
      await pair.promote();
      await refund();
      await eventually("it is taken for promoted", async () => (await listed()) === "refunded");
    });

    test("reads at the primary where it is gone", async () => {
      await eventually("it is read", listsThere);
      await confirm();
      await pair.killStandby();
      await eventually("the primary is asked", async () => (await listed()) === "confirmed");
      await refund();
      expect(await listed()).toBe("refunded");
    });
  });
});
