import type { Database, UnmatchedStep } from "@holdfast/shared/database.ts";
import type { OrderStatus, PaymentStatus } from "@holdfast/shared/order.ts";
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
  /** How many cards the shopper has tried; the attempts beyond are the same card under other keys. */
  readonly cards: number;
  /** The payment the order goes by, where one is known. */
  readonly paymentIntentId: string | null;
  /** How long ago the current attempt was first sent; null where it was not. */
  readonly sentMsAgo: number | null;
  /** How long ago it was last sent. */
  readonly lastSentMsAgo: number | null;
  readonly keyExhausted: boolean;
  /** How often somebody said that there is something to look at. */
  readonly hints: number;
  readonly releasing: ReleaseReason | null;
  /**
   * In how many ms it is to be looked at, not above 0 where it is due; null where nothing about it
   * is open.
   */
  readonly dueInMs: number | null;
  /** Open payments that the order does not go by: those to be asked about first, then by their time. */
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

/** Reads an order's payment. @throws where there is no such order */
export async function readPayment(db: Database, orderId: string): Promise<Payment> {
  const { rows } = await sql<PaymentRow>`
    select
      id, item_id, amount_minor, currency, status, payment_status, payment_method, payment_attempt, payment_cards,
      payment_intent_id, payment_key_exhausted, payment_hints, release_reason,
      coalesce(hold_expires_at <= now(), false) as hold_expired,
      extract(epoch from now() - payment_started_at)::double precision * 1000 as sent_ms_ago,
      extract(epoch from now() - payment_sent_at)::double precision * 1000 as last_sent_ms_ago,
      extract(epoch from payment_due_at - now())::double precision * 1000 as due_in_ms,
      (
        select coalesce(json_agg(u), '[]') from (
          select
            id, payment_intent_id as "paymentIntentId", next_step as "nextStep", looks, hints,
            extract(epoch from now() - sent_at)::double precision * 1000 as "sentMsAgo",
            extract(epoch from due_at - now())::double precision * 1000 as "dueInMs"
          from unmatched_payments where order_id = orders.id and outcome is null
          order by next_step <> 'ask', due_at limit ${maxUnmatched}
        ) u
      ) as unmatched
    from orders where id = ${orderId}`.execute(db);
  const [row] = rows;
  if (!row) throw new Error(`There is no order ${orderId}`);
  return paymentFromRow(row);
}

interface PaymentRow {
  id: string;
  item_id: string;
  amount_minor: number;
  currency: string;
  status: OrderStatus;
  payment_status: PaymentStatus | null;
  payment_method: string | null;
  payment_attempt: number;
  payment_cards: number;
  payment_hints: number;
  payment_intent_id: string | null;
  payment_key_exhausted: boolean;
  release_reason: "by_shopper" | null;
  hold_expired: boolean;
  sent_ms_ago: number | null;
  last_sent_ms_ago: number | null;
  due_in_ms: number | null;
  unmatched: UnmatchedPayment[];
}

function paymentFromRow(row: PaymentRow): Payment {
  return {
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
    sentMsAgo: row.sent_ms_ago,
    lastSentMsAgo: row.last_sent_ms_ago,
    keyExhausted: row.payment_key_exhausted,
    hints: row.payment_hints,
    releasing: row.release_reason ?? (row.hold_expired ? "hold_expired" : null),
    dueInMs: row.due_in_ms,
    unmatched: row.unmatched,
  };
}
