import { parseArgs } from "node:util";
import { type Database, openDatabase, requirePostgres } from "@holdfast/shared/database.ts";
import type { Order } from "@holdfast/shared/order.ts";
import { viewTtlMs } from "@holdfast/shared/order-view.ts";
import { connectRedis, redisKeys, requireRedis } from "@holdfast/shared/redis.ts";
import { reportStartFailure } from "@holdfast/shared/start-failure.ts";
import { readRestoreConfig } from "../config.ts";
import { acceptRedis, findRestored, type Restored, type RestoreFindings, restore } from "./restore-check.ts";
import { changesOf } from "./restore-items.ts";

/**
 * `npm run restore-check`: Postgres against Redis, after one of them was restored. Exit code 1 where
 * something is to be done.
 */

const usage = `npm run restore-check -- [--apply [--accept]]     reads DATABASE_URL, REDIS_URL, REDIS_PREFIX
  compares a restored Postgres with Redis, or the other way round; changes nothing
  --apply    writes orders again that only Redis still knows, and lets workers go on where all that
             held units are there
  --accept   lets workers go on although some are not`;

try {
  const { values } = parseArgs({
    options: {
      apply: { type: "boolean", default: false },
      accept: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) process.stdout.write(`${usage}\n`);
  else await run(values.apply, values.accept);
} catch (error) {
  reportStartFailure("restore-check", error);
}

async function run(apply: boolean, accept: boolean): Promise<void> {
  const config = readRestoreConfig(process.env);
  const db = openDatabase(config.DATABASE_URL, 2, () => {});
  const redis = connectRedis(config.REDIS_URL, "failing", () => {});
  const store = { redis, keys: redisKeys(config.REDIS_PREFIX) };
  try {
    await Promise.all([requirePostgres(db), requireRedis(redis)]);
    const findings = await findRestored(db, store, new AbortController().signal);
    say(describeRelation(findings));
    say(describeOrders(findings));
    const toDo = findings.relation === "postgres_behind" || findings.missing.length > 0 || findings.older.length > 0;
    if (!toDo) return;
    if (!apply) {
      say("Nothing was changed. With --apply the missing orders are written again, and workers go on.");
      process.exitCode = 1;
      return;
    }
    const written = await restore(db, store, findings);
    say(
      `Written again: ${written.final} that had an end, ${written.held} that held units; their payments are asked about now.`,
    );
    if (written.forward > 0) say(`${written.forward} that Postgres had in an earlier state are on their way again.`);
    const left = sayLeft(written);
    await sayBooks(db, findings.missing);
    const since = new Date(Math.min(Date.now(), ...findings.missing.map(({ placedAtMs }) => placedAtMs)) - 600_000);
    say(`Compare with the provider when all is settled: npm run reconcile -- --from ${since.toISOString()}`);
    if (left > 0 || expired(findings)) process.exitCode = 1;
    if (findings.relation !== "postgres_behind") return;
    if (process.exitCode === 1 && !accept)
      say(
        "Workers go on deciding nothing. Put right what is named above and run this again, or let them go on as it is: --apply --accept",
      );
    else {
      await acceptRedis(db, store);
      say("Workers go on within a second.");
    }
  } finally {
    redis.disconnect();
    await db.destroy();
  }
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** @returns how many orders that held units could not be written */
function sayLeft({ withoutUnits, refused, otherwise, notWithdrawn }: Restored): number {
  for (const { id, itemId, quantity, status } of withoutUnits)
    say(
      `NOT written: order ${id}, ${quantity} of ${itemId}, shown as ${status}: its units were sold again. Restock the item, if there are more of it, or refund the order.`,
    );
  for (const { order, why } of refused)
    say(`NOT written: order ${order.id} of ${order.itemId}, shown as ${order.status}: Postgres refuses it (${why}).`);
  for (const { order, inPostgres } of otherwise)
    say(
      `Decided otherwise since: order ${order.id} of ${order.itemId}, shown as ${order.status}, is ${inPostgres}. What was paid for it is searched for, and refunded.`,
    );
  for (const { itemId, units } of notWithdrawn)
    say(`NOT withdrawn: ${units} units of ${itemId}, which were sold or are held. It sells none of them.`);
  return withoutUnits.length + refused.filter(({ order }) => unitsOf([order]) > 0).length;
}

/** Whether orders may be missing of which there is no view any more. */
function expired({ heartbeatsBehind }: RestoreFindings): boolean {
  if (heartbeatsBehind === null || heartbeatsBehind * 1_000 < viewTtlMs) return false;
  say(
    "Postgres is behind by more than a day, and live views are kept for one: older orders are in neither. Only reconcile names their payments.",
  );
  return true;
}

function describeRelation({ relation, heartbeatsBehind }: RestoreFindings): string {
  switch (relation) {
    case "same":
      return "Postgres and Redis are of the same moment.";
    case "postgres_behind":
      return heartbeatsBehind === null
        ? "Postgres is older than Redis: it does not know this generation of it. Workers decide nothing until this is put right."
        : `Postgres is older than Redis, by ${heartbeatsBehind === 0 ? "a few" : `some ${heartbeatsBehind}`} s. Workers decide nothing until this is put right.`;
    case "redis_behind":
      return "Redis is older than Postgres. Nothing is to be done by hand: workers put it right, and orders that were only in Redis are lost; their shoppers are told.";
    case "redis_emptied":
      return "Redis is empty. Nothing is to be done by hand: workers put it right, and orders in line are lost; their shoppers are told.";
    case "first_start":
      return "Neither knows the other: nothing has ever run on them together.";
  }
}

function describeOrders({ missing, older, items }: RestoreFindings): string {
  const lines = [
    `${missing.length} orders are in Redis' live views alone, ${older.length} are in an earlier state in Postgres.`,
  ];
  for (const [itemId, orders] of Map.groupBy(missing, (order) => order.itemId)) {
    const counts = [...Map.groupBy(orders, ({ status }) => status)].map(([status, all]) => `${all.length} ${status}`);
    lines.push(`  ${itemId}: ${counts.join(", ")} (${unitsOf(orders)} units)`);
  }
  for (const { id, name, priceMinor, currency, stocked } of items.unknown)
    lines.push(
      `  item ${id} (${name}, ${priceMinor} ${currency}, ${stocked} in stock) is not in Postgres: create it again with that stock before --apply.`,
    );
  if (items.older.length > 0)
    lines.push(
      `  ${items.older.length} items are older in Postgres than they are shown: pausing or changing one has no effect until workers go on.`,
    );
  for (const item of items.older) {
    const changes = changesOf(item, [...missing, ...older.map(({ order }) => order)]);
    if (changes.length > 0)
      lines.push(`  item ${item.shown.id} was changed since, and --apply does so again: ${changes.join(", ")}.`);
  }
  return lines.join("\n");
}

function unitsOf(orders: readonly Order[]): number {
  const held = orders.filter(({ status }) => status === "reserved" || status === "confirmed");
  return held.reduce((sum, { quantity }) => sum + quantity, 0);
}

async function sayBooks(db: Database, missing: readonly Order[]): Promise<void> {
  const ids = [...new Set(missing.map(({ itemId }) => itemId))];
  if (ids.length === 0) return;
  const books = await db.selectFrom("item_books").selectAll().where("item_id", "in", ids).execute();
  for (const { item_id, stocked, inventory, reserved, confirmed, balanced } of books)
    say(
      `  ${item_id}: stocked ${stocked} = inventory ${inventory} + reserved ${reserved} + confirmed ${confirmed}: ${balanced ? "balanced" : "NOT BALANCED"}`,
    );
}
