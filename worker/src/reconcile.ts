import type { Database } from "@holdfast/shared/database.ts";
import { sql } from "kysely";
import type Stripe from "stripe";

/** One thing on which our record and the provider's disagree. */
export interface Difference {
  readonly problem:
    | "paid, but no such order"
    | "paid, but the order is not confirmed"
    | "paid twice"
    | "paid another amount"
    | "confirmed, but not paid"
    | "confirmed, but refunded";
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

interface Payment {
  readonly id: string;
  readonly orderId: string;
  readonly amount: number;
  readonly currency: string;
  /** Paid and not given back in full. */
  readonly kept: boolean;
}

/**
 * Holds the record against the provider's list, page by page, for a window of time: the payments made in it, and the orders confirmed in it.
 * Repairs nothing. Payments without an order in their metadata are somebody else's on the same account and are left out.
 */
export async function reconcile(
  db: Database,
  stripe: Stripe,
  window: { readonly fromMs: number; readonly toMs: number },
): Promise<Reconciliation> {
  const differences: Difference[] = [];
  const keptOf = new Map<string, Payment>(); // by order
  let payments = 0;
  for await (const page of listPayments(stripe, window)) {
    payments += page.length;
    const orders = await findOrders(
      db,
      page.map((payment) => payment.orderId),
    );
    for (const payment of page) {
      if (!payment.kept) continue;
      const problem = problemOf(payment, orders.get(payment.orderId), keptOf.get(payment.orderId));
      if (problem) differences.push(difference(problem, payment, orders.get(payment.orderId)));
      keptOf.set(payment.orderId, payment);
    }
  }
  const confirmed = await findConfirmed(db, window);
  for (const order of confirmed) {
    if (keptOf.has(order.id) || order.payment_status === "refunded") continue;
    // Its payment may have been made before the window began.
    const payment = order.payment_intent_id === null ? null : await retrievePayment(stripe, order.payment_intent_id);
    if (payment?.kept) continue;
    differences.push(difference(payment ? "confirmed, but refunded" : "confirmed, but not paid", payment, order));
  }
  return { payments, orders: confirmed.length, differences };
}

function problemOf(
  payment: Payment,
  order: OrderRow | undefined,
  other: Payment | undefined,
): Difference["problem"] | null {
  if (!order) return "paid, but no such order";
  if (other) return "paid twice";
  if (order.status !== "confirmed") return "paid, but the order is not confirmed";
  if (payment.amount !== order.amount_minor || payment.currency !== order.currency) return "paid another amount";
  return null;
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

async function* listPayments(stripe: Stripe, window: { fromMs: number; toMs: number }): AsyncGenerator<Payment[]> {
  const created = { gte: Math.floor(window.fromMs / 1000), lte: Math.floor(window.toMs / 1000) };
  let starting_after: string | undefined;
  let more = true;
  while (more) {
    const page = await stripe.paymentIntents.list({
      created,
      limit: 100,
      expand: ["data.latest_charge"],
      ...(starting_after && { starting_after }),
    });
    yield page.data.filter((intent) => intent.metadata.orderId !== undefined).map(toPayment);
    starting_after = page.data.at(-1)?.id;
    more = page.has_more;
  }
}

async function retrievePayment(stripe: Stripe, id: string): Promise<Payment | null> {
  try {
    const payment = toPayment(await stripe.paymentIntents.retrieve(id, { expand: ["latest_charge"] }));
    return payment;
  } catch (error) {
    if ((error as { code?: string }).code === "resource_missing") return null;
    throw error;
  }
}

function toPayment(intent: Stripe.PaymentIntent): Payment {
  const charge = typeof intent.latest_charge === "object" ? intent.latest_charge : null;
  return {
    id: intent.id,
    orderId: intent.metadata.orderId ?? "",
    amount: intent.amount_received - (charge?.amount_refunded ?? 0),
    currency: intent.currency,
    kept: intent.status === "succeeded" && charge?.refunded !== true,
  };
}

interface OrderRow {
  id: string;
  status: string;
  amount_minor: number;
  currency: string;
  payment_status: string | null;
  payment_intent_id: string | null;
}
const columns = ["id", "status", "amount_minor", "currency", "payment_status", "payment_intent_id"] as const;

async function findOrders(db: Database, ids: readonly string[]): Promise<Map<string, OrderRow>> {
  const rows = await db
    .selectFrom("orders")
    .select(columns)
    .where(sql<string>`id::text`, "in", [...ids, ""])
    .execute();
  return new Map(rows.map((row) => [row.id, row]));
}

function findConfirmed(db: Database, window: { fromMs: number; toMs: number }): Promise<OrderRow[]> {
  return db
    .selectFrom("orders")
    .select(columns)
    .where("status", "=", "confirmed")
    .where("settled_at", ">=", new Date(window.fromMs))
    .where("settled_at", "<", new Date(window.toMs))
    .execute();
}

/** The differences as a table for people. */
export function printDifferences(differences: readonly Difference[]): string {
  if (differences.length === 0) return "The record and the provider agree.";
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
