import { setTimeout as sleep } from "node:timers/promises";
import type { Database } from "@holdfast/shared/database.ts";
import { isRehearsal } from "@holdfast/shared/item.ts";
import { sql } from "kysely";
import type Stripe from "stripe";
import { withRefunds } from "../payment/ask-provider.ts";
import { classifyIntent } from "../payment/classify-payment.ts";

/** One thing on which our orders and the provider's payments disagree. */
export interface Difference {
  readonly problem:
    | "paid, but no such order"
    | "paid, but the order is not confirmed"
    | "paid twice"
    | "paid another amount"
    | "confirmed, but not paid"
    | "confirmed, but refunded"
    | "refunded, but still paid";
  readonly orderId: string | null;
  readonly paymentIntentId: string | null;
  readonly orderStatus: string | null;
  readonly orderAmount: number | null;
  readonly paidAmount: number | null;
}

export interface Reconciliation {
  readonly payments: number;
  readonly orders: number;
  readonly differences: readonly Difference[];
}

export interface TimeWindow {
  readonly fromMs: number;
  readonly toMs: number;
}

interface Payment {
  readonly id: string;
  readonly orderId: string;
  readonly itemId: string;
  readonly amount: number;
  readonly currency: string;
  /** Paid and not refunded in full. */
  readonly kept: boolean;
}

/**
 * Compares Postgres with the provider's list, page by page, for a window of time: the payments made
 * in it, those refunded in it, however old they are, and the orders paid in it. Repairs nothing.
 * Payments without an order in their metadata are somebody else's on the same account and are left
 * out.
 */
export async function reconcile(
  db: Database,
  stripe: Stripe,
  window: TimeWindow,
  closing?: AbortSignal,
): Promise<Reconciliation> {
  const differences: Difference[] = [];
  const listed = new Set<string>(); // payments
  const compared = new Set<string>(); // payments whose orders need no look of their own
  let payments = 0;
  for await (const page of listPayments(stripe, window, closing)) {
    payments += page.length;
    const orders = await findComparedOrders(
      db,
      page.map((payment) => payment.orderId),
    );
    for (const payment of page) {
      listed.add(payment.id);
      if (!payment.kept) continue;
      const order = orders.get(payment.orderId);
      const problem = problemOf(payment, order);
      if (problem) differences.push(difference(problem, payment, order));
      compared.add(payment.id);
    }
  }
  for await (const page of listRefunded(stripe, window, closing)) {
    for (const id of page) {
      if (listed.has(id)) continue;
      listed.add(id);
      compared.add(id);
      const payment = await retrieveListed(stripe, id, closing);
      if (!payment?.orderId || isRehearsal(payment.itemId)) continue;
      payments += 1;
      const order = (await findComparedOrders(db, [payment.orderId])).get(payment.orderId);
      const problem = payment.kept ? problemOf(payment, order) : problemOfRefunded(payment, order);
      if (problem) differences.push(difference(problem, payment, order));
    }
  }
  let orders = 0;
  for await (const paid of listPaidOrders(db, window)) {
    orders += paid.length;
    for (const order of paid) {
      if (order.status !== "confirmed" || order.payment_intent_id === null) continue;
      if (compared.has(order.payment_intent_id)) continue;
      // Its payment may have been made before the window began, or refunded.
      const payment = await retrieveListed(stripe, order.payment_intent_id, closing);
      if (payment?.kept) continue;
      differences.push(difference(payment ? "confirmed, but refunded" : "confirmed, but not paid", payment, order));
    }
  }
  return { payments, orders, differences };
}

function problemOf(payment: Payment, order: OrderRow | undefined): Difference["problem"] | null {
  if (!order) return "paid, but no such order";
  if (order.status === "refunded") return "refunded, but still paid";
  if (order.status !== "confirmed") return "paid, but the order is not confirmed";
  if (payment.id !== order.payment_intent_id) return "paid twice";
  if (payment.amount !== order.amount_minor - order.refunded_minor || payment.currency !== order.currency) {
    return "paid another amount";
  }
  return null;
}

/** Its money went back, and its order does not know. */
function problemOfRefunded(payment: Payment, order: OrderRow | undefined): Difference["problem"] | null {
  return order?.status === "confirmed" && order.payment_intent_id === payment.id ? "confirmed, but refunded" : null;
}

function difference(problem: Difference["problem"], payment: Payment | null, order: OrderRow | undefined): Difference {
  return {
    problem,
    orderId: order?.id ?? payment?.orderId ?? null,
    paymentIntentId: payment?.id ?? order?.payment_intent_id ?? null,
    orderStatus: order?.status ?? null,
    orderAmount: order?.amount_minor ?? null,
    paidAmount: payment?.kept ? payment.amount : null,
  };
}

async function* listPayments(
  stripe: Stripe,
  window: TimeWindow,
  closing: AbortSignal | undefined,
): AsyncGenerator<Payment[]> {
  const created = createdIn(window);
  let starting_after: string | undefined;
  let more = true;
  while (more) {
    const query = {
      created,
      limit: 100,
      expand: ["data.latest_charge.refunds"],
      ...(starting_after && { starting_after }),
    };
    const page = await withRetries(() => stripe.paymentIntents.list(query), closing);
    yield page.data
      .filter((intent) => intent.metadata.orderId !== undefined && !isRehearsal(intent.metadata.itemId ?? ""))
      .map(toPayment);
    starting_after = page.data.at(-1)?.id;
    more = page.has_more;
  }
}

/** The payments of which something was refunded in the window, by whatever came of that since. */
async function* listRefunded(
  stripe: Stripe,
  window: TimeWindow,
  closing: AbortSignal | undefined,
): AsyncGenerator<string[]> {
  const created = createdIn(window);
  let starting_after: string | undefined;
  let more = true;
  while (more) {
    const query = { created, limit: 100, ...(starting_after && { starting_after }) };
    const page = await withRetries(() => stripe.refunds.list(query), closing);
    yield page.data.flatMap(({ payment_intent: payment }) => {
      if (payment === null) return [];
      return [typeof payment === "string" ? payment : payment.id];
    });
    starting_after = page.data.at(-1)?.id;
    more = page.has_more;
  }
}

function createdIn({ fromMs, toMs }: TimeWindow) {
  return { gte: Math.floor(fromMs / 1000), lt: Math.floor(toMs / 1000) };
}

async function retrieveListed(stripe: Stripe, id: string, closing: AbortSignal | undefined): Promise<Payment | null> {
  try {
    const expand = withRefunds;
    return toPayment(await withRetries(() => stripe.paymentIntents.retrieve(id, expand), closing));
  } catch (error) {
    if ((error as { code?: string }).code === "resource_missing") return null;
    throw error;
  }
}

const tries = 6; // with the pauses between, half a minute: a night's work must not begin again for one page
const firstPauseMs = 1_000;

async function withRetries<T>(read: () => Promise<T>, closing: AbortSignal | undefined): Promise<T> {
  for (let failures = 1; ; failures++) {
    try {
      return await read();
    } catch (error) {
      const status = (error as { statusCode?: number }).statusCode;
      const final = status !== undefined && status >= 400 && status < 500 && status !== 429;
      if (final || failures === tries || closing?.aborted) throw error;
      await sleep(firstPauseMs * 2 ** (failures - 1), undefined, closing && { signal: closing });
    }
  }
}

function toPayment(intent: Stripe.PaymentIntent): Payment {
  const outcome = classifyIntent(intent);
  const left = outcome.kind === "paid" ? outcome.amountMinor - outcome.refundedMinor : 0; // a pending refund may fail
  return {
    id: intent.id,
    orderId: intent.metadata.orderId ?? "",
    itemId: intent.metadata.itemId ?? "",
    amount: left,
    currency: intent.currency,
    kept: left > 0,
  };
}

interface OrderRow {
  id: string;
  status: string;
  amount_minor: number;
  refunded_minor: number;
  currency: string;
  payment_intent_id: string | null;
}
const columns = ["id", "status", "amount_minor", "refunded_minor", "currency", "payment_intent_id"] as const;

const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

async function findComparedOrders(db: Database, ids: readonly string[]): Promise<Map<string, OrderRow>> {
  // Metadata is anybody's text; what is no id has no order.
  const known = ids.filter((id) => uuidPattern.test(id));
  const rows = await db
    .selectFrom("orders")
    .select(columns)
    .where("id", "=", sql<string>`any(${known}::uuid[])`)
    .execute();
  return new Map(rows.map((row) => [row.id, row]));
}

const ordersPerPage = 1_000;

/**
 * Orders paid in the window, in pages by time and id. The time stays text: a Date has no
 * microseconds, and would begin a page anew.
 */
async function* listPaidOrders(db: Database, window: TimeWindow): AsyncGenerator<OrderRow[]> {
  let after = { settledAt: new Date(window.fromMs).toISOString(), id: "00000000-0000-0000-0000-000000000000" };
  for (;;) {
    const page = await db
      .selectFrom("orders")
      .select(columns)
      .select(sql<string>`settled_at::text`.as("settled_at"))
      .where("status", "in", ["confirmed", "refunded"])
      .where("settled_at", "<", new Date(window.toMs))
      .where(sql<boolean>`(settled_at, id) > (${after.settledAt}::timestamptz, ${after.id}::uuid)`)
      .orderBy(sql`orders.settled_at`)
      .orderBy("id")
      .limit(ordersPerPage)
      .execute();
    const last = page.at(-1);
    if (!last) return;
    yield page;
    after = { settledAt: last.settled_at, id: last.id };
  }
}

/** The differences as a table for people. */
export function printDifferences(differences: readonly Difference[]): string {
  if (differences.length === 0) return "Postgres and the provider agree.";
  const rows = differences.map((d) =>
    [
      d.problem.padEnd(38),
      (d.orderId ?? "–").padEnd(38),
      (d.paymentIntentId ?? "–").padEnd(30),
      d.orderStatus ?? "–",
      d.paidAmount ?? 0,
    ].join(" "),
  );
  return [`${differences.length} differences:`, ...rows].join("\n");
}
