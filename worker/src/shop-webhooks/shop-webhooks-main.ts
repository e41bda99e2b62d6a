import { parseArgs } from "node:util";
import { type Database, openDatabase, requirePostgres } from "@holdfast/shared/database.ts";
import { reportStartFailure } from "@holdfast/shared/start-failure.ts";
import { readShopWebhooksConfig } from "../config.ts";
import { listDeliveries, printDeliveries, type Replayed, replayEvents } from "./replay-events.ts";

/**
 * `npm run shop-webhooks`: lists the deliveries to the shop, or has some made again. Exit code 1
 * where there are none to make again.
 */

const usage = `npm run shop-webhooks                  lists the deliveries to the shop; reads DATABASE_URL
npm run shop-webhooks -- [options]
  --replay ID     sends one event again, dead or delivered: its webhook-id, msg_…
  --order ID      sends all events of an order again, in their order
  --replay-dead   sends all dead ones again
  --help          this`;

try {
  const { values } = parseArgs({
    options: {
      replay: { type: "string" },
      order: { type: "string" },
      "replay-dead": { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) process.stdout.write(`${usage}\n`);
  else await run(chosen(values));
} catch (error) {
  reportStartFailure("shop-webhooks", error);
}

async function run(which: Replayed | null): Promise<void> {
  const db = openDatabase(readShopWebhooksConfig(process.env).DATABASE_URL, 1, () => {});
  try {
    await requirePostgres(db);
    if (which === null) process.stdout.write(`${printDeliveries(await listDeliveries(db))}\n`);
    else await replay(db, which);
  } finally {
    await db.destroy();
  }
}

async function replay(db: Database, which: Replayed): Promise<void> {
  const replayed = await replayEvents(db, which);
  if (replayed === 0 && !("dead" in which))
    throw new Error("There is no such event: delivered ones are kept for three days, dead ones for thirty");
  process.stdout.write(`${replayed} ${replayed === 1 ? "event is" : "events are"} sent again.\n`);
}

/** Null where everything is listed. @throws with one clear line */
function chosen(values: { replay?: string; order?: string; "replay-dead": boolean }): Replayed | null {
  const { replay: event, order } = values;
  const given: Replayed[] = [];
  if (event !== undefined) given.push({ event: uuid("--replay", event.replace(/^msg_/, "")) });
  if (order !== undefined) given.push({ order: uuid("--order", order) });
  if (values["replay-dead"]) given.push({ dead: true });
  if (given.length > 1) throw new Error("One of --replay, --order and --replay-dead at a time, please");
  return given[0] ?? null;
}

function uuid(option: string, text: string): string {
  if (!/^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i.test(text))
    throw new Error(`${option} does not fit: ${option === "--order" ? "an order's id" : "an event's id, msg_…"}`);
  return text.toLowerCase();
}
