import type { Database } from "@holdfast/shared/database.ts";
import { sql } from "kysely";

/** What Postgres knows of the sale as a whole. Ages in seconds, null where there is nothing. */
export interface MoneyNow {
  readonly readOnly: boolean;
  /** Postgres' own clock, in ms since 1970. */
  readonly clockMs: number;
  /** Payments without an outcome. */
  readonly unknown: number;
  readonly oldestUnknownSeconds: number | null;
  /** Payments that no order goes by. */
  readonly unmatched: number;
  readonly oldestUnmatchedSeconds: number | null;
  /** Orders whose hold is past its deadline. */
  readonly overdue: number;
  readonly oldestOverdueSeconds: number | null;
  readonly refundsOpen: number;
  /** Orders whose payment waits for its first try. */
  readonly backlog: number;
  readonly losses: number;
  readonly shopServed: boolean;
  readonly shopWaiting: number;
  readonly shopFailing: number;
  readonly oldestFailingSeconds: number | null;
  readonly shopLastError: string | null;
}

/** Before Postgres was heard. */
export const noMoney: MoneyNow = {
  readOnly: false,
  clockMs: 0,
  unknown: 0,
  oldestUnknownSeconds: null,
  unmatched: 0,
  oldestUnmatchedSeconds: null,
  overdue: 0,
  oldestOverdueSeconds: null,
  refundsOpen: 0,
  backlog: 0,
  losses: 0,
  shopServed: false,
  shopWaiting: 0,
  shopFailing: 0,
  oldestFailingSeconds: null,
  shopLastError: null,
};

const maxCounted = 100_000; // rows of an index: some ten milliseconds; more is "many" all the same

const age = (column: string) => sql`extract(epoch from now() - min(${sql.ref(column)}))::double precision`;

/**
 * Reads all of it in one statement. Each part goes along an index of what is open, so that it costs
 * the same however many orders there have been.
 */
export async function readMoney(db: Database): Promise<MoneyNow> {
  const limit = sql.lit(maxCounted);
  const { rows } = await sql<MoneyNow>`
    select
      current_setting('transaction_read_only') = 'on' as "readOnly",
      extract(epoch from clock_timestamp())::double precision * 1000 as "clockMs",
      unknown.n as "unknown", unknown.oldest as "oldestUnknownSeconds",
      unmatched.n as "unmatched", unmatched.oldest as "oldestUnmatchedSeconds",
      overdue.n as "overdue", overdue.oldest as "oldestOverdueSeconds",
      (select count(*) from orders where refund_requested_at is not null and status = 'confirmed') as "refundsOpen",
      (
        select count(*) from (
          select from orders
          where payment_stage(status, payment_status, payment_started_at) = 'unsent' and payment_due_at is not null
          limit ${limit}
        ) unsent
      ) as "backlog",
      (select count(*) from redis_generations where cause <> 'first_start') as "losses",
      shop_is_served() as "shopServed",
      (select count(*) from (select from shop_events where outcome is null limit ${limit}) e) as "shopWaiting",
      failing.n as "shopFailing", failing.oldest as "oldestFailingSeconds", failing.why as "shopLastError"
    from
      (
        select count(*) as n, ${age("payment_unknown_since")} as oldest from (
          select payment_unknown_since from orders
          where payment_unknown_since is not null order by payment_unknown_since limit ${limit}
        ) o
      ) unknown,
      (
        select count(*) as n, ${age("noticed_at")} as oldest from (
          select noticed_at from unmatched_payments
          where outcome is null and next_step <> 'search' order by noticed_at limit ${limit}
        ) u
      ) unmatched,
      (
        select count(*) as n, ${age("hold_expires_at")} as oldest from (
          select hold_expires_at from orders
          where status = 'reserved' and hold_expires_at is not null and hold_expires_at < now()
          order by hold_expires_at limit ${limit}
        ) h
      ) overdue,
      (
        select count(*) as n, ${age("first_tried_at")} as oldest, (array_agg(last_error order by first_tried_at))[1] as why
        from (
          select first_tried_at, last_error from shop_events
          where outcome is null and first_tried_at is not null and last_error is not null
          order by first_tried_at limit 10000
        ) e
      ) failing`.execute(db);
  const [row] = rows;
  if (!row) throw new Error("Postgres answered without a row");
  return row;
}

/** An item with its money, as its row and its totals have it. */
export interface ItemRow {
  readonly id: string;
  readonly name: string;
  readonly priceMinor: number;
  readonly currency: string;
  readonly opensAt: Date | null;
  readonly closesAt: Date | null;
  readonly paused: boolean;
  readonly stocked: number;
  readonly inventory: number;
  readonly reserved: number;
  readonly confirmed: number;
  readonly refunded: number;
  readonly takenMinor: number;
  readonly refundedMinor: number;
  readonly balanced: boolean;
}

/** All items together. */
export interface AllItems {
  readonly count: number;
  readonly inventory: number;
  readonly reserved: number;
  readonly confirmed: number;
  readonly unbalanced: number;
}

export const noItems: AllItems = { count: 0, inventory: 0, reserved: 0, confirmed: 0, unbalanced: 0 };

export const maxItemsShown = 100; // more are no help to a person; a search finds the others

/**
 * The items as operations look at them: those whose books are off first, then those on sale or
 * about to be, the newest opening first.
 */
export async function readItemRows(db: Database): Promise<{ items: ItemRow[]; all: AllItems }> {
  const { rows } = await sql<ItemRow & { all: AllItems }>`
    with known as (
      select
        i.id, i.name, i.price_minor as "priceMinor", i.currency, i.opens_at as "opensAt", i.closes_at as "closesAt",
        i.paused_at is not null as paused, i.stocked, i.inventory,
        coalesce(t.reserved, 0) as reserved, coalesce(t.confirmed, 0) as confirmed, coalesce(t.refunded, 0) as refunded,
        coalesce(t.taken_minor, 0) as "takenMinor", coalesce(t.refunded_minor, 0) as "refundedMinor",
        i.stocked = i.inventory + coalesce(t.reserved, 0) + coalesce(t.confirmed, 0) as balanced
      from items i left join item_totals t on t.item_id = i.id
    )
    select known.*, (
      select json_build_object(
        'count', count(*), 'inventory', coalesce(sum(inventory), 0), 'reserved', coalesce(sum(reserved), 0),
        'confirmed', coalesce(sum(confirmed), 0), 'unbalanced', count(*) filter (where not balanced)
      ) from known
    ) as all
    from known
    order by balanced, coalesce("closesAt" <= now(), false), "opensAt" desc nulls last, id
    limit ${sql.lit(maxItemsShown)}`.execute(db);
  return { items: rows, all: rows[0]?.all ?? noItems };
}
