import type { Books, Evidence, OrderRow } from "./evidence.ts";
import type { Tale } from "./shopper.ts";

/** One check, and what was found. */
export interface Finding {
  readonly check: string;
  readonly ok: boolean;
  readonly found: string;
}

export interface Verdict {
  /** Accepted orders without a final state in Postgres. */
  readonly lost: number;
  /** Orders too many, or paid too often. */
  readonly doubled: number;
  /** Units sold or held beyond those there were. */
  readonly oversold: number;
  readonly findings: readonly Finding[];
}

/**
 * Holds what shoppers were told against Postgres, Postgres against the books, and both against the
 * payment provider's ledger.
 * @param redisLostAtMs when Redis lost what only it had, where it did: orders that were still in
 *   line then may be gone, and only those
 */
export function judge(evidence: Evidence, price: number, redisLostAtMs: number | null = null): Verdict {
  const { tales, books } = evidence;
  const rowOf = new Map(evidence.rows.map((row) => [row.id, row]));
  const mayBeGone = ({ askedMs, decidedMs }: Tale) =>
    redisLostAtMs !== null && (askedMs ?? 0) < redisLostAtMs && (decidedMs === null || decidedMs >= redisLostAtMs);

  const accepted = tales.filter((tale) => tale.orderId !== null);
  const lost = accepted.filter((tale) => {
    const row = rowOf.get(tale.orderId ?? "");
    return row ? !isFinal(row) : !mayBeGone(tale);
  });
  const untold = accepted.filter(
    (tale) => tale.told === null && !(mayBeGone(tale) && (tale.denied > 0 || !rowOf.has(tale.orderId ?? ""))),
  );
  const misled = accepted.filter((tale) => tale.told !== null && rowOf.get(tale.orderId ?? "")?.status !== tale.told);
  const denied = accepted.filter((tale) => tale.denied > 0 && !mayBeGone(tale));
  const surplus = surplusRows(evidence, redisLostAtMs);
  const payments = checkPayments(evidence, price);
  const oversold = books.reduce((sum, item) => sum + Math.max(0, unitsOut(evidence.rows, item) - item.stocked), 0);
  const off = books.filter((item) => !item.balanced || item.inventory < 0);
  const stuck = Object.entries(evidence.queues).filter(([, { left, failed }]) => left + failed > 0);
  const strange = [...evidence.statuses].filter(([status]) => !documented.has(status));

  return {
    lost: lost.length,
    doubled: surplus.length + payments.doubled,
    oversold,
    findings: [
      none(
        "every accepted order has one row, in a final state",
        lost.map((tale) => tale.orderId),
      ),
      none(
        "every shopper with a 202 got a final answer",
        untold.map((tale) => tale.orderId),
      ),
      none(
        "what a shopper was told last is what Postgres says",
        misled.map((tale) => tale.orderId),
      ),
      none(
        "no accepted order was said not to exist",
        denied.map((tale) => tale.orderId),
      ),
      none(
        "no row that nobody asked for, and one per Idempotency-Key",
        surplus.map((row) => row.id),
      ),
      none("each confirmed order has one payment of its amount, no other has any", payments.wrong),
      none("nobody with a good card lost their units, unless they cancelled", cancelledOnAGuess(evidence, mayBeGone)),
      none(
        "the books balance",
        off.map((item) => JSON.stringify(item)),
      ),
      none("no more units out than there were", oversold > 0 ? [`${oversold} units`] : []),
      none("an item's orders were decided in their order of arrival", passedBy(evidence, redisLostAtMs)),
      none(
        "nothing is left in a queue",
        stuck.map(([name, counts]) => `${name}: ${JSON.stringify(counts)}`),
      ),
      none(
        "no answer but the documented ones",
        strange.map(([status, count]) => `${count} × ${status}`),
      ),
    ],
  };
}

// 0 is a connection that broke: that happens, and it is no answer.
const documented = new Set([0, 200, 202, 304, 404, 409, 429, 503]);
const finalStates = new Set(["confirmed", "cancelled", "out_of_stock", "rejected"]);

function isFinal(row: OrderRow): boolean {
  return finalStates.has(row.status);
}

function unitsOut(rows: readonly OrderRow[], { itemId }: Books): number {
  return rows.reduce(
    (sum, row) => sum + (row.itemId === itemId && ["reserved", "confirmed"].includes(row.status) ? row.quantity : 0),
    0,
  );
}

/**
 * Rows that no 202 names. A shopper who got no clear answer may have one; with an Idempotency-Key
 * never more than one, without never more than they sent requests.
 */
function surplusRows({ tales, rows }: Evidence, redisLostAtMs: number | null): OrderRow[] {
  const taleOf = new Map(tales.map((tale) => [tale.shopperId, tale]));
  const rowsOf = Map.groupBy(rows, (row) => row.shopperId);
  return [...rowsOf].flatMap(([shopperId, theirs]) => {
    const tale = taleOf.get(shopperId);
    const named = theirs.filter((row) => row.id === tale?.orderId);
    const others = theirs.filter((row) => row.id !== tale?.orderId);
    if (tale === undefined) return others;
    const mostRows = tale.keyed ? 1 : tale.posts;
    const unsure = tale.unsure || (redisLostAtMs !== null && tale.denied > 0);
    return unsure ? others.slice(Math.max(0, mostRows - named.length)) : others;
  });
}

/**
 * Postgres against the ledger: which orders have a wrong payment, and how many payments there are
 * too many.
 */
function checkPayments({ rows, payments }: Evidence, price: number): { wrong: string[]; doubled: number } {
  const taken = payments.filter((payment) => payment.amountReceived > payment.amountRefunded);
  const takenFor = Map.groupBy(taken, (payment) => payment.orderId ?? "none");
  const known = new Set(rows.map((row) => row.id));
  const wrong = [...takenFor.keys()].filter((orderId) => !known.has(orderId));
  for (const row of rows) {
    const theirs = takenFor.get(row.id) ?? [];
    const expected = row.status === "confirmed" ? 1 : 0;
    const right = theirs.every((payment) => payment.amountReceived - payment.amountRefunded === row.amountMinor);
    if (theirs.length !== expected || !right || row.amountMinor !== price * row.quantity) wrong.push(row.id);
  }
  const doubled = [...takenFor.values()].reduce((sum, list) => sum + list.length - 1, 0);
  return { wrong, doubled };
}

const goodCard = "pm_card_visa"; // it works always: whatever the provider answers instead is a fault

/**
 * Orders that were cancelled for want of a payment which the card would have made: whatever went
 * wrong, it was not the shopper's fault. One that Redis lost while it was in line, and whose view
 * was still there, ends as cancelled without having been decided.
 */
function cancelledOnAGuess({ tales, rows }: Evidence, mayBeGone: (tale: Tale) => boolean): string[] {
  const taleOf = new Map(tales.map((tale) => [tale.shopperId, tale]));
  const cancelled = rows.filter((row) => row.status === "cancelled" && row.reason !== "by_shopper");
  return cancelled.flatMap((row) => {
    const tale = taleOf.get(row.shopperId);
    // Nor did they lose anything who never had a 202, or whose 202 said so: their order was refused,
    // or had a view and no job when Redis failed over (decision 12), and cannot be decided.
    const promisedNothing = tale?.acceptedMs === null || tale?.cancelledAtOnce === true;
    const lostInLine = tale !== undefined && row.leftLine && (mayBeGone(tale) || promisedNothing);
    return tale?.paymentMethod === goodCard && !lostInLine ? [row.id] : [];
  });
}

/**
 * Orders that were passed by: whoever had their 202 before another one even pressed Buy comes
 * before them, on whichever servers. Those who left the line were never decided in it. Where Redis
 * lost the line, it begins anew.
 */
function passedBy({ tales, rows }: Evidence, redisLostAtMs: number | null): string[] {
  const rowOf = new Map(rows.filter((row) => !row.leftLine).map((row) => [row.id, row]));
  const decided = tales.flatMap((tale) => {
    const row = rowOf.get(tale.orderId ?? "");
    const again = redisLostAtMs !== null && tale.sentMs < redisLostAtMs;
    return row && tale.acceptedMs !== null && !again ? [{ tale, row, acceptedMs: tale.acceptedMs }] : [];
  });
  return [...Map.groupBy(decided, ({ row }) => row.itemId).values()].flatMap((ofItem) => {
    let latestSentMs = Number.NEGATIVE_INFINITY;
    return ofItem
      .sort((a, b) => a.row.firstEvent - b.row.firstEvent)
      .filter(({ tale, acceptedMs }) => {
        const passed = acceptedMs < latestSentMs;
        latestSentMs = Math.max(latestSentMs, tale.sentMs);
        return passed;
      })
      .map(({ row }) => row.id);
  });
}

const mostShown = 3;

function none(check: string, found: readonly (string | null)[]): Finding {
  const shown = found.slice(0, mostShown).join(", ");
  return { check, ok: found.length === 0, found: found.length === 0 ? "none" : `${found.length}: ${shown}` };
}
