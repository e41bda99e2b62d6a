import { parseArgs } from "node:util";
import { openDatabase, requirePostgres } from "@holdfast/shared/database.ts";
import { reportStartFailure } from "@holdfast/shared/start-failure.ts";
import { readShopWebhooksConfig as readConfig } from "../config.ts";
import { archiveOrders, closeForGood, type Refusal } from "./archive-orders.ts";

/** `npm run archive`: the orders of a sale that is long over, out of the tables that a sale writes. */

const usage = `npm run archive -- --item ID [--older-than-days 30]     reads DATABASE_URL
  moves the item's orders that never held a unit into the archive, where they are found by their id
  and by their shopper; what held one stays. The item is over for good. May be run again.`;

const leastDays = 2; // a live view lives for a day
const refusals: Readonly<Record<Refusal, (days: number) => string>> = {
  not_found: () => "There is no such item",
  not_over: () => "Its sale is not over: close it first (closesAt)",
  too_young: (days) => `Its sale, or its last order, is less than ${days} days old`,
  rehearsal: () => "A rehearsal is deleted, not archived",
};

try {
  const { values } = parseArgs({
    options: {
      item: { type: "string" },
      "older-than-days": { type: "string", default: "30" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) process.stdout.write(`${usage}\n`);
  else await run(values.item, Number(values["older-than-days"]));
} catch (error) {
  reportStartFailure("archive", error);
}

async function run(itemId: string | undefined, days: number): Promise<void> {
  if (itemId === undefined) throw new Error("Which item? --item ID");
  if (!(days >= leastDays)) throw new Error(`--older-than-days must be a number, ${leastDays} or more`);
  const config = readConfig(process.env);
  const db = openDatabase(config.DATABASE_URL, 2, () => {});
  try {
    await requirePostgres(db);
    const refusal = await closeForGood(db, itemId, days);
    if (refusal !== null) throw new Error(`${refusals[refusal](days)}: ${itemId}`);
    let moved = 0;
    for await (const some of archiveOrders(db, itemId)) {
      moved += some;
      process.stdout.write(`\r${moved} orders archived`);
    }
    const books = await db.selectFrom("item_books").selectAll().where("item_id", "=", itemId).executeTakeFirstOrThrow();
    const { stocked, inventory, reserved, confirmed, balanced } = books;
    process.stdout.write(
      `\r${moved} orders archived. The books: stocked ${stocked} = inventory ${inventory} + reserved ${reserved} + confirmed ${confirmed}${balanced ? "" : ", NOT BALANCED"}.\n`,
    );
  } finally {
    await db.destroy();
  }
}
