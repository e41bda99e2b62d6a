import type { Database } from "@holdfast/shared/database.ts";
import type { Order } from "@holdfast/shared/order.ts";
import type { Store } from "@holdfast/shared/redis.ts";
import {
  differsBetweenMasters,
  judgeGeneration,
  keepBehind,
  knowsToken,
  probeGeneration,
  readKnownGeneration,
} from "@holdfast/shared/redis-generation.ts";
import { findOrders } from "@holdfast/shared/rows.ts";
import { sql } from "kysely";
import { type ComparedItems, compareItems, raiseItems } from "./compare-items.ts";
import { viewsInBatches } from "./find-lost-orders.ts";
import { finishItems, restoreItems } from "./restore-items.ts";
import { type Advanced, bringForward, type OlderOrder, type Written, writeMissing } from "./restore-orders.ts";

/**
 * What a restored Postgres or Redis lacks, found by comparing the two, and put back where it can
 * be. To be run after a backup was restored, or a failover to a standby that lagged.
 *
 * - **Postgres is older than Redis**: orders that were decided since are in the live views alone.
 *   Their units are on sale again, and nobody goes by their payments. Each is written again: those
 *   that had an end as they were, those that held a unit as held, with a payment whose outcome is
 *   not known. The sweeper then asks the provider: paid ones are confirmed, with the same payment;
 *   of the others the shopper is asked for a card again, whatever the item allows after a decline.
 * - **Redis is older than Postgres**: nothing is to be done by hand. Workers notice it within a
 *   second and put it right (recover-generation.ts).
 */
export interface RestoreFindings {
  readonly relation: "same" | "postgres_behind" | "redis_behind" | "redis_emptied" | "first_start";
  /** How many heartbeats, one a second, Postgres lacks; null where that cannot be told. */
  readonly heartbeatsBehind: number | null;
  /** Orders whose view says that they were decided, and which Postgres does not have. */
  readonly missing: readonly Order[];
  /** Orders that Postgres has in an earlier state than their view. */
  readonly older: readonly OlderOrder[];
  readonly items: ComparedItems;
}

/** Compares; changes nothing. It reads all live views: those of the last day. */
export async function findRestored(db: Database, store: Store, signal: AbortSignal): Promise<RestoreFindings> {
  const { relation, heartbeatsBehind } = await relate(db, store);
  const missing: Order[] = [];
  const older: OlderOrder[] = [];
  for await (const views of viewsInBatches(store, signal)) {
    const decided = views.filter(({ status }) => status !== "queued");
    const known = await findOrders(
      db,
      decided.map(({ id }) => id),
    );
    for (const order of decided) {
      const row = known.get(order.id);
      if (row === undefined) missing.push(order);
      else if (isEarlier(row, order)) older.push({ order, inPostgres: row.status });
    }
  }
  const items = await compareItems(db, store);
  const behind = relation === "same" && items.older.length > 0; // by less than heartbeats show
  if (behind) return { relation: "postgres_behind", heartbeatsBehind: 0, missing, older, items };
  return { relation, heartbeatsBehind, missing, older, items };
}

/** Of the same version another one was committed since, by a standby that took over. */
function isEarlier(row: Order, shown: Order): boolean {
  return row.version < shown.version || (row.version === shown.version && row.status !== shown.status);
}

async function relate(db: Database, store: Store): Promise<Pick<RestoreFindings, "relation" | "heartbeatsBehind">> {
  const known = await readKnownGeneration(db); // before Redis: read second, it could rightly be ahead
  const seen = await probeGeneration(store);
  const none = { heartbeatsBehind: null };
  switch (judgeGeneration(known, seen)) {
    case "postgres_behind":
      return { relation: "postgres_behind", heartbeatsBehind: seen.heartbeats - (known?.heartbeats ?? 0) };
    case "emptied":
      return { relation: "redis_emptied", ...none };
    case "restored": {
      const foreign =
        seen.token !== null && seen.token !== differsBetweenMasters && !(await knowsToken(db, seen.token));
      return { relation: foreign ? "postgres_behind" : "redis_behind", ...none };
    }
    case "begin":
      return { relation: seen.token === null ? "first_start" : "postgres_behind", ...none };
    case "beginning":
    case "recover":
    case "sound":
      return { relation: "same", ...none };
  }
}

export interface Restored extends Written, Advanced {
  /** Items of which fewer units were there than had been withdrawn, and how many fewer. */
  readonly notWithdrawn: readonly { readonly itemId: string; readonly units: number }[];
}

/**
 * Puts back what was found. Whatever shows that Postgres is behind is kept showing it until
 * `acceptRedis`, wherever this is stopped: what is written raises the items' versions, which else
 * would look as if all were there again while some of their orders are not. It may be run again.
 */
export async function restore(db: Database, store: Store, findings: RestoreFindings): Promise<Restored> {
  if (findings.relation === "postgres_behind") await keepBehind(db, store);
  const { missing, older, items } = findings;
  const orders = [...missing, ...older.map(({ order }) => order)];
  const paused = await restoreItems(db, items.older, orders);
  // Before the missing ones, since some of them were given units of these.
  const advanced = await bringForward(db, older);
  const written = await writeMissing(db, missing);
  return { ...written, ...advanced, notWithdrawn: await finishItems(db, items.older, orders, paused) };
}

/**
 * Postgres goes by this Redis from now on: workers decide again. Where it knows no such generation,
 * one is begun that Redis is given by the next look.
 */
export async function acceptRedis(db: Database, store: Store): Promise<void> {
  await raiseItems(db, store);
  const known = await readKnownGeneration(db);
  const seen = await probeGeneration(store);
  if (known !== null && seen.token === known.token) {
    await db
      .updateTable("redis_generations")
      .set({ heartbeats: seen.heartbeats })
      .where("generation", "=", known.generation)
      .where("heartbeats", "<", seen.heartbeats)
      .execute();
    return;
  }
  if (seen.token === null || seen.token === differsBetweenMasters) return;
  await db
    .insertInto("redis_generations")
    .values({
      generation: (known?.generation ?? 0) + 1,
      token: seen.token,
      cause: known === null ? "first_start" : "restored",
      recovered_at: sql<Date>`now()`,
      heartbeats: seen.heartbeats,
      heartbeat_at: sql<Date>`now()`,
    })
    .execute();
}
