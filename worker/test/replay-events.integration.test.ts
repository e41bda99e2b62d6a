import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { fileURLToPath } from "node:url";
import { sql } from "kysely";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { replayEvents } from "../src/shop-webhooks/replay-events.ts";
import { messageId } from "../src/shop-webhooks/show-event.ts";
import { createShopWorld, type ShopWorld } from "./shop-world.ts";

const main = fileURLToPath(new URL("../src/shop-webhooks/shop-webhooks-main.ts", import.meta.url));

describe("npm run shop-webhooks", () => {
  let world: ShopWorld;
  beforeEach(async () => {
    world = await createShopWorld();
  });
  afterEach(() => world.close());

  const command = (...args: string[]) =>
    new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve) => {
      const env = { PATH: process.env.PATH ?? "", DATABASE_URL: world.databaseUrl };
      const child = execFile(process.execPath, [main, ...args], { env }, (_error, stdout, stderr) =>
        resolve({ code: child.exitCode, stdout, stderr }),
      );
    });
  const kill = async () => {
    world.shop.answer(() => 500);
    for (let i = 0; i < 8; i++) {
      await world.letTimePass(3 * 86_400);
      await world.deliverOnce();
    }
    world.shop.answer(() => 204);
  };

  test("lists the dead ones with their reason, and has them sent again under their ids", async () => {
    const [orderId = ""] = await world.reserve(1);
    await kill();
    const listed = await command();
    expect(listed).toMatchObject({ code: 0, stderr: "" });
    expect(listed.stdout).toMatch(/^0 waiting, 0 delivered, 1 dead\n\nDead\n {2}msg_/);
    expect(listed.stdout).toMatch(new RegExp(`order.reserved {2}${orderId} .* 8 tries {2}HTTP 500`));
    expect(await command("--replay-dead")).toMatchObject({ code: 0, stdout: "1 event is sent again.\n" });
    await world.deliver();
    expect(world.taken(orderId)).toEqual(["order.reserved"]);
    expect(new Set(world.shop.received.map(({ id }) => id)).size).toBe(1);
    expect((await world.rows())[0]).toMatchObject({ outcome: "delivered", tries: 1 });
  });

  test("gives what is sent again another three days of tries", async () => {
    await world.reserve(1);
    await kill();
    await replayEvents(world.db, { dead: true });
    world.shop.answer(() => 500);
    for (let i = 0; i < 10; i++) {
      await world.deliverOnce();
      await world.letTimePass(3_600);
    }
    expect((await world.rows())[0]).toMatchObject({ outcome: null, tries: 10 });
  });

  test("counts a thousand of a kind at most: a list costs the same after a week's outage", async () => {
    await sql`
      insert into shop_events (type, subject, payload)
      select 'order.reserved', 'order ' || n, '{}' from generate_series(1, 1001) n`.execute(world.db);
    expect((await command()).stdout).toMatch(/^1000 or more waiting, 0 delivered, 0 dead\n/);
  });

  test("lists those that were tried in vain so far", async () => {
    await world.reserve(2);
    world.shop.answer(() => 503);
    await world.deliverOnce();
    const { stdout } = await command();
    expect(stdout).toMatch(/^2 waiting, 0 delivered, 0 dead\n\nTried in vain so far\n/);
    expect(stdout.match(/1 tries {2}HTTP 503/g)).toHaveLength(2);
  });

  test("has delivered ones sent again, one by its webhook-id or all of an order, in their order", async () => {
    const [one = "", other = ""] = await world.reserve(2);
    await world.confirm(one);
    await world.deliver();
    expect((await command("--order", one)).stdout).toBe("2 events are sent again.\n");
    await world.deliver();
    expect(world.taken(one)).toEqual(["order.reserved", "order.confirmed", "order.reserved", "order.confirmed"]);
    const id = messageId({ id: (await world.rows())[0]?.id ?? "" });
    expect((await command("--replay", id)).stdout).toBe("1 event is sent again.\n");
    await world.deliver();
    expect(world.shop.taken.at(-1)?.id).toBe(id);
    expect(world.taken(other)).toHaveLength(1);
  });

  test("has all dead ones sent again, however many pages they fill", async () => {
    await world.reserve(1_000);
    await world.db.updateTable("items").set({ stocked: 2_000, inventory: 1_000 }).execute();
    await world.reserve(1_000);
    await sql`update shop_events set outcome = 'dead', finished_at = now()`.execute(world.db);
    // Sold out, available, and sold out again.
    expect(await replayEvents(world.db, { dead: true })).toBe(2_003);
    expect(await replayEvents(world.db, { dead: true })).toBe(0);
  });

  test("one that is being sent right now is sent once more, and whoever sent it changes nothing about that", async () => {
    const [orderId = ""] = await world.reserve(1);
    const answering = Promise.withResolvers<number>();
    world.shop.answer(() => answering.promise);
    const delivering = world.deliverOnce();
    while (world.shop.received.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    const [{ id } = { id: "" }] = await world.rows();
    await replayEvents(world.db, { event: id });
    answering.resolve(204);
    await delivering;
    expect((await world.rows())[0]).toMatchObject({ outcome: null });
    await world.deliver();
    expect(world.taken(orderId)).toEqual(["order.reserved", "order.reserved"]);
  });

  test("says in one line what is wrong with its arguments, and what it reads", async () => {
    expect((await command("--help")).stdout).toMatch(/^npm run shop-webhooks {2,}lists .* DATABASE_URL\n/);
    for (const [args, line] of [
      [["--replay", "5"], /^shop-webhooks: --replay does not fit: an event's id, msg_…\n$/],
      [["--order", "msg_5"], /^shop-webhooks: --order does not fit: an order's id\n$/],
      [["--replay", `msg_${randomUUID()}`], /^shop-webhooks: There is no such event: [^\n]+\n$/],
      [["--order", randomUUID(), "--replay-dead"], /^shop-webhooks: One of [^\n]+\n$/],
      [["--everything"], /^shop-webhooks: Unknown option '--everything'[^\n]*\n$/],
    ] as const) {
      expect(await command(...args)).toMatchObject({ code: 1, stdout: "", stderr: expect.stringMatching(line) });
    }
  });
});
