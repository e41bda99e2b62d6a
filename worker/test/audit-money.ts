import type { Database } from "@holdfast/shared/database.ts";
import { isFinal } from "@holdfast/shared/order.ts";
import { booksOf } from "@holdfast/testing/items.ts";
import type { TestSimulator } from "@holdfast/testing/simulator.ts";
import { expect } from "vitest";
import { recountBooks } from "../src/recovery/check-books.ts";
import { reconcile } from "../src/recovery/reconcile.ts";

/**
 * Why a card was refused: by its bank, by its shopper before it, or since there is no such card.
 * Nothing else ends an order.
 */
const declineCodes = ["generic_decline", "payment_intent_authentication_failure", "resource_missing", "stale_token"];

/** Holds an item's orders against the provider's ledger, once everything has come to rest. */
export async function auditMoney(
  db: Database,
  simulator: TestSimulator,
  itemId: string,
  placed: readonly string[],
): Promise<void> {
  const orders = await db.selectFrom("orders").selectAll().where("item_id", "=", itemId).execute();
  const ids = orders.map((order) => order.id);
  const ledger = (await simulator.ledger()).filter((payment) => ids.includes(payment.orderId ?? ""));
  const events = await db
    .selectFrom("order_events")
    .select(["order_id", "event", "detail"])
    .where("order_id", "in", ids)
    .orderBy("id")
    .execute();
  const unmatched = await db.selectFrom("unmatched_payments").selectAll().where("order_id", "in", ids).execute();
  const told = JSON.stringify({ orders, events, unmatched, ledger }, null, 1);

  const keys = events.flatMap(({ event, order_id: id, detail }) =>
    event === "card_changed" && typeof detail.key === "string" ? [`${id} ${detail.key}`] : [],
  );
  expect(keys, `under a key one card is tried once\n${told}`).toEqual([...new Set(keys)]);
  const declines = events.flatMap(({ detail }) => (detail.declineCode ? [detail.declineCode] : []));
  for (const code of declines) expect(declineCodes, `only cards are declined\n${told}`).toContain(code);
  const lost = orders.filter(({ reason, decline_code: code }) => reason === "payment_failed" && code === "stale_token");
  expect(lost, `no unit is lost for a card that was not tried\n${told}`).toEqual([]);
  for (const order of orders) {
    expect(isFinal(order.status), `order ${order.id} is settled\n${told}`).toBe(true);
    const payments = ledger.filter((payment) => payment.orderId === order.id);
    const sold = order.status === "confirmed" || order.status === "refunded";
    for (const { id, amountReceived, amountRefunded, disputed } of payments) {
      const kept = amountReceived - amountRefunded;
      const own = sold && id === order.payment_intent_id;
      // What the shopper's bank takes back itself cannot be refunded.
      const expected = own ? order.amount_minor - order.refunded_minor : disputed ? kept : 0;
      expect(kept, `money of ${order.id} in ${id}\n${told}`).toBe(expected);
      if (order.status === "confirmed" && own) expect(kept, `paid\n${told}`).toBeGreaterThan(0);
    }
    const refundOpen = order.status === "confirmed" && order.refund_requested_at !== null;
    expect(refundOpen, `the refund of ${order.id} is made or refused\n${told}`).toBe(false);
    if (sold) expect(payments.map(({ id }) => id)).toContain(order.payment_intent_id);
    const open = payments.filter((payment) => !["succeeded", "canceled"].includes(payment.status));
    expect(open, `nothing can be paid any more under ${order.id}\n${told}`).toEqual([]);
  }
  expect(
    unmatched.filter((row) => row.outcome === null),
    `no payment is left open\n${told}`,
  ).toEqual([]);
  expect(await booksOf(db, itemId), `books\n${told}`).toMatchObject({ balanced: true, reserved: 0 });
  const alarms: string[] = [];
  await recountBooks(db, (name) => void alarms.push(name));
  expect(alarms, `books\n${told}`).toEqual([]);
  expect([...ids].sort()).toEqual([...placed].sort());
  await reconciles(db, simulator, told, ids);
}

const yearMs = 365 * 24 * 3_600_000;

/** Reconciliation finds nothing that this audit does not know of. */
async function reconciles(db: Database, simulator: TestSimulator, told: string, ids: readonly string[]): Promise<void> {
  const window = { fromMs: Date.now() - yearMs, toMs: Date.now() + yearMs };
  const { differences } = await reconcile(db, simulator.stripe, window);
  const disputed = new Set((await simulator.ledger()).filter((p) => p.disputed).map((p) => p.id));
  const ours = differences.filter(({ orderId, paymentIntentId, problem }) => {
    const lateFailure = problem === "refunded, but still paid"; // an alarm of its own
    return ids.includes(orderId ?? "") && !lateFailure && !disputed.has(paymentIntentId ?? "");
  });
  expect(ours, `books\n${told}`).toEqual([]);
}
