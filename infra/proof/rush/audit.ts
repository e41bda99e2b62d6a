import type { LedgerEntry } from "../../stripe-simulator/provider.ts";
import { digestOf, type OrderSet, type Tally } from "./tally.ts";

/** One check of the audit: what must hold, and whether it did. */
export interface Finding {
  readonly check: string;
  readonly ok: boolean;
  readonly found: string;
}

export interface Books {
  readonly stocked: number;
  readonly inventory: number;
  readonly reserved: number;
  readonly confirmed: number;
  readonly balanced: boolean;
}

export interface AuditInput {
  readonly buyers: number;
  readonly itemIds: readonly string[];
  /** Of each item. */
  readonly units: number;
  readonly price: number;
  readonly tally: Tally;
  readonly books: readonly Books[];
  /** The provider's, where it is to be had. */
  readonly ledger: readonly LedgerEntry[] | null;
  /** Each item's orders by state as Postgres has them, where the database can be asked. */
  readonly record: readonly ReadonlyMap<string, OrderSet>[] | null;
}

const expectedOutcomes = ["confirmed", "out_of_stock", "cancelled"];

/**
 * Holds what the shoppers were told against Postgres, the items' books and the payment provider's
 * ledger.
 */
export function audit(input: AuditInput): Finding[] {
  const { tally, itemIds, units, books } = input;
  const confirmed = tally.items.map((item) => item.told.get("confirmed")?.orders ?? 0);
  const possible = itemIds.map((_, i) => Math.min(units, buyersOf(input, i)));
  const strange = [...tally.outcomes.keys()].filter((outcome) => !expectedOutcomes.includes(outcome));
  const lost = tally.outcomes.get("lost") ?? 0;
  const balanced = books.every((b) => b.balanced && b.stocked === units && b.reserved === 0);
  const findings = [
    finding("nobody was told anything else", strange.length === 0, strange.join(", ") || "no other outcome"),
    finding("everyone has a final answer", lost === 0 && tally.finished === input.buyers, `${lost} without`),
    finding(
      "as many confirmed as there could be",
      tally.outcomes.has("cancelled") || same(confirmed, possible),
      `${sum(confirmed)} of ${sum(possible)}`,
    ),
    finding(
      "no more confirmed than there were units",
      confirmed.every((count) => count <= units),
      `${sum(confirmed)} of ${units * itemIds.length}`,
    ),
    finding("the books balance, and nothing is held any more", balanced, JSON.stringify(books[0])),
    finding(
      "the books know every confirmed order",
      same(
        books.map((b) => b.confirmed),
        confirmed,
      ),
      `${sum(books.map((b) => b.confirmed))} in the books`,
    ),
    ...(input.ledger === null ? [] : auditPayments(input, input.ledger)),
    finding("in the order of arrival", keptOrder(tally), "nobody was passed by someone who came after their answer"),
  ];
  if (input.record) findings.push(auditRecord(input.record, tally));
  return findings;
}

function auditPayments({ tally, itemIds, price }: AuditInput, ledger: readonly LedgerEntry[]): Finding[] {
  const ours = new Set(itemIds);
  const payments = ledger.filter((p) => ours.has(p.itemId ?? "") && p.amountReceived > p.amountRefunded);
  const paid = new Set(payments.map((payment) => payment.orderId ?? ""));
  const told = sets(tally, "confirmed");
  const digest = [...paid].reduce((total, orderId) => total + digestOf(orderId), 0);
  return [
    finding(
      "one payment per confirmed order",
      payments.length === told.orders && paid.size === told.orders,
      `${payments.length} payments`,
    ),
    finding("each payment for a confirmed order", digest === told.sum, `${paid.size} orders paid`),
    finding(
      "each payment of the right amount",
      payments.every((p) => p.amountReceived === price && p.amountRefunded === 0),
      `${sum(payments.map((p) => p.amountReceived))} in all`,
    ),
  ];
}

/** Every 202 has its row, none has two, and each row says what its shopper was told. */
function auditRecord(record: readonly ReadonlyMap<string, OrderSet>[], tally: Tally): Finding {
  const differing = tally.items.flatMap(({ told }, i) => {
    const states = new Set([...told.keys(), ...(record[i]?.keys() ?? [])]);
    return [...states].filter((state) => {
      const [shoppers, rows] = [told.get(state), record[i]?.get(state)];
      return shoppers?.orders !== rows?.orders || shoppers?.sum !== rows?.sum;
    });
  });
  const rows = sum(record.flatMap((states) => [...states.values()].map((set) => set.orders)));
  return finding(
    "each accepted order has one row, in the state its shopper was told",
    differing.length === 0,
    `${rows} rows`,
  );
}

/**
 * Order of arrival as shoppers can tell: whoever had their answer before another pressed Buy comes
 * before them. Without declines no unit comes back, so whoever got nothing and knew of it before
 * some winner even sent their request was passed by.
 */
function keptOrder(tally: Tally): boolean {
  if (tally.outcomes.has("cancelled")) return true;
  return tally.items.every((item) => item.firstLoserAnsweredMs >= item.lastWinnerSentMs);
}

function buyersOf({ buyers, itemIds }: AuditInput, item: number): number {
  return Math.floor(buyers / itemIds.length) + (item < buyers % itemIds.length ? 1 : 0);
}

function sets(tally: Tally, state: string): OrderSet {
  const all = tally.items.map((item) => item.told.get(state) ?? { orders: 0, sum: 0 });
  return { orders: sum(all.map((set) => set.orders)), sum: sum(all.map((set) => set.sum)) };
}

function finding(check: string, ok: boolean, found: string): Finding {
  return { check, ok, found };
}

function same(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((value, i) => value === b[i]);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
