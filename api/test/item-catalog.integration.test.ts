import type { Item } from "@holdfast/shared/item.ts";
import { publishItems, readItems } from "@holdfast/shared/item-view.ts";
import { createLog } from "@holdfast/shared/log.ts";
import { connectRedis, type RedisClient } from "@holdfast/shared/redis.ts";
import { itemFromRow } from "@holdfast/shared/rows.ts";
import { addItem } from "@holdfast/testing/items.ts";
import { createWorld, eventually, type World } from "@holdfast/testing/world.ts";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type ItemCatalog, openItemCatalog } from "../src/items/item-catalog.ts";

describe("what an API server knows of the items", () => {
  let world: World;
  let subscriber: RedisClient;
  let catalog: ItemCatalog;
  beforeEach(async () => {
    world = await createWorld();
    await addItem(world.db, "item_1", 3);
    subscriber = connectRedis(world.redisUrl, "waiting", () => {});
    const { db, redis, keys } = world;
    catalog = await openItemCatalog({ db, redis, subscriber, keys, log: createLog("test", "silent") });
  });
  afterEach(async () => {
    catalog.close();
    subscriber.disconnect();
    await world.close();
  });

  const left = async () => (await catalog.find("item_1"))?.inventory;
  const becomes = (inventory: number, timeoutMs: number) =>
    eventually(`${inventory} are seen`, async () => (await left()) === inventory, timeoutMs);
  /** As a worker or operations change it: in Postgres first. */
  const change = async (inventory: number): Promise<Item> => {
    const row = await world.db
      .updateTable("items")
      .set({ inventory })
      .where("id", "=", "item_1")
      .returningAll()
      .executeTakeFirstOrThrow();
    return itemFromRow(row);
  };
  const inView = async () => (await readItems(world))[0]?.inventory;

  test("a sold-out item is known at once, and so is a unit that comes back", async () => {
    await publishItems(world, [await change(0)]);
    await becomes(0, 500);
    await publishItems(world, [await change(1)]);
    await becomes(1, 500);
  });

  test("an older message never overwrites a newer one, in the view or in the server", async () => {
    const older = await change(2);
    const newer = await change(0);
    await publishItems(world, [newer]);
    await becomes(0, 500);
    await publishItems(world, [older, older]);
    await publishItems(world, [{ ...newer, id: "marker" }]);
    await eventually("all is heard", async () => catalog.list().some((item) => item.id === "marker"));
    expect(await left()).toBe(0);
    expect((await readItems(world)).find((item) => item.id === "item_1")?.inventory).toBe(0);
  });

  test("a lost message is made up for from the view", async () => {
    const deaf = {
      ...world.keys,
      itemMessages: { ...world.keys.itemMessages, channel: `${world.keys.itemMessages.channel}:x` },
    };
    // Of a version that Postgres has not, where it would be found as well.
    const item = await change(1);
    await publishItems({ redis: world.redis, keys: deaf }, [{ ...item, inventory: 0, version: item.version + 1 }]);
    await becomes(0, 15_000);
  });

  test("a change that was never told, its process having died, is found in Postgres and told to the others", async () => {
    await change(0);
    await becomes(0, 8_000);
    await eventually("the view has it too", async () => (await inView()) === 0, 1_000);
  });

  test("a view that was emptied is filled again by the next change", async () => {
    await world.redis.del(world.keys.items);
    await publishItems(world, [await change(1)]);
    await becomes(1, 500);
    expect(await inView()).toBe(1);
  });
});
