import { type Generated, type GeneratedAlways, Kysely, PostgresDialect, type Selectable, sql } from "kysely";
import pg from "pg";
import type { Item } from "./item.ts";
import type { Metadata, Order, OrderReason, OrderStatus, PaymentStatus } from "./order.ts";

/** The tables as Kysely sees them; `migrations/sql` is where they are made and explained. */
export interface Tables {
  items: ItemTable;
  orders: OrderTable;
  /** Orders and archived ones, to be read. */
  orders_ever: OrderEver;
  archived_as_orders: OrderEver;
  archived_orders: ArchivedOrderTable;
  order_events: OrderEventTable;
  item_books: ItemBooks;
  item_totals: ItemTotals;
  operations_audit: AuditTable;
  unmatched_payments: UnmatchedPaymentTable;
  reconciliations: ReconciliationTable;
  webhook_events: WebhookEventTable;
  redis_generations: RedisGenerationTable;
  legal_transitions: { from_status: OrderStatus; to_status: OrderStatus };
}

interface ItemTable {
  id: string;
  name: string;
  price_minor: number;
  currency: string;
  stocked: number;
  inventory: number;
  opens_at: Date | null;
  closes_at: Date | null;
  hold_seconds: number;
  payment_retries: number;
  max_per_shopper: number | null;
  paused_at: Generated<Date | null>;
  archived_at: Generated<Date | null>;
  version: Generated<number>;
}

interface OrderTable {
  id: string;
  shopper_id: string;
  item_id: string;
  quantity: number;
  amount_minor: number;
  currency: string;
  status: OrderStatus;
  reason: OrderReason | null;
  payment_method: string | null;
  payment_status: PaymentStatus | null;
  payment_attempt: Generated<number>;
  payment_cards: Generated<number>;
  payment_untried: Generated<number>;
  payment_intent_id: string | null;
  payment_started_at: Date | null;
  payment_key_exhausted: Generated<boolean>;
  payment_due_at: Date | null;
  payment_looks: Generated<number>;
  payment_hints: Generated<number>;
  payment_sent_at: Date | null;
  payment_unknown_since: Date | null;
  release_reason: "by_shopper" | null;
  refunded_minor: Generated<number>;
  disputed: Generated<boolean>;
  refund_requested_at: Date | null;
  refund_returns_units: boolean | null;
  refund_reason: string | null;
  decline_code: string | null;
  fingerprint: string | null;
  metadata: Metadata | null;
  placed_at: Date;
  reserved_at: Date | null;
  settled_at: Date | null;
  hold_expires_at: Date | null;
  version: Generated<number>;
}

interface OrderEventTable {
  id: GeneratedAlways<number>;
  order_id: string;
  event: string;
  from_status: OrderStatus;
  to_status: OrderStatus;
  detail: Generated<Record<string, unknown>>;
  at: Generated<Date>;
}

type OrderEver = Omit<
  OrderTable,
  | "payment_method"
  | "payment_cards"
  | "payment_untried"
  | "payment_started_at"
  | "payment_key_exhausted"
  | "payment_due_at"
  | "payment_looks"
  | "payment_hints"
  | "payment_sent_at"
  | "payment_unknown_since"
  | "release_reason"
> & { archived: boolean };

interface ArchivedOrderTable {
  id: string;
  settled_at: Date;
  placed_at: Date;
  amount_minor: number;
  quantity: number;
  version: number;
  item_id: string;
  shopper_id: string;
  currency: string;
  status: OrderStatus;
  reason: OrderReason | null;
  fingerprint: string | null;
  metadata: Metadata | null;
  events: ArchivedEvent[] | null;
}

/** An event of an archived order. */
export interface ArchivedEvent {
  readonly event: string;
  readonly from: OrderStatus;
  readonly to: OrderStatus;
  readonly detail: Record<string, unknown>;
  readonly at: string;
}

/**
 * Where an open payment stands for whoever looks after it: what `payment_stage` in 004_money.sql
 * says.
 */
export type PaymentStage = "unsent" | "unanswered" | "waiting" | "paid";

/** What is to be done next about an unmatched payment. */
export type UnmatchedStep = "ask" | "cancel" | "refund" | "search";
export type UnmatchedOutcome = "matched" | "canceled" | "refunded" | "never_made" | "disputed";

interface UnmatchedPaymentTable {
  id: GeneratedAlways<number>;
  order_id: string;
  payment_intent_id: string | null;
  sent_at: Date | null;
  next_step: UnmatchedStep;
  noticed_at: Generated<Date>;
  due_at: Generated<Date | null>;
  looks: Generated<number>;
  hints: Generated<number>;
  outcome: UnmatchedOutcome | null;
}

interface ReconciliationTable {
  id: GeneratedAlways<number>;
  from_time: Date;
  to_time: Date;
  differences: number;
  finished_at: Generated<Date>;
}

interface WebhookEventTable {
  id: string;
  type: string;
  payment_intent_id: string | null;
  received_at: Generated<Date>;
  processed_at: Date | null;
}

interface RedisGenerationTable {
  generation: number;
  token: string;
  cause: "first_start" | "emptied" | "restored";
  began_at: Generated<Date>;
  recovered_at: Date | null;
  heartbeats: Generated<number>;
  heartbeat_at: Date | null;
  in_line: Generated<number>;
  previous: GeneratedAlways<number | null>;
}

interface ItemBooks {
  item_id: string;
  stocked: number;
  inventory: number;
  reserved: number;
  confirmed: number;
  balanced: boolean;
}

interface ItemTotals {
  item_id: string;
  reserved: number;
  confirmed: number;
  refunded: Generated<number>;
  taken_minor: Generated<number>;
  refunded_minor: Generated<number>;
}

interface AuditTable {
  id: GeneratedAlways<number>;
  at: Generated<Date>;
  operator: string;
  address: string;
  action: string;
  subject: string;
  before: unknown;
  after: unknown;
}

export type Database = Kysely<Tables>;

// Money and counts fit a double exactly (the columns' CHECKs keep them below 2^53), so bigint comes
// as a number.
const types = new pg.TypeOverrides();
types.setTypeParser(pg.types.builtins.INT8, Number);

/**
 * A pool on the database. Nothing is connected until the first query.
 * @param maxConnections how many at most; more only queue up inside Postgres on the same two or
 *   four cores
 */
export function openDatabase(url: string, maxConnections: number, onError: (error: Error) => void): Database {
  const pool = new pg.Pool({
    connectionString: url,
    max: maxConnections,
    types,
    keepAlive: true,
    // Every wait can end: an outage is noticed within seconds, and a stuck statement gives its
    // locks back.
    connectionTimeoutMillis: 3_000,
    query_timeout: 12_000,
    ...timeLimits,
    Client: clientFor(url),
  });
  // A connection that breaks is reported here; without a listener it would end the process. On the
  // connection itself, since the pool listens only while one is idle, and a transaction holds one
  // between its statements.
  pool.on("connect", (client) => client.on("error", onError));
  pool.on("error", () => {});
  const db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) });
  pools.set(db, pool);
  urls.set(db, url);
  return db;
}

/** In ms. Postgres takes them when a connection begins. */
const timeLimits = { statement_timeout: 10_000, lock_timeout: 5_000, idle_in_transaction_session_timeout: 10_000 };

/**
 * Addresses behind which a pooler refuses time limits, as PgBouncer does: there the role has to
 * have them.
 */
const refusingLimits = new Set<string>();
const urls = new WeakMap<Database, string>();

function withoutLimits(options: pg.ClientConfig): pg.ClientConfig {
  return Object.fromEntries(Object.entries(options).filter(([name]) => !(name in timeLimits)));
}

function clientFor(url: string): typeof pg.Client {
  return class extends pg.Client {
    constructor(options: pg.ClientConfig) {
      super(refusingLimits.has(url) ? withoutLimits(options) : options);
    }
  };
}

const pools = new WeakMap<Database, pg.Pool>();

/** How many connections the pool under a database has, how many are idle, how many wait for one. */
export function poolOf(db: Database): Pick<pg.Pool, "totalCount" | "idleCount" | "waitingCount"> {
  return pools.get(db) ?? { totalCount: 0, idleCount: 0, waitingCount: 0 };
}

export const orderColumns = [
  "id",
  "shopper_id",
  "item_id",
  "quantity",
  "amount_minor",
  "currency",
  "status",
  "reason",
  "payment_status",
  "decline_code",
  "fingerprint",
  "metadata",
  "placed_at",
  "reserved_at",
  "settled_at",
  "hold_expires_at",
  "version",
] as const;

type OrderRow = Pick<Selectable<OrderTable>, (typeof orderColumns)[number]>;

/** A row of `orders` in the words of the program. */
export function orderFromRow(row: OrderRow): Order {
  return {
    id: row.id,
    shopperId: row.shopper_id,
    itemId: row.item_id,
    quantity: row.quantity,
    amountMinor: row.amount_minor,
    currency: row.currency,
    status: row.status,
    reason: row.reason,
    paymentStatus: row.payment_status,
    declineCode: row.decline_code,
    placedAtMs: row.placed_at.getTime(),
    reservedAtMs: row.reserved_at?.getTime() ?? null,
    settledAtMs: row.settled_at?.getTime() ?? null,
    holdExpiresAtMs: row.hold_expires_at?.getTime() ?? null,
    version: row.version,
    place: null,
    fingerprint: row.fingerprint,
    metadata: row.metadata,
    clientSecret: null,
  };
}

/**
 * What the row of an order that was in line has of it: who wants what, for how much, since when.
 */
export function placedColumns(order: Order) {
  return {
    id: order.id,
    shopper_id: order.shopperId,
    item_id: order.itemId,
    quantity: order.quantity,
    amount_minor: order.amountMinor,
    currency: order.currency,
    fingerprint: order.fingerprint,
    metadata: order.metadata,
    placed_at: new Date(order.placedAtMs),
  };
}

/** Orders by id, those that there are, archived ones too; in one statement, however many. */
export async function findOrders(db: Database, ids: readonly string[]): Promise<Map<string, Order>> {
  const rows = await db
    .selectFrom("orders_ever")
    .select(orderColumns)
    .where("id", "=", sql<string>`any(${ids}::uuid[])`)
    .execute();
  return new Map(rows.map((row) => [row.id, orderFromRow(row)]));
}

/** Notes something that happened to an order, in the transaction that makes it happen. */
export async function appendEvent(db: Database, ...event: Parameters<typeof eventRow>): Promise<void> {
  await db
    .insertInto("order_events")
    .values(eventRow(...event))
    .execute();
}

/** An event as a row, without what is not known of it. */
export function eventRow(
  orderId: string,
  event: string,
  change: { readonly from: OrderStatus; readonly to: OrderStatus },
  detail: Record<string, unknown> = {},
) {
  const known = Object.fromEntries(Object.entries(detail).filter(([, value]) => value !== null));
  return { order_id: orderId, event, from_status: change.from, to_status: change.to, detail: known };
}

/** A row of `items` in the words of the program. */
export function itemFromRow(row: Selectable<ItemTable>): Item {
  return {
    id: row.id,
    name: row.name,
    priceMinor: row.price_minor,
    currency: row.currency,
    stocked: row.stocked,
    inventory: row.inventory,
    opensAtMs: row.opens_at?.getTime() ?? null,
    closesAtMs: row.closes_at?.getTime() ?? null,
    holdSeconds: row.hold_seconds,
    paymentRetries: row.payment_retries,
    maxPerShopper: row.max_per_shopper,
    paused: row.paused_at !== null,
    version: row.version,
  };
}

/** The order with this id. @throws where there is none */
export async function findOrder(db: Database, orderId: string): Promise<Order> {
  const row = await db.selectFrom("orders").select(orderColumns).where("id", "=", orderId).executeTakeFirstOrThrow();
  return orderFromRow(row);
}

/**
 * Makes sure at start that Postgres answers and has the schema, the newest table included. @throws
 * one clear line where not
 */
export async function requirePostgres(db: Database): Promise<void> {
  try {
    await readSchema(db).catch((error: Error) => {
      const url = urls.get(db);
      if (url === undefined || !/unsupported startup parameter/.test(error.message)) throw error;
      refusingLimits.add(url);
      return readSchema(db);
    });
  } catch (error) {
    const missing = (error as { code?: string }).code === "42P01";
    const message = missing
      ? "The database has not this version's schema: run the migrations first"
      : "Postgres cannot be reached";
    throw new Error(message, { cause: error });
  }
  await requireTimeLimits(db);
}

/**
 * Reads no row. With `limit 1` and an empty table, Postgres goes through all combinations of the
 * others' rows.
 */
async function readSchema(db: Database): Promise<void> {
  await sql`select 1 from orders, redis_generations, unmatched_payments, item_totals, reconciliations, shop_events, operations_audit, archived_orders where false`.execute(
    db,
  );
}

/**
 * Makes sure that every wait in Postgres can end, whoever sets the limits.
 * @throws one clear line where a pooler takes none and the role has none either
 */
async function requireTimeLimits(db: Database): Promise<void> {
  const { rows } = await sql<{ name: string }>`
    select name from pg_settings
    where name = any(${Object.keys(timeLimits)}::text[]) and setting = '0' order by name`.execute(db);
  if (rows.length === 0) return;
  const missing = rows.map(({ name }) => `${name} = '${timeLimits[name as keyof typeof timeLimits] / 1_000}s'`);
  throw new Error(
    `Behind this pooler the role needs time limits of its own: ${missing.map((limit) => `ALTER ROLE … SET ${limit};`).join(" ")}`,
  );
}
