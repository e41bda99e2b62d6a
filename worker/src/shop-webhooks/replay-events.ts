import type { Database } from "@holdfast/shared/database.ts";
import { type RawBuilder, sql } from "kysely";

/** What operations see of the deliveries to the shop, and how they have events sent again. */

export interface DeliveryList {
  /** How many are kept, by what became of them; `maxCounted` is that many or more. */
  readonly counts: Readonly<Record<"waiting" | "delivered" | "dead", number>>;
  /** Of those that failed at least once, the one that fails for longest first. */
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
const maxCounted = 1_000; // so that the list costs the same however many there are

export async function listDeliveries(db: Database): Promise<DeliveryList> {
  return {
    counts: {
      waiting: await count(db, sql`outcome is null order by due_at, seq`),
      delivered: await count(db, sql`outcome = 'delivered' order by finished_at`),
      dead: await count(db, sql`outcome = 'dead' order by finished_at`),
    },
    retried: await list(
      db,
      sql`outcome is null and first_tried_at is not null and last_error is not null order by first_tried_at`,
    ),
    dead: await list(db, sql`outcome = 'dead' order by finished_at desc, seq desc`),
  };
}

/** @param which in the order of an index, or all rows would be read where few are found */
async function count(db: Database, which: RawBuilder<unknown>): Promise<number> {
  const { rows } = await sql<{ n: number }>`
    select count(*) as n from (select from shop_events where ${which} limit ${maxCounted}) e`.execute(db);
  return rows[0]?.n ?? 0;
}

async function list(db: Database, which: RawBuilder<unknown>): Promise<readonly ListedEvent[]> {
  const { rows } = await sql<ListedEvent>`
    select 'msg_' || id as id, type, payload->>'id' as about, created_at as "createdAt", tries, last_error as "lastError"
    from shop_events where ${which} limit ${maxListed}`.execute(db);
  return rows;
}

/** Which events to send again: one, those of an order, or all dead ones. */
export type Replayed = { readonly event: string } | { readonly order: string } | { readonly dead: true };

/**
 * Has events sent again, under the same ids and in their order, for another three days. One that is
 * being sent right now is sent once more.
 * @returns how many
 */
export async function replayEvents(db: Database, which: Replayed): Promise<number> {
  if ("dead" in which) return replayDead(db);
  const ids =
    "event" in which
      ? sql`select ${which.event}::uuid`
      : sql`
          select id from shop_events where subject = ${`order ${which.order}`} and outcome is null
          union all select id from shop_events where subject = ${`order ${which.order}`} and outcome is not null`;
  const { numAffectedRows } = await sql`update shop_events set ${anew} where id in (${ids})`.execute(db);
  return Number(numAffectedRows);
}

const anew = sql`
  outcome = null, finished_at = null, tries = 0, lease = null, due_at = now(), first_tried_at = null`;
const page = 500; // some ten milliseconds

/** Page after page in the order of their index, so that none is looked at twice. */
async function replayDead(db: Database): Promise<number> {
  let after = { at: "-infinity", seq: 0 };
  for (let replayed = 0; ; ) {
    const { rows } = await sql<{ at: string; seq: number }>`
      with dead as (
        select id, finished_at, seq from shop_events
        where outcome = 'dead' and (finished_at, seq) > (${after.at}::timestamptz, ${after.seq}::bigint)
        order by finished_at, seq limit ${page}
      ), replayed as (
        update shop_events set ${anew} where id = any(array(select id from dead))
      )
      select finished_at::text as at, seq from dead order by finished_at, seq`.execute(db);
    replayed += rows.length;
    const last = rows.at(-1);
    if (rows.length < page || last === undefined) return replayed;
    after = last;
  }
}

/** The list as a table of text. */
export function printDeliveries({ counts, retried, dead }: DeliveryList): string {
  const shown = (n: number) => (n === maxCounted ? `${n} or more` : n);
  const totals = `${shown(counts.waiting)} waiting, ${shown(counts.delivered)} delivered, ${shown(counts.dead)} dead`;
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
