import type { Generated, GeneratedAlways } from "kysely";
import type { Metadata, OrderReason, OrderStatus, PaymentStatus } from "./order.ts";

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
