import { setTimeout as sleep } from "node:timers/promises";
import type { Database } from "@holdfast/shared/database.ts";
import { laneQueueName } from "@holdfast/shared/lanes.ts";
import { sql } from "kysely";
import type { LedgerEntry } from "../../stripe-simulator/provider.ts";
import type { Tale } from "./shopper.ts";
import type { Stage } from "./stage.ts";

/** An order as Postgres has it. */
export interface OrderRow {
  readonly id: string;
  readonly shopperId: string;
  readonly itemId: string;
  readonly quantity: number;
  readonly amountMinor: number;
  readonly status: string;
  /** Why it was cancelled or rejected. */
  readonly reason: string | null;
  /** The number of its first event: the order in which an item's orders were decided. */
  readonly firstEvent: number;
  /**
   * Whether it was cancelled in line, before it was decided: by its shopper, or since it was lost.
   */
  readonly leftLine: boolean;
  /** Whether the payment provider's answer was missing at some time. */
  readonly paymentWasUnknown: boolean;
}

export interface Books {
  readonly itemId: string;
  readonly stocked: number;
  readonly inventory: number;
  readonly reserved: number;
  readonly confirmed: number;
  readonly balanced: boolean;
}

/**
 * All that is known of a run when it is over: what shoppers were told, Postgres, the provider's
 * ledger, the queues.
 */
export interface Evidence {
  readonly tales: readonly Tale[];
  readonly rows: readonly OrderRow[];
  readonly books: readonly Books[];
  readonly payments: readonly LedgerEntry[];
  /** What is still in the queues, and what failed in them for good. */
  readonly queues: Readonly<Record<string, { readonly left: number; readonly failed: number }>>;
  /** How often each status was answered. */
  readonly statuses: ReadonlyMap<number, number>;
}

/** Where the evidence is read. */
type Sources = Pick<Stage, "db" | "redisClient" | "keys" | "simulatorUrl">;

export async function gatherEvidence(
  stage: Sources,
  itemIds: readonly string[],
  tales: readonly Tale[],
  statuses: ReadonlyMap<number, number>,
): Promise<Evidence> {
  const [rows, books, ledger, queues] = await Promise.all([
    readRows(stage.db, itemIds),
    readBooks(stage.db, itemIds),
    fetch(`${stage.simulatorUrl}/_simulator/ledger`).then((response) => response.json()),
    readQueuesAtRest(stage),
  ]);
  const { payments } = ledger as { payments: LedgerEntry[] };
  const ours = payments.filter((payment) => payment.itemId !== null && itemIds.includes(payment.itemId));
  return { tales, rows, books, payments: ours, queues, statuses };
}

async function readRows(db: Database, itemIds: readonly string[]): Promise<OrderRow[]> {
  const { rows } = await sql<OrderRow>`
    select
      o.id, o.shopper_id as "shopperId", o.item_id as "itemId", o.quantity, o.amount_minor as "amountMinor", o.status, o.reason,
      min(e.id) as "firstEvent",
      bool_or(e.from_status = 'queued' and e.event = 'cancelled') as "leftLine",
      bool_or(e.event in ('payment_unknown', 'key_replaced')) as "paymentWasUnknown"
    from orders o join order_events e on e.order_id = o.id
    where o.item_id = any(${itemIds}::text[])
    group by o.id`.execute(db);
  return rows;
}

async function readBooks(db: Database, itemIds: readonly string[]): Promise<Books[]> {
  const rows = await db.selectFrom("item_books").selectAll().where("item_id", "in", itemIds).execute();
  return rows.map(({ item_id, ...books }) => ({ itemId: item_id, ...books }));
}

const laneCount = 4;

/**
 * The queues in which an order may be, straight from BullMQ's own lists: the sweeper's are never
 * empty.
 */
export async function readQueues({
  redisClient,
  keys,
}: Pick<Sources, "redisClient" | "keys">): Promise<Evidence["queues"]> {
  const names = [...Array.from({ length: laneCount }, (_, lane) => laneQueueName(lane)), "{charge}", "{webhook}"];
  const entries = names.map(async (name) => {
    const key = (list: string) => `${keys.queues}:${name}:${list}`;
    const [waiting, active, delayed, prioritized, failed] = await Promise.all([
      redisClient.llen(key("wait")),
      redisClient.llen(key("active")),
      redisClient.zcard(key("delayed")),
      redisClient.zcard(key("prioritized")),
      redisClient.zcard(key("failed")),
    ]);
    // One about a payment that failed is only kept to look at: the sweeper has added another.
    const forGood = name === "{charge}" ? 0 : failed;
    return [name, { left: waiting + active + delayed + prioritized, failed: forGood }] as const;
  });
  return Object.fromEntries(await Promise.all(entries));
}

const restTimeoutMs = 10_000;

/**
 * The queues once they are empty: a webhook may come late, and is gone a moment later. What stays
 * longer than that is stuck.
 */
async function readQueuesAtRest(stage: Sources): Promise<Evidence["queues"]> {
  const deadline = Date.now() + restTimeoutMs;
  for (;;) {
    const queues = await readQueues(stage);
    if (Object.values(queues).every(({ left }) => left === 0) || Date.now() > deadline) return queues;
    await sleep(100);
  }
}

/** Whether everything that was accepted has come to its end: nothing held, nothing in any queue. */
export async function isSettled(stage: Sources, itemIds: readonly string[]): Promise<boolean> {
  const queues = Object.values(await readQueues(stage));
  if (queues.some(({ left }) => left > 0)) return false;
  const { rows } = await sql<{ open: number }>`
    select
      (select count(*) from orders where item_id = any(${itemIds}::text[]) and status = 'reserved')
      + (
        select count(*) from unmatched_payments u join orders o on o.id = u.order_id
        where o.item_id = any(${itemIds}::text[]) and u.outcome is null and u.next_step <> 'search'
      ) as open`.execute(stage.db);
  return rows[0]?.open === 0;
}
