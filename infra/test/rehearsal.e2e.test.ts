import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createWorld, eventually, type World } from "@holdfast/testing/world.ts";
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type PrivateSystem, startPrivateSystem } from "../local/private-system.ts";
import { rehearse } from "../proof/rush/rehearse.ts";
import { opsClient } from "../proof/rush/rush.ts";
import { signedTokens } from "../proof/rush/shopper-tokens.ts";

describe("a rehearsal on a system that runs", () => {
  let world: World;
  let system: PrivateSystem;
  let logDirectory: string;
  beforeAll(async () => {
    logDirectory = await mkdtemp(join(tmpdir(), "holdfast-rehearsal-"));
    world = await createWorld();
    const env = { ...world.env, CHARGE_RATE_PER_SECOND: "200" };
    system = await startPrivateSystem({ apis: 1, workers: 1, env, logDirectory });
    await ops("PUT", "items/kettle", { name: "Kettle", price: 1_900, currency: "eur", units: 5 });
  });
  afterAll(async () => {
    await system?.stop();
    await world?.close();
    await rm(logDirectory, { recursive: true, force: true });
  });

  const ops = (method: string, path: string, body?: object) =>
    opsClient(system.apiUrls[0] ?? "", system.opsPassword)(method, path, body);
  const traces = async () => {
    const rows = sql<{ left: number }>`
      select (select count(*) from items where id like 'rehearsal-%')
        + (select count(*) from orders) + (select count(*) from order_events) + (select count(*) from shop_events)
        + (select count(*) from item_totals where item_id like 'rehearsal-%') as left`;
    const redisKeys = await world.redis.keys(`${world.redisPrefix}orders:rush-*`);
    const items = await world.redis.hkeys(world.keys.items);
    return {
      rows: (await rows.execute(world.db)).rows[0]?.left,
      views: redisKeys.length,
      items: items.filter((id) => id.startsWith("rehearsal-")).length,
    };
  };
  const run = () => {
    const crowd = { buyers: 200, units: 20, declines: 0.1, urls: system.apiUrls, adminUrls: [] };
    const { simulatorUrl, opsPassword, jwtSecret } = system;
    return rehearse({ ...crowd, simulatorUrl, opsPassword, tokenOf: signedTokens(jwtSecret), db: null });
  };

  test("is a whole rush, seen by nobody else, and nothing of it is left", async () => {
    const shown: string[] = [];
    const looking = setInterval(() => {
      void fetch(`${system.apiUrls[0]}/items`)
        .then((answer) => answer.json() as Promise<{ id: string }[]>)
        .then((items) => shown.push(...items.map(({ id }) => id)));
    }, 100);
    const report = await run();
    clearInterval(looking);
    expect(report.findings.filter(({ ok }) => !ok)).toEqual([]);
    expect(report.outcomes.confirmed).toBeGreaterThan(10);
    expect(new Set(shown)).toEqual(new Set(["kettle"]));
    expect(await traces()).toEqual({ rows: 0, views: 0, items: 0 });
  });

  test("cleans up after one that was killed", async () => {
    await ops("PUT", "items/rehearsal-killed-1", { name: "Rush", price: 1_999, currency: "eur", units: 5 });
    await run();
    expect(await traces()).toEqual({ rows: 0, views: 0, items: 0 });
  });

  test("nothing else can be deleted: not what was on sale, and no order of it", async () => {
    await expect(ops("DELETE", "items/kettle")).rejects.toThrow("item_kept");
    const token = signedTokens(system.jwtSecret)(1);
    const headers = { authorization: `Bearer ${token}`, "content-type": "application/json", prefer: "wait=20" };
    const body = JSON.stringify({ paymentMethod: "pm_card_visa" });
    const bought = await fetch(`${system.apiUrls[0]}/purchase/kettle`, { method: "POST", headers, body });
    expect(bought.status).toBe(202);
    for (const table of ["order_events", "orders"])
      await expect(sql`delete from ${sql.table(table)}`.execute(world.db)).rejects.toThrow("refused");
  });

  test("is refused where charges would move money, before anything is put on sale", async () => {
    const [report] = Object.entries(await world.redis.hgetall(world.keys.fleetReports)).filter(([, text]) =>
      text.includes('"kind":"worker"'),
    );
    const pretend = setInterval(() => {
      const text = report?.[1]
        .replace('"provider":"simulator"', '"provider":"live"')
        .replace(/^\d+/, String(Date.now()));
      void world.redis.hset(world.keys.fleetReports, "a-live-worker", text ?? "");
    }, 200);
    await eventually("it is measured", async () => {
      const sale = await world.redis.get(world.keys.saleNow);
      return sale?.includes('"provider":{"kind":"live"') ?? false;
    });
    await expect(run()).rejects.toThrow("live key");
    clearInterval(pretend);
    expect((await traces()).items).toBe(0);
  });
});
