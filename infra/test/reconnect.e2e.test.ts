import { randomUUID } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Database, openDatabase } from "@holdfast/shared/database.ts";
import { shopperAuthorization } from "@holdfast/testing/api.ts";
import { addItem, booksOf } from "@holdfast/testing/items.ts";
import { type RestartableServer, restartablePostgres, restartableRedis } from "@holdfast/testing/restartable.ts";
import { seedFrom } from "@holdfast/testing/seeds.ts";
import { eventually } from "@holdfast/testing/world.ts";
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type PrivateSystem, startPrivateSystem } from "../local/private-system.ts";
import { mulberry32 } from "../stripe-simulator/faults.ts";

// The long form: RECONNECT_RESTARTS=20 npx vitest run --project e2e
// infra/test/reconnect.e2e.test.ts
const redisRestarts = Number(process.env.RECONNECT_RESTARTS || "3");
const postgresRestarts = Math.max(1, Math.round(redisRestarts / 5));
const recoveryMs = 10_000; // from a part's return until everything works again
const seed = seedFrom(process.env.SEED);
const draw = mulberry32(seed);
const away = () => 200 + draw() * 1_500; // long enough for every client to meet the outage
const webhookSecret = "whsec_of_the_reconnect_test";

describe(`two APIs and two workers, none of which is ever restarted (seed ${seed})`, () => {
  let directory: string;
  let redis: RestartableServer;
  let postgres: RestartableServer;
  let db: Database;
  let system: PrivateSystem;
  let crowd: Crowd;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "holdfast-reconnect-"));
    [redis, postgres] = await Promise.all([restartableRedis(directory), restartablePostgres(directory)]);
    system = await startPrivateSystem({
      apis: 2,
      workers: 2,
      env: {
        DATABASE_URL: postgres.url,
        REDIS_URL: redis.url,
        STRIPE_WEBHOOK_SECRET: webhookSecret,
        SHOPPER_RATE_PER_MINUTE: "0",
        CHARGE_RATE_PER_SECOND: "200",
      },
      simulatorEnv: { SIMULATOR_LATENCY_MS: "20" },
      logDirectory: join(directory, "log"),
    });
    db = openDatabase(postgres.url, 5, () => {});
    await addItem(db, "item_1", 100_000);
    await addItem(db, "left_behind", 1_000);
    await sendWebhooks(system);
    crowd = pressBuy(system, "item_1");
  });
  afterAll(async () => {
    await crowd?.stop();
    await system?.stop();
    await db?.destroy();
    await Promise.all([redis?.stop(), postgres?.stop()]);
    if (directory) await rm(directory, { recursive: true, force: true });
  });

  /**
   * Kills and revives a server in the middle of purchases, then holds every part of the system to
   * its work.
   */
  const restart = async (server: RestartableServer) => {
    const abandoned = await leaveAbandonedHold(db);
    const acceptedBefore = crowd.accepted.length;
    await server.kill();
    await new Promise((resolve) => setTimeout(resolve, away()));
    await server.revive();
    const returnedAtMs = Date.now();
    const order = await buy(system, "item_1", recoveryMs);
    await eventually("lane and charge queue work", () => isIn(db, order, "confirmed"), recoveryMs);
    await eventually("the payment's webhook is processed", () => hasWebhook(db, order), recoveryMs);
    await eventually("the sweeper lets an abandoned hold go", () => isIn(db, abandoned, "cancelled"), recoveryMs);
    await eventually("the crowd is served again", async () => crowd.accepted.length > acceptedBefore, recoveryMs);
    return Date.now() - returnedAtMs;
  };

  test(`${redisRestarts} restarts of Redis and ${postgresRestarts} of Postgres in mid-sale: lanes, charges, webhooks and sweeper work again each time`, {
    timeout: 60_000 + 30_000 * (redisRestarts + postgresRestarts),
  }, async () => {
    const recoveriesMs: number[] = [];
    for (let i = 1; i <= redisRestarts; i++) {
      recoveriesMs.push(await restart(redis));
      if ((i * postgresRestarts) % redisRestarts < postgresRestarts) recoveriesMs.push(await restart(postgres));
    }
    expect(recoveriesMs).toHaveLength(redisRestarts + postgresRestarts);
    expect(Math.max(...recoveriesMs)).toBeLessThan(recoveryMs);
    process.stdout.write(`all parts at work again after ${recoveriesMs.join(", ")} ms\n`);
  });

  test("everything that was accepted is confirmed and paid once; whoever was refused was told to come again", async () => {
    await crowd.stop();
    expect(crowd.accepted.length).toBeGreaterThan(20);
    expect([...crowd.refusals.keys()].filter((status) => status !== 503)).toEqual([]);
    await eventually(
      "every accepted order is settled",
      async () => (await statuses(db, crowd.accepted)).open === 0,
      40_000,
    );
    expect(await statuses(db, crowd.accepted)).toEqual({ confirmed: crowd.accepted.length, open: 0 });
    expect(await booksOf(db, "item_1")).toMatchObject({ reserved: 0, balanced: true });
    const response = await fetch(`${system.simulatorUrl}/_simulator/ledger`);
    const { payments } = (await response.json()) as { payments: { orderId: string; status: string }[] };
    const paid = payments.filter((payment) => payment.status === "succeeded").map((payment) => payment.orderId);
    expect(new Set(paid).size).toBe(paid.length);
    expect(paid).toEqual(expect.arrayContaining(crowd.accepted));
  });

  test("no restart was taken for a loss", async () => {
    expect(await db.selectFrom("redis_generations").select("cause").execute()).toEqual([{ cause: "first_start" }]);
  });

  test("a Redis that comes back empty is alarmed by one process, and purchases go on", async () => {
    await redis.kill();
    await redis.revive(true);
    const order = await buy(system, "item_1", recoveryMs);
    await eventually("a purchase is paid", () => isIn(db, order, "confirmed"), recoveryMs);
    const ordersLost = async () =>
      ((await (await fetch(`${system.apiUrls[0]}/readyz`)).json()) as { ordersLost?: unknown }).ordersLost;
    await eventually("it is told", async () => (await ordersLost()) !== undefined, recoveryMs);
    expect(await ordersLost()).toMatchObject({ cause: "emptied" });
    const logs = await Promise.all(
      [...system.apis, ...system.workers].map(({ name }) => readFile(join(directory, "log", `${name}.log`), "utf8")),
    );
    expect(logs.join("").match(/ALARM: Redis was emptied/g)).toHaveLength(1);
    const abandoned = await leaveAbandonedHold(db);
    await eventually("the sweeper lets an abandoned hold go", () => isIn(db, abandoned, "cancelled"), recoveryMs);
  });

  test("and every process is still the one that was started", async () => {
    const ended = [...system.apis, ...system.workers].filter(({ process: child }) => child.exitCode !== null);
    const lastWords = await Promise.all(
      ended.map(({ name }) => readFile(join(directory, "log", `${name}.log`), "utf8")),
    );
    expect(
      lastWords.map((log) =>
        log
          .split("\n")
          .filter((line) => line.includes('"level":50'))
          .at(-1),
      ),
    ).toEqual([]);
  });

  const authorized = async (shopper: string) => ({
    authorization: await shopperAuthorization(shopper, system.jwtSecret),
    "content-type": "application/json",
  });

  interface Crowd {
    readonly accepted: string[];
    readonly refusals: Map<number, number>;
    stop(): Promise<void>;
  }

  /** A new shopper every 200 ms, at one server after the other, whatever the weather. */
  function pressBuy({ apiUrls }: PrivateSystem, itemId: string): Crowd {
    const accepted: string[] = [];
    const refusals = new Map<number, number>();
    const underWay = new Set<Promise<void>>();
    let shoppers = 0;
    const press = async () => {
      const url = `${apiUrls[shoppers++ % apiUrls.length]}/purchase/${itemId}`;
      const headers = await authorized(`crowd-${shoppers}`);
      const response = await fetch(url, {
        method: "POST",
        headers,
        body: JSON.stringify({ paymentMethod: "pm_card_visa" }),
      });
      const body = (await response.json()) as { id: string };
      if (response.status === 202) accepted.push(body.id);
      else refusals.set(response.status, (refusals.get(response.status) ?? 0) + 1);
    };
    const timer = setInterval(() => {
      // No answer at all is as bad as a wrong one.
      const pressing = press().catch(() => void refusals.set(0, (refusals.get(0) ?? 0) + 1));
      underWay.add(pressing);
      void pressing.finally(() => underWay.delete(pressing));
    }, 200);
    return {
      accepted,
      refusals,
      async stop() {
        clearInterval(timer);
        await Promise.all(underWay);
      },
    };
  }

  /** One purchase as a good client makes it: the same key until it is accepted. */
  async function buy({ apiUrls }: PrivateSystem, itemId: string, timeoutMs: number): Promise<string> {
    const headers = { ...(await authorized("ann")), "idempotency-key": randomUUID() };
    let id = "";
    await eventually(
      "a purchase is accepted",
      async () => {
        const body = JSON.stringify({ paymentMethod: "pm_card_visa" });
        const response = await fetch(`${apiUrls[0]}/purchase/${itemId}`, { method: "POST", headers, body });
        if (response.status === 202) ({ id } = (await response.json()) as { id: string });
        return response.status === 202;
      },
      timeoutMs,
    );
    return id;
  }
});

async function sendWebhooks({ simulatorUrl, apiUrls }: PrivateSystem): Promise<void> {
  const webhooks = { url: `${apiUrls[1]}/webhooks/stripe`, secret: webhookSecret };
  const response = await fetch(`${simulatorUrl}/_simulator/settings`, {
    method: "PUT",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ webhooks }),
  });
  expect(response.ok).toBe(true);
}

/**
 * A hold that ended without anything sent to the provider: nobody but the sweeper ever looks at it.
 */
async function leaveAbandonedHold(db: Database): Promise<string> {
  const id = randomUUID();
  await db.transaction().execute(async (trx) => {
    await sql`update items set inventory = inventory - 1 where id = 'left_behind'`.execute(trx);
    await sql`
      insert into orders (id, shopper_id, item_id, quantity, amount_minor, currency, status, payment_method, payment_status,
        placed_at, reserved_at, hold_expires_at, payment_due_at)
      values (${id}, 'gone', 'left_behind', 1, 1999, 'eur', 'reserved', 'pm_card_visa', 'pending', now(), now(), now(), now())`.execute(
      trx,
    );
  });
  return id;
}

async function isIn(db: Database, orderId: string, status: string): Promise<boolean> {
  const row = await db.selectFrom("orders").select("status").where("id", "=", orderId).executeTakeFirst();
  return row?.status === status;
}

async function hasWebhook(db: Database, orderId: string): Promise<boolean> {
  const { rows } = await sql`
    select 1 from webhook_events e join orders o on o.payment_intent_id = e.payment_intent_id
    where o.id = ${orderId} and e.processed_at is not null`.execute(db);
  return rows.length > 0;
}

async function statuses(db: Database, orderIds: readonly string[]) {
  const rows = await db
    .selectFrom("orders")
    .select("status")
    .where("id", "in", [...orderIds])
    .execute();
  const confirmed = rows.filter((row) => row.status === "confirmed").length;
  return { confirmed, open: orderIds.length - confirmed };
}
