import { addItem, booksOf } from "@holdfast/testing/items.ts";
import { purchaseJob, purchaseRequest } from "@holdfast/testing/purchases.ts";
import { createWorld, type World } from "@holdfast/testing/world.ts";
import { sql } from "kysely";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { checkBooks, recountBooks } from "../src/recovery/check-books.ts";
import { reserveOrders } from "../src/reserve/reserve-orders.ts";

describe("the books", () => {
  let world: World;
  const alarms: { name: string; detail: string }[] = [];
  const raiseAlarm = (name: string, detail: string) => void alarms.push({ name, detail });
  beforeAll(async () => {
    world = await createWorld();
    await addItem(world.db, "sold", 10);
    await addItem(world.db, "unsold", 10);
    const requests = [purchaseRequest({ quantity: 2 }), purchaseRequest(), purchaseRequest({ quantity: 20 })];
    await reserveOrders(world.db, purchaseJob("sold", requests), new AbortController().signal);
  });
  afterAll(() => world.close());
  beforeEach(() => void alarms.splice(0));
  const check = async () => {
    await checkBooks(world.db, raiseAlarm);
    await recountBooks(world.db, raiseAlarm);
    return alarms.map(({ name }) => name);
  };

  test("count what is held and sold as it changes, and raise no alarm while they balance", async () => {
    expect(await booksOf(world.db, "sold")).toMatchObject({ inventory: 7, reserved: 3, confirmed: 0, balanced: true });
    expect(await check()).toEqual([]);
  });

  test("raise an alarm that names the item where a unit is missing", async () => {
    await sql`update items set inventory = inventory - 1 where id = 'sold'`.execute(world.db);
    expect(await check()).toEqual(["books_off"]);
    expect(alarms[0]).toMatchObject({ name: "books_off", detail: "Of sold." });
    await sql`update items set inventory = inventory + 1 where id = 'sold'`.execute(world.db);
  });

  test("are recounted from the orders: totals that say otherwise are an alarm, and nothing is repaired", async () => {
    await sql`update item_totals set confirmed = 1, reserved = 2 where item_id = 'sold'`.execute(world.db);
    expect(await check()).toEqual(["totals_off:sold"]); // the sum is the same, so only the recount sees it
    expect(await booksOf(world.db, "sold")).toMatchObject({ reserved: 2, confirmed: 1, balanced: true });
    await sql`update item_totals set confirmed = 0, reserved = 3 where item_id = 'sold'`.execute(world.db);
    alarms.splice(0);
    expect(await check()).toEqual([]);
  });
});
