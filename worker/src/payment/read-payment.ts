import type { Database } from "@holdfast/shared/database.ts";
import type { Order, OrderStatus, PaymentStatus } from "@holdfast/shared/order.ts";
import { orderColumns, orderFromRow } from "@holdfast/shared/rows.ts";
import type { UnmatchedStep } from "@holdfast/shared/tables.ts";
import { sql } from "kysely";

/** Why a hold is released before it is paid. */
export type ReleaseReason = "hold_expired" | "by_shopper";

/**
 * Everything that decides what is done next about an order's payment, as Postgres has it. All ages
 * are by Postgres' clock.
 */
export interface Payment {
  readonly orderId: string;
  readonly itemId: string;
  readonly amountMinor: number;
  readonly currency: string;
  readonly status: OrderStatus;
  readonly paymentStatus: PaymentStatus | null;
  /** The provider's name for the card; null for an order that was never charged. */
  readonly method: string | null;
  readonly attempt: number;
  /**
   * How many cards the shopper has tried; the attempts beyond are the same card under other keys.
   */
  readonly cards: number;
  /** The payment the order goes by, where one is known. */
  readonly paymentIntentId: string | null;
  /** How long ago the current attempt was first sent; null where it was not. */
  readonly firstSentMsAgo: number | null;
  /** How long ago it was last sent. */
  readonly lastSentMsAgo: number | null;
  readonly keyExhausted: boolean;
  /** How often it was looked at since something last changed. */
  readonly looks: number;
  /** How often somebody said that there is something to look at. */
  readonly hints: number;
  /** Whether operations have asked for its refund. */
  readonly refundRequested: boolean;
  readonly releasing: ReleaseReason | null;
  /**
   * In how many ms it is to be looked at, not above 0 where it is due; null where nothing about it
   * is open.
   */
  readonly dueInMs: number | null;
  /**
   * Open payments that the order does not go by: those to be asked about first, then by their time.
   */
  readonly unmatched: readonly UnmatchedPayment[];
}

export interface UnmatchedPayment {
  readonly id: number;
  /** Null where one is searched for. */
  readonly paymentIntentId: string | null;
  readonly sentMsAgo: number | null;
  readonly nextStep: UnmatchedStep;
  readonly dueInMs: number;
  /** How often it was looked at. */
  readonly looks: number;
  readonly hints: number;
}

const maxUnmatched = 10; // an order has one in a bad hour; what is left is seen by the next look

export interface OrderAndPayment {
  readonly order: Order;
  readonly payment: Payment;
}

const ageMs = (since: string) =>
  sql<number | null>`extract(epoch from now() - ${sql.ref(since)})::double precision * 1000`;
const openPayments = sql<UnmatchedPayment[]>`(
  select coalesce(json_agg(u), '[]') from (
    select
      id, payment_intent_id as "paymentIntentId", next_step as "nextStep", looks, hints,
      extract(epoch from now() - sent_at)::double precision * 1000 as "sentMsAgo",
      extract(epoch from due_at - now())::double precision * 1000 as "dueInMs"
    from unmatched_payments where order_id = orders.id and outcome is null
    order by next_step <> 'ask', due_at limit ${sql.lit(maxUnmatched)}
  ) u
)`;

/** An order that Postgres does not know (any more): a rehearsal's is deleted, or a backup is older. */
export class NoSuchOrder extends Error {
  constructor(orderId: string) {
    super(`There is no order ${orderId}`);
    this.name = "NoSuchOrder";
  }
}

/** Reads an order and its payment. @throws NoSuchOrder */
export async function readPayment(db: Database, orderId: string): Promise<OrderAndPayment> {
  const row = await db
    .selectFrom("orders")
    .select(orderColumns)
    .select(["payment_method", "payment_attempt", "payment_cards", "payment_intent_id", "payment_key_exhausted"])
    .select(["payment_looks", "payment_hints", "release_reason", "refund_requested_at"])
    .select(sql<boolean>`coalesce(hold_expires_at <= now(), false)`.as("hold_expired"))
    .select(ageMs("payment_started_at").as("sent_ms_ago"))
    .select(ageMs("payment_sent_at").as("last_sent_ms_ago"))
    .select(sql<number | null>`-${ageMs("payment_due_at")}`.as("due_in_ms"))
    .select(openPayments.as("unmatched"))
    .where("id", "=", orderId)
    .executeTakeFirst();
  if (!row) throw new NoSuchOrder(orderId);
  const payment: Payment = {
    orderId: row.id,
    itemId: row.item_id,
    amountMinor: row.amount_minor,
    currency: row.currency,
    status: row.status,
    paymentStatus: row.payment_status,
    method: row.payment_method,
    attempt: row.payment_attempt,
    cards: row.payment_cards,
    paymentIntentId: row.payment_intent_id,
    firstSentMsAgo: row.sent_ms_ago,
    lastSentMsAgo: row.last_sent_ms_ago,
    keyExhausted: row.payment_key_exhausted,
    looks: row.payment_looks,
    hints: row.payment_hints,
    refundRequested: row.refund_requested_at !== null,
    releasing: row.release_reason ?? (row.hold_expired ? "hold_expired" : null),
    dueInMs: row.due_in_ms,
    unmatched: row.unmatched,
  };
  return { order: orderFromRow(row), payment };
}
