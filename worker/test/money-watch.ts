import type { LedgerEntry, ProviderEvent } from "@holdfast/infra/stripe-simulator/provider.ts";
import type { Database } from "@holdfast/shared/database.ts";
import { hintOf } from "@holdfast/testing/payments.ts";
import { sql } from "kysely";
import { expect } from "vitest";
import type { ProviderSide } from "./provider-side.ts";

interface OrderRow {
  readonly id: string;
  readonly status: string;
  readonly reason: string | null;
  readonly payment_intent_id: string | null;
  readonly refunded_minor: number;
}

/**
 * What an audit at the end cannot see, since it was put right by then: a shopper charged twice and
 * refunded, a unit put on sale while its payment was paid, a hold whose clock started too early.
 * Looked at after each step of a schedule.
 */
export class MoneyWatch {
  readonly #db: Database;
  readonly #provider: ProviderSide;
  readonly #itemId: string;
  #cancelled = new Set<string>();
  /** By the payment: what was noted as refunded of it. */
  #refunded = new Map<string, number>();
  /** By the order: the payments there were when a webhook told of one that pays for it. */
  readonly #toldOf = new Map<string, Set<string>>();

  constructor(db: Database, provider: ProviderSide, itemId: string) {
    this.#db = db;
    this.#provider = provider;
    this.#itemId = itemId;
  }

  /** @param alone whether nothing else was going on at the same moment */
  async afterStep(alone: boolean): Promise<void> {
    await this.#books();
    await this.#clocks();
    const orders = await this.#orders();
    const ours = await this.#provider.ours();
    const ledger = await this.#provider.ledger();
    this.#releasedOpen(orders, ledger);
    await this.#refundedTooEarly(orders, ledger, alone);
    this.#chargedTwice(ours);
    if (alone) this.#releasedUnasked(orders, ours);
    this.#cancelled = new Set(orders.filter(({ status }) => status === "cancelled").map(({ id }) => id));
  }

  /** A webhook was processed, to its end and by itself: from here on its order is not charged. */
  async told(event: ProviderEvent): Promise<void> {
    if (event.type !== "payment_intent.succeeded") return;
    const { orderId, paymentIntentId } = hintOf(event);
    const order = (await this.#orders()).find(({ id }) => id === orderId);
    if (order?.status !== "reserved" || this.#toldOf.has(order.id)) return;
    const payments = (await this.#provider.ledger()).filter((payment) => payment.orderId === orderId);
    const payment = payments.find(({ id }) => id === paymentIntentId);
    if (payment?.amountReceived !== order.amount_minor) return;
    this.#toldOf.set(order.id, new Set(payments.map(({ id }) => id)));
  }

  /**
   * Nothing waits any more once the provider has been well for hours, but searches, which take a
   * day.
   */
  async atRest(): Promise<void> {
    const { rows } = await sql<{ waits: string }>`
      select 'order ' || id as waits from orders where item_id = ${this.#itemId} and status = 'reserved'
      union all
      select u.next_step || ' ' || u.payment_intent_id from unmatched_payments u join orders o on o.id = u.order_id
      where o.item_id = ${this.#itemId} and u.outcome is null and u.next_step in ('refund', 'cancel')
      and u.noticed_at < now() - interval '6 hours'`.execute(this.#db);
    expect(rows, "nothing waits for hours at a provider that is well").toEqual([]);
  }

  async #orders() {
    return this.#db
      .selectFrom("orders")
      .select(["id", "status", "reason", "amount_minor", "payment_intent_id", "refunded_minor"])
      .where("item_id", "=", this.#itemId)
      .execute();
  }

  async #books(): Promise<void> {
    const { rows } = await sql<{ held: number; balanced: boolean }>`
      select b.balanced, b.inventory + b.reserved + b.confirmed = b.stocked
        and b.reserved = (select coalesce(sum(quantity), 0) from orders where item_id = b.item_id and status = 'reserved')
        and b.confirmed = (select coalesce(sum(quantity), 0) from orders where item_id = b.item_id and status = 'confirmed')
        as counted
      from item_books b where item_id = ${this.#itemId}`.execute(this.#db);
    expect(rows, "the books balance at any moment").toEqual([{ balanced: true, counted: true }]);
  }

  async #clocks(): Promise<void> {
    const { rows } = await sql<{ id: string }>`
      select id from orders o
      where item_id = ${this.#itemId}
      and (hold_expires_at is not null or reason = 'hold_expired')
      and not exists (
        select from order_events
        where order_id = o.id and event in ('payment_declined', 'payment_requires_action', 'payment_processing')
      )`.execute(this.#db);
    expect(rows, "a hold's clock starts with the provider's first answer").toEqual([]);
  }

  #chargedTwice(ours: readonly LedgerEntry[]): void {
    const paid = ours.filter(({ status }) => status === "succeeded");
    if (!this.#provider.laggedUnusually) {
      const orders = paid.map(({ orderId }) => orderId);
      expect(orders, "no order is charged twice").toEqual([...new Set(orders)]);
    }
    const again = ours.filter(({ id, orderId }) => this.#toldOf.get(orderId ?? "")?.has(id) === false);
    expect(again, "no order is charged whose payment a webhook told of").toEqual([]);
  }

  /** A hold is released once its payment is canceled, which it stays. */
  #releasedOpen(orders: readonly OrderRow[], ledger: readonly LedgerEntry[]): void {
    const released = orders.filter(({ reason }) => reason === "hold_expired" || reason === "by_shopper");
    const ids = released.map((order) => order.payment_intent_id);
    const open = ledger.filter(({ id, status }) => ids.includes(id) && status !== "canceled");
    expect(open, "no unit is put on sale whose payment is not canceled").toEqual([]);
  }

  /** A refund that is under way is not counted as done: it may fail. */
  async #refundedTooEarly(orders: readonly OrderRow[], ledger: readonly LedgerEntry[], alone: boolean): Promise<void> {
    const closed = await this.#db
      .selectFrom("unmatched_payments")
      .innerJoin("orders", "orders.id", "order_id")
      .select("unmatched_payments.payment_intent_id")
      .where("item_id", "=", this.#itemId)
      .where("outcome", "=", "refunded")
      .execute();
    const noted = new Map(orders.map((order) => [order.payment_intent_id ?? "", order.refunded_minor]));
    for (const { payment_intent_id: id } of closed) {
      noted.set(id ?? "", ledger.find((payment) => payment.id === id)?.amountReceived ?? 0);
    }
    for (const { id, refunds } of ledger) {
      const minor = noted.get(id) ?? 0;
      const done = refunds.filter(({ status }) => status === "succeeded").reduce((sum, { amount }) => sum + amount, 0);
      const isNew = minor > (this.#refunded.get(id) ?? 0);
      if (alone && isNew) expect(minor, `no more is noted as refunded of ${id} than was`).toBeLessThanOrEqual(done);
    }
    this.#refunded = noted;
  }

  #releasedUnasked(orders: readonly OrderRow[], ours: readonly LedgerEntry[]): void {
    if (this.#provider.laggedUnusually) return;
    const released = orders
      .filter(({ id, status }) => status === "cancelled" && !this.#cancelled.has(id))
      .filter(({ id }) => !this.#provider.impersonated.has(id));
    const paid = ours.filter(
      ({ orderId, status }) => status === "succeeded" && released.some(({ id }) => id === orderId),
    );
    expect(paid, "no unit is put on sale whose payment is paid").toEqual([]);
  }
}
