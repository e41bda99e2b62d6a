import type { Database } from "@holdfast/shared/database.ts";
import { invariant } from "@holdfast/shared/invariant.ts";
import type { Item } from "@holdfast/shared/item.ts";
import type { Order } from "@holdfast/shared/order.ts";
import { type PurchaseJob, type PurchaseRequest, queuedOrder } from "@holdfast/shared/purchase-job.ts";
import { findArchivedOrders, findOrders, itemFromRow } from "@holdfast/shared/rows.ts";
import type { Tables } from "@holdfast/shared/tables.ts";
import { sql, type Transaction } from "kysely";
import { allocate, type Decision } from "./allocate.ts";
import { takeUnits } from "./item-units.ts";

export interface ReservedBatch {
  /** Every order of the job as Postgres has it now, those of an earlier run included. */
  readonly orders: readonly Order[];
  /** Of these, the ones that were decided now. */
  readonly decided: readonly Order[];
  /** The item after the batch; null where there is none. */
  readonly item: Item | null;
}

/**
 * Items as the last batch left them. Only a guess at what the next one will find: each carries its
 * version, and what is decided by one is written only while that is still the item's version.
 */
export type KnownItems = Map<string, Item>;

const maxKnownItems = 1_000; // a few hundred bytes each; past that all are forgotten, and looked at again

/**
 * Decides all orders of a purchase job in ONE transaction: looks at the item, allocates, takes the
 * units, writes the orders and their events. Orders that are there already, from an earlier run of
 * the same job or a repeat, are left as they are.
 *
 * Mostly the item is as the last batch left it, and every order is new: so a job is first decided
 * by what is known of the item, in a single statement that is a transaction by itself. Where the
 * item has changed, or one of the orders was archived, the statement writes nothing; where one of
 * them is there already, Postgres refuses to write it twice. Then the item's row is locked first,
 * and what is there is looked up.
 * @param signal aborted when the item's lock is lost; then nothing is committed
 */
export async function reserveOrders(
  db: Database,
  job: PurchaseJob,
  signal: AbortSignal,
  knownItems: KnownItems = new Map(),
): Promise<ReservedBatch> {
  const item = knownItems.get(job.itemId);
  knownItems.delete(job.itemId); // until it is known again: whatever stops in between, the next batch looks
  // How many units a shopper has is not part of the item's version.
  const atOnce =
    item && item.maxPerShopper === null ? await unlessThere(() => decideAtOnce(db, job, item, signal)) : null;
  const ids = job.requests.map(({ orderId }) => orderId);
  const known = async (trx: Transaction<Tables>, find: typeof findOrders) => [...(await find(trx, ids)).values()];
  const firstTry =
    atOnce ?? (await unlessThere(() => decideLocked(db, job, signal, (trx) => known(trx, findArchivedOrders))));
  const reserved =
    firstTry === "order_there" ? await decideLocked(db, job, signal, (trx) => known(trx, findOrders)) : firstTry;
  if (knownItems.size >= maxKnownItems) knownItems.clear();
  if (reserved.item) knownItems.set(job.itemId, reserved.item);
  return reserved;
}

const uniqueViolation = "23505";

/** Where one of the orders is there already, nothing of the try remains. */
async function unlessThere<T>(decide: () => Promise<T>): Promise<T | "order_there"> {
  try {
    return await decide();
  } catch (error) {
    if ((error as { code?: unknown }).code !== uniqueViolation) throw error;
    return "order_there";
  }
}

/**
 * An order that has no charge attempt by then lost its job, or waits far back in the queue: the
 * sweeper makes sure that it has one.
 */
const firstChargeLateMs = 30_000;

/** Null where the item has changed, or an order was archived. */
async function decideAtOnce(
  db: Database,
  job: PurchaseJob,
  item: Item,
  signal: AbortSignal,
): Promise<ReservedBatch | null> {
  const decisions = allocate({ ...item, unitsOfShopper: new Map() }, newRequests(job.requests, []));
  signal.throwIfAborted();
  return writeDecisions(db, decisions, job.itemId, item);
}

function decideLocked(
  db: Database,
  job: PurchaseJob,
  signal: AbortSignal,
  findKnown: (trx: Transaction<Tables>) => Promise<Order[]>,
): Promise<ReservedBatch> {
  return db.transaction().execute(async (trx) => {
    const item = await lockItem(trx, job.itemId);
    const known = await findKnown(trx);
    const wanted = newRequests(job.requests, known);
    const supply = item && { ...item, unitsOfShopper: await countUnits(trx, item, wanted) };
    const written = await writeDecisions(trx, allocate(supply, wanted), job.itemId, item);
    invariant(written, `item ${job.itemId} stays as it is while its row is locked`);
    signal.throwIfAborted();
    return { ...written, orders: [...known, ...written.orders] };
  });
}

/**
 * The row lock is what makes the decision safe: whoever comes second sees what the first one left.
 * `for no key update` blocks every other writer of the row. `for update` would block foreign key
 * checks too, and Postgres checks an order's key when a transaction changes the order a second
 * time. Settling does that while it holds the item's totals, which this transaction waits for: a
 * deadlock.
 */
async function lockItem(trx: Transaction<Tables>, itemId: string): Promise<Item | null> {
  const row = await trx.selectFrom("items").selectAll().where("id", "=", itemId).forNoKeyUpdate().executeTakeFirst();
  return row ? itemFromRow(row) : null;
}

function newRequests(requests: readonly PurchaseRequest[], known: readonly Order[]): PurchaseRequest[] {
  const seen = new Set(known.map((order) => order.id));
  return requests.filter((request) => !seen.has(request.orderId) && seen.add(request.orderId));
}

async function countUnits(
  trx: Transaction<Tables>,
  item: Item,
  requests: readonly PurchaseRequest[],
): Promise<Map<string, number>> {
  if (item.maxPerShopper === null) return new Map();
  const shoppers = requests.map((request) => request.shopperId);
  const { rows } = await sql<{ shopper_id: string; units: number }>`
    select shopper_id, sum(quantity) as units from orders
    where item_id = ${item.id} and shopper_id = any(${shoppers}::text[]) and status in ('reserved', 'confirmed')
    group by shopper_id`.execute(trx);
  return new Map(rows.map((row) => [row.shopper_id, row.units]));
}

function countReserved(decisions: readonly Decision[]): number {
  return decisions.reduce((sum, d) => sum + (d.status === "reserved" ? d.request.quantity : 0), 0);
}

/**
 * Takes the units, and writes all orders and their events, in one statement: the cost per order is
 * what decides how fast a hot item sells.
 * @returns null where the item is not any more what was decided by, or one of the orders was
 *   archived: then nothing was written
 */
async function writeDecisions(
  db: Database,
  decisions: readonly Decision[],
  itemId: string,
  item: Item | null,
): Promise<ReservedBatch | null> {
  if (decisions.length === 0) return { orders: [], decided: [], item };
  const column = <T>(value: (decision: Decision) => T) => decisions.map(value);
  const ids = plainArray(column((d) => d.request.orderId));
  const archived = sql<boolean>`exists (select from archived_orders where id = any(${ids}::uuid[]))`;
  const { rows } = await sql<{ written: number; decided_at: Date; inventory: number | null; version: number | null }>`
    with item as (
      ${item ? takeUnits(item, countReserved(decisions), archived) : sql`select null::bigint as inventory, null::bigint as version`}
    ), decided as (
      insert into orders (
        id, shopper_id, item_id, quantity, amount_minor, currency, payment_method, fingerprint, metadata, placed_at,
        status, reason, payment_status, reserved_at, settled_at, payment_due_at
      )
      select
        d.id, d.shopper_id, ${itemId}, d.quantity, d.amount_minor, d.currency, d.payment_method, d.fingerprint, d.metadata, d.placed_at,
        d.status, d.reason,
        case when d.status = 'reserved' then 'pending' end,
        case when d.status = 'reserved' then now() end,
        case when d.status <> 'reserved' then now() end,
        case when d.status = 'reserved' then now() + ${firstChargeLateMs} * interval '1 millisecond' end
      from unnest(
        ${ids}::uuid[],
        ${column((d) => d.request.shopperId)}::text[],
        ${plainArray(column((d) => d.request.quantity))}::integer[],
        ${plainArray(column((d) => d.request.amountMinor))}::bigint[],
        ${column((d) => d.request.currency)}::text[],
        ${column((d) => d.request.card)}::text[],
        ${column((d) => d.request.fingerprint)}::text[],
        ${column(({ request: { metadata } }) => metadata && JSON.stringify(metadata))}::jsonb[],
        ${plainArray(column((d) => new Date(d.request.placedAtMs).toISOString()))}::timestamptz[],
        ${plainArray(column((d) => d.status))}::text[],
        ${column((d) => d.reason)}::text[]
      ) as d (
        id, shopper_id, quantity, amount_minor, currency, payment_method, fingerprint, metadata, placed_at, status,
        reason
      )
      where exists (select from item)
      returning id, status, reason, amount_minor, currency
    ), noted as (
      insert into order_events (order_id, event, from_status, to_status, detail)
      select
        id, status, 'queued', status,
        case
          when status = 'reserved' then jsonb_build_object('amount', amount_minor, 'currency', currency)
          else jsonb_strip_nulls(jsonb_build_object('reason', reason))
        end
      from decided
      returning at
    )
    select count(*) as written, min(at) as decided_at, (select inventory from item), (select version from item)
    from noted`.execute(db);
  const [row] = rows;
  if (row?.written === 0) return null;
  invariant(row?.written === decisions.length, "every decision is written");
  const decidedAtMs = row.decided_at.getTime();
  const { inventory, version } = row;
  const orders = decisions.map((decision) => decidedOrder(decision, itemId, decidedAtMs));
  return {
    orders,
    decided: orders,
    item: item && inventory !== null && version !== null ? { ...item, inventory, version } : null,
  };
}

/**
 * An array as Postgres reads it, of values that need no quotes: ids, numbers, times, states. The
 * driver's own way looks at every letter of every value, which for hundreds of orders takes as long
 * as writing some of them.
 */
export function plainArray(values: readonly (string | number)[]): string {
  return `{${values.join(",")}}`;
}

/** The row as it was just written, without reading it back. */
function decidedOrder(decision: Decision, itemId: string, decidedAtMs: number): Order {
  const { request, status, reason } = decision;
  const reserved = status === "reserved";
  return {
    ...queuedOrder(itemId, request),
    status,
    reason,
    paymentStatus: reserved ? "pending" : null,
    reservedAtMs: reserved ? decidedAtMs : null,
    settledAtMs: reserved ? null : decidedAtMs,
    version: 1,
  };
}
