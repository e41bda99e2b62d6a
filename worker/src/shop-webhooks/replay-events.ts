import type { Database } from "@holdfast/shared/database.ts";
import { type RawBuilder, sql } from "kysely";

/** What operations see of the deliveries to the shop, and how they have events sent again. */

export interface DeliveryList {
  /** All that are kept, by what became of them. */
  readonly counts: Readonly<Record<"waiting" | "delivered" | "dead", number>>;
  /** Of those that failed at least once, the most often tried first. */
  readonly retried: readonly ListedEvent[];
  /** The newest first. */
  readonly dead: readonly ListedEvent[];
}

interface ListedEvent {
  readonly id: string;
  readonly type: string;
  /** The order's or the item's id. */
  readonly about: string;
  readonly createdAt: Date;
  readonly tries: number;
  readonly lastError: string | null;
}

const maxListed = 100; // as many as anyone reads

export async function listDeliveries(db: Database): Promise<DeliveryList> {
  const { rows } = await sql<{ outcome: "delivered" | "dead" | null; n: number }>`
    select outcome, count(*) as n from shop_events group by outcome`.execute(db);
  const count = (outcome: string | null) => rows.find((row) => row.outcome === outcome)?.n ?? 0;
  return {
    counts: { waiting: count(null), delivered: count("delivered"), dead: count("dead") },
    retried: await list(db, sql`outcome is null and tries > 0 order by tries desc, seq`),
    dead: await list(db, sql`outcome = 'dead' order by finished_at desc, seq desc`),
  };
}

async function list(db: Database, which: RawBuilder<unknown>): Promise<readonly ListedEvent[]> {
  const { rows } = await sql<ListedEvent>`
    select 'msg_' || id as id, type, payload->>'id' as about, created_at as "createdAt", tries, last_error as "lastError"
    from shop_events where ${which} limit ${maxListed}`.execute(db);
  return rows;
}

/** Which events to send again: one, those of an order, or all dead ones. */
export type Replayed = { readonly event: string } | { readonly order: string } | { readonly dead: true };

const page = 1_000; // some ten milliseconds

/**
 * Has events sent again, under the same ids and in their order, for another three days. One that is
 * being sent right now is sent once more.
 * @returns how many
 */
export async function replayEvents(db: Database, which: Replayed): Promise<number> {
  for (let replayed = 0; ; ) {
    const { numAffectedRows } = await sql`
      update shop_events set
        outcome = null, finished_at = null, tries = 0, lease = null, due_at = now(),
        give_up_at = now() + interval '3 days'
      where id in (select id from shop_events where ${condition(which)} order by seq limit ${page})`.execute(db);
    const affected = Number(numAffectedRows);
    replayed += affected;
    // What is not dead any more is not found again; of an order there are four events at most.
    if (affected < page || !("dead" in which)) return replayed;
  }
}

function condition(which: Replayed): RawBuilder<unknown> {
  if ("event" in which) return sql`id = ${which.event}::uuid`;
  if ("order" in which) return sql`subject = ${`order ${which.order}`}`;
  return sql`outcome = 'dead'`;
}

/** The list as a table of text. */
export function printDeliveries({ counts, retried, dead }: DeliveryList): string {
  const totals = `${counts.waiting} waiting, ${counts.delivered} delivered, ${counts.dead} dead`;
  const sections = [totals, ...section("Tried in vain so far", retried), ...section("Dead", dead)];
  if (dead.length > 0) sections.push("", "npm run shop-webhooks -- --replay-dead sends the dead ones again.");
  return sections.join("\n");
}

function section(title: string, events: readonly ListedEvent[]): string[] {
  if (events.length === 0) return [];
  const lines = events.map(({ id, type, about, createdAt, tries, lastError }) =>
    ["", id, type, about, createdAt.toISOString(), `${tries} tries`, lastError ?? "-"].join("  "),
  );
  return ["", events.length === maxListed ? `${title} (the first ${maxListed})` : title, ...lines];
}
