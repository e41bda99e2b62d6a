import type { LedgerEntry } from "../stripe-simulator/provider.ts";
import type { Fare } from "./crowd.ts";

/** One check of the audit: what must hold, and whether it did. */
export interface Finding {
  readonly check: string;
  readonly ok: boolean;
  readonly found: string;
}

export interface AuditInput {
  readonly itemId: string;
  readonly units: number;
  readonly price: number;
  readonly fares: readonly Fare[];
  readonly books: { stocked: number; inventory: number; reserved: number; confirmed: number; balanced: boolean };
  readonly ledger: readonly LedgerEntry[];
  /** Rows in `orders` for this item, where the database can be asked. */
  readonly orderRows: number | null;
}

const expectedOutcomes = ["confirmed", "out_of_stock", "cancelled"];

/** Holds what the shoppers were told against the books and the payment provider's ledger. */
export function audit(input: AuditInput): Finding[] {
  const { fares, books, units } = input;
  const payments = input.ledger.filter((entry) => entry.itemId === input.itemId && entry.status === "succeeded");
  const confirmed = fares.filter((fare) => fare.outcome === "confirmed");
  const accepted = fares.filter((fare) => fare.orderId !== null);
  const paidOrders = new Set(payments.map((payment) => payment.orderId));
  const declined = fares.some((fare) => fare.outcome === "cancelled");
  const strange = [...new Set(fares.map((fare) => fare.outcome))].filter(
    (outcome) => !expectedOutcomes.includes(outcome),
  );
  const expected = Math.min(units, confirmed.length);
  const most = Math.min(units, fares.length);
  const findings: Finding[] = [
    finding("nobody was told anything else", strange.length === 0, strange.join(", ") || "no other outcome"),
    finding(
      "as many confirmed as there could be",
      declined || confirmed.length === most,
      `${confirmed.length} of ${most}`,
    ),
    finding(
      "everyone has a final answer",
      fares.every((f) => f.outcome !== "lost"),
      `${count(fares, "lost")} without`,
    ),
    finding("no more confirmed than there were units", confirmed.length <= units, `${confirmed.length} of ${units}`),
    finding("the books balance", books.balanced && books.stocked === units, JSON.stringify(books)),
    finding(
      "the books know every confirmed order",
      books.confirmed === confirmed.length,
      `${books.confirmed} in the books`,
    ),
    finding(
      "one payment per confirmed order",
      payments.length === expected && paidOrders.size === expected,
      `${payments.length} payments`,
    ),
    finding(
      "each payment for a confirmed order",
      confirmed.every((fare) => paidOrders.has(fare.orderId)),
      `${paidOrders.size} orders paid`,
    ),
    finding(
      "each payment of the right amount",
      payments.every((p) => p.amountReceived === input.price),
      `${sum(payments)} in all`,
    ),
    finding("in the order of arrival", keptOrder(fares), "nobody was passed by someone who came after their 202"),
  ];
  if (input.orderRows !== null) {
    findings.push(
      finding(
        "each accepted order has its row",
        input.orderRows === accepted.length,
        `${input.orderRows} rows for ${accepted.length}`,
      ),
    );
  }
  return findings;
}

/**
 * Order of arrival as shoppers can tell: whoever had their 202 before another pressed Buy comes before them. Without declines no
 * unit comes back, so every loser accepted before some winner even sent their request was passed by.
 */
function keptOrder(fares: readonly Fare[]): boolean {
  if (fares.some((fare) => fare.outcome === "cancelled")) return true;
  const lastWinnerSentMs = Math.max(...fares.filter((f) => f.outcome === "confirmed").map((f) => f.sentMs));
  const losers = fares.filter((f) => f.outcome === "out_of_stock");
  return losers.every((loser) => loser.answeredMs >= lastWinnerSentMs);
}

function finding(check: string, ok: boolean, found: string): Finding {
  return { check, ok, found };
}

function count(fares: readonly Fare[], outcome: string): number {
  return fares.filter((fare) => fare.outcome === outcome).length;
}

function sum(payments: readonly LedgerEntry[]): number {
  return payments.reduce((total, payment) => total + payment.amountReceived, 0);
}
